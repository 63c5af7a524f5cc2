"""asyncpg: COPY into a temporary table, then set-based SQL, one transaction a batch."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from benchmarks.store.contenders import Sync
from benchmarks.store.contenders.batches import VALUES, batches, values_of
from wxcontacts_async import Contact, Fetched, SessionPool

_TAKEN = ", ".join(f"{name} = i.{name}" for name in VALUES)
_NEW, _OLD = (", ".join(f"{table}.{name}" for name in VALUES) for table in ("i", "c"))
_NEW_OBJECT, _OLD_OBJECT = (
    "json_build_object(" + ", ".join(f"'{name}', {table}.{name}" for name in VALUES) + ")"
    for table in ("i", "c")
)
_FIELDS = ", ".join(
    f"CASE WHEN i.{name} IS DISTINCT FROM c.{name} THEN '{name}' END" for name in VALUES
)
_COLUMNS = ("w_id", "user_name", *VALUES, "at")

# The settings are those of ContactStore; without them it reads all contacts for each batch.
_TABLES = """
    SET enable_hashjoin = off;
    SET random_page_cost = 1.1;
    CREATE TEMPORARY TABLE incoming (LIKE contacts) ON COMMIT DELETE ROWS;
    ALTER TABLE incoming DROP COLUMN first_seen, DROP COLUMN last_changed,
        ADD COLUMN at TIMESTAMPTZ NOT NULL;
    CREATE TEMPORARY TABLE fetched (LIKE instances) ON COMMIT DELETE ROWS;
"""
_MERGE = f"""
    ANALYZE incoming, fetched;
    INSERT INTO contact_changes (w_id, user_name, change, fields, before, after, at)
    SELECT i.w_id, i.user_name, 'changed', concat_ws(',', {_FIELDS}),
        {_OLD_OBJECT}, {_NEW_OBJECT}, i.at
    FROM incoming i JOIN contacts c ON c.w_id = i.w_id AND c.user_name = i.user_name
    WHERE ({_NEW}) IS DISTINCT FROM ({_OLD});
    WITH departed AS (
        DELETE FROM contacts c USING fetched f
        WHERE c.w_id = f.w_id AND NOT EXISTS (
            SELECT FROM incoming i WHERE i.w_id = c.w_id AND i.user_name = c.user_name)
        RETURNING c.*, f.tried_at AS at)
    INSERT INTO contact_changes (w_id, user_name, change, fields, before, at)
    SELECT w_id, user_name, 'removed', '', {_OLD_OBJECT}, at FROM departed c;
    INSERT INTO contact_changes (w_id, user_name, change, fields, after, at)
    SELECT i.w_id, i.user_name, 'added', '', {_NEW_OBJECT}, i.at FROM incoming i
    WHERE NOT EXISTS (
        SELECT FROM contacts c WHERE c.w_id = i.w_id AND c.user_name = i.user_name);
    MERGE INTO contacts c USING incoming i ON c.w_id = i.w_id AND c.user_name = i.user_name
    WHEN MATCHED AND ({_NEW}) IS DISTINCT FROM ({_OLD}) THEN
        UPDATE SET {_TAKEN}, last_changed = i.at
    WHEN NOT MATCHED THEN
        INSERT VALUES (i.w_id, i.user_name, {_NEW}, i.at, i.at);
    INSERT INTO instances SELECT * FROM fetched
    ON CONFLICT (w_id) DO UPDATE SET gateway = excluded.gateway, outcome = excluded.outcome,
        tried_at = excluded.tried_at, synced_at = excluded.synced_at,
        contacts = excluded.contacts, calls = excluded.calls;
"""


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[Sync]:
    """Connect."""
    connection = await asyncpg.connect(url)
    await connection.execute(_TABLES)

    async def sync(pool: SessionPool[Contact], w_ids: Iterable[str]) -> None:
        async for batch in batches(pool, w_ids):
            await _write(connection, batch)

    try:
        yield sync
    finally:
        await connection.close()


async def _write(connection: Any, batch: list[Fetched[Contact]]) -> None:  # noqa: ANN401
    async with connection.transaction():
        await connection.copy_records_to_table(
            "incoming",
            columns=_COLUMNS,
            records=(
                (outcome.w_id, name, *values, outcome.contacts.fetched_at)
                for outcome in batch
                for name, values in values_of(outcome.contacts).items()
            ),
        )
        await connection.copy_records_to_table(
            "fetched",
            columns=("w_id", "gateway", "outcome", "tried_at", "synced_at", "contacts", "calls"),
            records=[
                (
                    outcome.w_id,
                    outcome.gateway,
                    "synced",
                    outcome.contacts.fetched_at,
                    outcome.contacts.fetched_at,
                    len(outcome.contacts),
                    outcome.calls,
                )
                for outcome in batch
            ],
        )
        await connection.execute(_MERGE)
