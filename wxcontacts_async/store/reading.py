"""Reads contacts, changes and instances back, page by page. It blocks."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
import pyarrow as pa

from wxcontacts_async.contacts import Contact, ContactKind, ContactSet
from wxcontacts_async.store._database.connection import ROWS_A_PAGE, Connection
from wxcontacts_async.store._database.temporary_tables import KINDS, MORE
from wxcontacts_async.store._database.values import read_time, storable, written_time
from wxcontacts_async.store._merging.suspicion import SUSPICION_COLUMNS, read_suspicion
from wxcontacts_async.store._tabular.arrow import CONTACT_SCHEMA, sets_of_rows
from wxcontacts_async.store._tabular.columns import VERSION_FIELDS
from wxcontacts_async.store._tabular.own_fields import OwnFields
from wxcontacts_async.store.errors import ChangesPrunedError
from wxcontacts_async.store.records import (
    ChangeKind,
    ContactChange,
    ContactVersion,
    KindCounts,
    StoredInstance,
)

_CHANGES_A_PAGE = 1_000
_INSTANCES_A_PAGE = 1_000

_COLUMNS = ", ".join(("w_id", "user_name", *VERSION_FIELDS, "CAST(more AS TEXT) AS more"))
_ROWS = pa.schema([*list(CONTACT_SCHEMA)[:-1], MORE, CONTACT_SCHEMA.field("fetched_at")])
_CHANGES = """
    SELECT id, w_id, user_name, change, fields, CAST(before AS TEXT), CAST(after AS TEXT),
        CAST(at AS TEXT)
    FROM contact_changes"""


# A contact as the change log has it.
_TYPES = {field.name: field.type for field in msgspec.structs.fields(Contact)}
_Version = msgspec.defstruct(
    "_Version",
    [
        *((name, _TYPES.get(name, ContactKind)) for name in VERSION_FIELDS),
        ("more", msgspec.Raw, msgspec.Raw(b"null")),
    ],
)
_decode_version = msgspec.json.Decoder(_Version).decode


def load(connection: Connection, w_id: str, own: OwnFields) -> ContactSet[Any] | None:
    """Return the contacts of one instance, or None if it has never been synced."""
    stored = storable(w_id, connection.dialect)
    with connection.snapshot():
        rows = connection.rows(
            "SELECT CAST(synced_at AS TEXT) FROM instances "
            "WHERE w_id = $1 AND synced_at IS NOT NULL",
            stored,
        )
        if not rows:
            return None
        (contacts,) = _contact_sets(connection, {stored: read_time(rows[0][0])}, own)
    return msgspec.structs.replace(contacts, w_id=w_id)


def load_after(connection: Connection, w_id: str, own: OwnFields) -> list[ContactSet[Any]]:
    """Return the contacts of the next instances by wId, at least of one; none at the end."""
    with connection.snapshot():
        rows = connection.rows(
            "SELECT w_id, CAST(synced_at AS TEXT), contacts FROM instances "
            f"WHERE w_id > $1 AND synced_at IS NOT NULL ORDER BY w_id LIMIT {_INSTANCES_A_PAGE}",
            w_id,
        )
        synced_at: dict[str, datetime] = {}
        size = 0
        for next_w_id, at, contacts in rows:
            size += contacts
            if synced_at and size > ROWS_A_PAGE:
                break
            synced_at[next_w_id] = read_time(at)
        return _contact_sets(connection, synced_at, own) if synced_at else []


def _contact_sets(
    connection: Connection,
    synced_at: Mapping[str, datetime],
    own: OwnFields,
) -> list[ContactSet[Any]]:
    """Read the contacts of neighbouring instances, given by wId and when each was synced."""
    w_ids = list(synced_at)  # in the database's order, which need not be Python's
    pages: list[pa.Table] = []
    after: tuple[str, ...] = ()
    while not pages or len(pages[-1]) == ROWS_A_PAGE:
        page = connection.table(
            f"""
            SELECT {_COLUMNS} FROM contacts WHERE w_id <= $1
            AND {"(w_id, user_name) > ($2, $3)" if after else "w_id >= $2"}
            ORDER BY w_id, user_name LIMIT {ROWS_A_PAGE}""",
            w_ids[-1],
            *(after or w_ids[:1]),
        )
        if len(page):
            after = (page["w_id"][-1].as_py(), page["user_name"][-1].as_py())
        pages.append(_as_contacts(page, synced_at))
    found = {contacts.w_id: contacts for contacts in sets_of_rows(pa.concat_tables(pages), own)}
    return [found.get(w_id) or ContactSet(w_id, fetched_at=at) for w_id, at in synced_at.items()]


def _as_contacts(page: pa.Table, synced_at: Mapping[str, datetime]) -> pa.Table:
    times = [synced_at[w_id] for w_id in page["w_id"].to_pylist()]
    time_type = CONTACT_SCHEMA.field("fetched_at").type
    page = page.append_column("fetched_at", pa.array(times, time_type))
    return page.cast(_ROWS)  # SQLite returns a column of nulls as numbers


def changes(
    connection: Connection,
    after: int,
    since: datetime | None,
    w_id: str | None,
    own: OwnFields,
) -> list[ContactChange[Any]]:
    """Return the next lines of the change log.

    Raise ChangesPrunedError if there were lines between `after` and the first one that is left.
    """
    conditions = ["id > $1"]
    parameters: list[object] = [after]
    if since is not None:
        parameters.append(written_time(since))
        conditions.append(f"at >= CAST(${len(parameters)} AS {connection.dialect.timestamp})")
    if w_id is not None:
        parameters.append(storable(w_id, connection.dialect))
        conditions.append(f"w_id = ${len(parameters)}")
    with connection.snapshot():
        rows = connection.rows(
            f"{_CHANGES} WHERE {' AND '.join(conditions)} ORDER BY id LIMIT {_CHANGES_A_PAGE}",
            *parameters,
        )
        if since is None and after and (not rows or rows[0][0] > after + 1):
            _check_not_pruned(connection, after)
    return [_change(row, own) for row in rows]


def _check_not_pruned(connection: Connection, after: int) -> None:
    """Raise ChangesPrunedError if the log begins later than a reader goes on."""
    ((first,),) = connection.rows("SELECT min(id) FROM contact_changes")
    if first is not None and first > after + 1:
        raise ChangesPrunedError.of(after, first)


def last_change(connection: Connection, own: OwnFields) -> ContactChange[Any] | None:
    """Return the last line of the change log; None if there is none."""
    rows = connection.rows(f"{_CHANGES} ORDER BY id DESC LIMIT 1")
    return _change(rows[0], own) if rows else None


def _change(row: tuple[Any, ...], own: OwnFields) -> ContactChange[Any]:
    number, w_id, user_name, change, fields, before, after, at = row
    return ContactChange(
        w_id,
        user_name,
        ChangeKind(change),
        tuple(fields.split(",")) if fields else (),
        _version(user_name, before, own),
        _version(user_name, after, own),
        read_time(at),
        number,
    )


def _version(user_name: str, written: str | None, own: OwnFields) -> ContactVersion[Any] | None:
    if written is None:
        return None
    kind, *fields, more = msgspec.structs.astuple(_decode_version(written))
    values = own.read(bytes(more).decode())
    return ContactVersion(kind, own.contact_type(user_name, *fields, **values))


def first_change_since(connection: Connection, since: datetime) -> int:
    """Return the number of the first line of the change log from a time on, or 0."""
    at = f"CAST($1 AS {connection.dialect.timestamp})"
    # The sum keeps databases from searching line by line from the beginning of the log.
    query = f"SELECT min(id + 0) FROM contact_changes WHERE at >= {at}"
    return connection.rows(query, written_time(since))[0][0] or 0


def instances_after(connection: Connection, w_id: str) -> list[StoredInstance]:
    """Return the next instances by wId; none at the end."""
    rows = connection.rows(
        "SELECT w_id, gateway, outcome, CAST(tried_at AS TEXT), CAST(synced_at AS TEXT), "
        f"contacts, calls, {', '.join(KINDS)}, {SUSPICION_COLUMNS} FROM instances "
        f"WHERE w_id > $1 ORDER BY w_id LIMIT {_INSTANCES_A_PAGE}",
        w_id,
    )
    return [_instance(row) for row in rows]


def _instance(row: tuple[Any, ...]) -> StoredInstance:
    w_id, gateway, outcome, tried_at, synced_at, contacts, calls, *others = row
    kinds, suspected = others[: len(KINDS)], others[len(KINDS) :]
    return StoredInstance(
        w_id,
        gateway,
        outcome,
        read_time(tried_at),
        None if synced_at is None else read_time(synced_at),
        contacts,
        calls,
        read_suspicion(*suspected),
        None if None in kinds else KindCounts(*kinds),
    )
