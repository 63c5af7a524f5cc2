"""Sums up a database: what is in it, and what happened in it since a time. It blocks."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from wxcontacts_async.contacts import ContactKind
from wxcontacts_async.store._database.connection import Connection
from wxcontacts_async.store._database.values import read_time, written_time
from wxcontacts_async.store.reading import instances_after
from wxcontacts_async.store.records import ChangeKind, DeltaCounts, StoredInstance

_SHARED = 100  # the most shared contacts
_RECENT = 500  # the last changes


class InstanceSummary(msgspec.Struct, frozen=True):
    """One instance.

    Attributes:
        stored: How it last ended.
        kinds: How many contacts of each kind it has.
        first_seen: When the first of these came; None if there are none.
        delta_counts: What changed since the time; not what its first sync brought.

    """

    stored: StoredInstance
    kinds: dict[ContactKind, int] = {}
    first_seen: datetime | None = None
    delta_counts: DeltaCounts = DeltaCounts()


class HourSummary(msgspec.Struct, frozen=True, gc=False):
    """What changed in one hour; aware, in UTC.

    Attributes:
        begin: When it began.
        change: What became of contacts.
        count: Of how many.
        imported: How many of these an instance's first sync brought.

    """

    begin: datetime
    change: ChangeKind
    count: int
    imported: int


class SharedContact(msgspec.Struct, frozen=True, gc=False):
    """A contact of several instances; its name is None if names were not asked for."""

    user_name: str | None
    nick_name: str | None
    kind: ContactKind
    instances: int


class RecentChange(msgspec.Struct, frozen=True, gc=False):
    """A contact that came or went, not with an instance's first sync."""

    at: datetime
    w_id: str
    change: ChangeKind
    kind: ContactKind
    user_name: str
    nick_name: str | None


class StoreSummary(msgspec.Struct, frozen=True):
    """What is in a database, all as of one moment.

    Attributes:
        since: From when on changes count; aware, in UTC.
        instances: Each instance that was ever asked for, by wId.
        hours: What changed, by hour.
        spread: How many contacts are on how many instances.
        shared: The contacts that are on the most instances, these first.
        recent: The last contacts that came or went, the last one first; none if names were not
            asked for.

    """

    since: datetime
    instances: tuple[InstanceSummary, ...]
    hours: tuple[HourSummary, ...]
    spread: dict[int, int]
    shared: tuple[SharedContact, ...]
    recent: tuple[RecentChange, ...]


def summarize(connection: Connection, since: datetime, *, names: bool) -> StoreSummary:
    """Sum up a database; without names, none of a contact is read."""
    with connection.snapshot():
        connection.execute(connection.dialect.begin_summing)
        return StoreSummary(
            since,
            tuple(_instances(connection, since)),
            tuple(_hours(connection, since)),
            dict(connection.rows(_SPREAD)),
            tuple(_shared(connection, names=names)),
            tuple(_recent(connection, since)) if names else (),
        )


# What a first sync brings bears the time of the instance's first contact.
_FIRST = "(SELECT w_id, min(first_seen) AS at FROM contacts GROUP BY w_id)"
_IMPORTED = "log.change = 'added' AND log.at <= first.at"
_SINCE = f"""
    FROM contact_changes log LEFT JOIN {_FIRST} first ON first.w_id = log.w_id
    WHERE log.at >= CAST($1 AS {{timestamp}})"""

_KINDS = """
    SELECT w_id, kind, count(*), CAST(min(first_seen) AS TEXT) FROM contacts GROUP BY w_id, kind"""

_DELTAS = f"""
    SELECT log.w_id, log.change, count(*) {_SINCE}
    AND NOT coalesce({_IMPORTED}, false) GROUP BY log.w_id, log.change"""

_HOURS = f"""
    SELECT substr(CAST(log.at AS TEXT), 1, 13), log.change, count(*),
        count(CASE WHEN {_IMPORTED} THEN 1 END)
    {_SINCE} GROUP BY 1, 2 ORDER BY 1"""

_SPREAD = """
    SELECT instances, count(*) FROM
        (SELECT count(*) AS instances FROM contacts GROUP BY user_name) held
    GROUP BY instances ORDER BY instances"""

_SHARED_CONTACTS = f"""
    SELECT {{names}} max(c.kind), held.instances FROM
        (SELECT user_name, count(*) AS instances FROM contacts GROUP BY user_name
            HAVING count(*) > 1 ORDER BY 2 DESC, 1 LIMIT {_SHARED}) held
    JOIN contacts c ON c.user_name = held.user_name
    GROUP BY held.user_name, held.instances ORDER BY held.instances DESC, held.user_name"""
_NAMES = "held.user_name, max(c.nick_name),"
_NO_NAMES = "NULL, NULL,"

_RECENT_CHANGES = f"""
    SELECT CAST(log.at AS TEXT), log.w_id, log.change,
        coalesce(log.after, log.before) ->> 'kind', log.user_name,
        coalesce(log.after, log.before) ->> 'nick_name'
    {_SINCE} AND log.change <> 'changed' AND NOT coalesce({_IMPORTED}, false)
    ORDER BY log.id DESC LIMIT {_RECENT}"""


def _instances(connection: Connection, since: datetime) -> Iterator[InstanceSummary]:
    kinds: defaultdict[str, dict[ContactKind, int]] = defaultdict(dict)
    first_seen: dict[str, datetime] = {}
    for w_id, kind, count, written in connection.rows(_KINDS):
        kinds[w_id][ContactKind(kind)] = count
        at = read_time(written)
        first_seen[w_id] = min(at, first_seen.get(w_id, at))
    deltas: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for w_id, change, count in _rows_since(connection, _DELTAS, since):
        deltas[w_id][change] = count
    after = ""
    while page := instances_after(connection, after):
        after = page[-1].w_id
        for stored in page:
            w_id = stored.w_id
            delta = DeltaCounts(**deltas[w_id])
            yield InstanceSummary(stored, kinds[w_id], first_seen.get(w_id), delta)


def _hours(connection: Connection, since: datetime) -> Iterator[HourSummary]:
    for hour, change, count, imported in _rows_since(connection, _HOURS, since):
        yield HourSummary(read_time(f"{hour}:00:00"), ChangeKind(change), count, imported)


def _shared(connection: Connection, *, names: bool) -> Iterator[SharedContact]:
    query = _SHARED_CONTACTS.format(names=_NAMES if names else _NO_NAMES)
    for user_name, nick_name, kind, instances in connection.rows(query):
        yield SharedContact(user_name, nick_name, ContactKind(kind), instances)


def _recent(connection: Connection, since: datetime) -> Iterator[RecentChange]:
    for at, w_id, change, kind, user_name, nick_name in _rows_since(
        connection, _RECENT_CHANGES, since
    ):
        yield RecentChange(
            read_time(at), w_id, ChangeKind(change), ContactKind(kind), user_name, nick_name
        )


def _rows_since(connection: Connection, query: str, since: datetime) -> list[tuple[Any, ...]]:
    filled = query.format(timestamp=connection.dialect.timestamp)
    return connection.rows(filled, written_time(since))
