"""Forgets instances that are no more, and changes of long ago. It blocks."""

from datetime import UTC, datetime

from wxcontacts_async.store._database.connection import Connection
from wxcontacts_async.store._database.values import storable, written_time
from wxcontacts_async.store._merging import statements as sql
from wxcontacts_async.store._merging.remembering import known_fields
from wxcontacts_async.store.errors import NotSyncedError

_TABLES = ("contacts", "contact_fingerprints", "missing_contacts", "instances")
_CHANGES_AT_ONCE = 10_000


def forget(connection: Connection, w_id: str) -> int:
    """Remove an instance, and log that its contacts are gone; return how many there were.

    NotSyncedError if the database does not know it.
    """
    stored = storable(w_id, connection.dialect)
    with connection.transaction():
        ((known,),) = connection.rows("SELECT count(*) FROM instances WHERE w_id = $1", stored)
        if not known:
            raise NotSyncedError.of(w_id)
        ((contacts,),) = connection.rows("SELECT count(*) FROM contacts WHERE w_id = $1", stored)
        now = written_time(datetime.now(UTC))
        fields = sql.Fields(are_kept=bool(known_fields(connection)))
        connection.execute(sql.log_all_departures(connection.dialect, fields), now, stored)
        for table in _TABLES:
            connection.execute(f"DELETE FROM {table} WHERE w_id = $1", stored)
        if contacts:
            connection.announce()
        return int(contacts)


def prune(connection: Connection, before: datetime, begin: int) -> tuple[int, int | None]:
    """Remove some of the oldest changes, up to the first one from a time on, or the last of all.

    Return how many, and the id to go on from; None if that was all.

    Arguments:
        connection: The connection.
        before: The time.
        begin: No change has a lower id.

    """
    with connection.transaction():
        # By the order of ids, so that what is left has no gap; the last change stays, as it tells
        # readers of the log where they are.
        ((end, oldest, found),) = connection.rows(
            f"""
            SELECT coalesce(min(CASE WHEN at >= CAST($1 AS {connection.dialect.timestamp})
                THEN id END), max(id) + 1), min(id), count(*)
            FROM (SELECT id, at FROM contact_changes
                WHERE id >= $2 AND id < (SELECT max(id) FROM contact_changes)
                ORDER BY id LIMIT {_CHANGES_AT_ONCE}) oldest""",
            written_time(before),
            begin,
        )
        if not found or end == oldest:
            return 0, None
        ((removed,),) = connection.rows(
            "SELECT count(*) FROM contact_changes WHERE id >= $1 AND id < $2", oldest, end
        )
        connection.execute("DELETE FROM contact_changes WHERE id >= $1 AND id < $2", oldest, end)
        return int(removed), int(end) if removed == _CHANGES_AT_ONCE else None
