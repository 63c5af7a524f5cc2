"""sqlite3: a thread, one transaction a batch, the difference in Python, `executemany`."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

from benchmarks.store.contenders import Sync
from benchmarks.store.contenders.batches import (
    VALUES,
    batches,
    difference,
    values_of,
    written_time,
)
from wxcontacts_async import Contact, Fetched, SessionPool

_NAMES = ", ".join(VALUES)
_MARKS = ", ".join("?" for _ in VALUES)
_TAKEN = ", ".join(f"{name} = excluded.{name}" for name in VALUES)
_SELECT = f"SELECT user_name, {_NAMES} FROM contacts WHERE w_id = ?"
_UPSERT = f"""
    INSERT INTO contacts (w_id, user_name, {_NAMES}, first_seen, last_changed)
    VALUES (?, ?, {_MARKS}, ?, ?)
    ON CONFLICT (w_id, user_name) DO UPDATE SET {_TAKEN}, last_changed = excluded.last_changed"""
_DELETE = "DELETE FROM contacts WHERE w_id = ? AND user_name = ?"
_LOG = """
    INSERT INTO contact_changes (w_id, user_name, change, fields, before, after, at)
    VALUES (?, ?, ?, ?, ?, ?, ?)"""
_SETTLE = """
    INSERT INTO instances (w_id, gateway, outcome, tried_at, synced_at, contacts, calls)
    VALUES (?, ?, 'synced', ?, ?, ?, ?)
    ON CONFLICT (w_id) DO UPDATE SET gateway = excluded.gateway, outcome = excluded.outcome,
        tried_at = excluded.tried_at, synced_at = excluded.synced_at,
        contacts = excluded.contacts, calls = excluded.calls"""


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[Sync]:
    """Connect."""
    connection = sqlite3.connect(
        url.removeprefix("sqlite:///"),
        isolation_level=None,
        check_same_thread=False,
    )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA cache_size = -65536")

    async def sync(pool: SessionPool[Contact], w_ids: Iterable[str]) -> None:
        async for batch in batches(pool, w_ids):
            await asyncio.to_thread(_write, connection, batch)

    try:
        yield sync
    finally:
        connection.close()


def _write(connection: sqlite3.Connection, batch: list[Fetched[Contact]]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        for outcome in batch:
            w_id, at = outcome.w_id, written_time(outcome.contacts)
            stored = {name: tuple(values) for name, *values in connection.execute(_SELECT, (w_id,))}
            arrived = values_of(outcome.contacts)
            change = difference(w_id, at, stored, arrived)
            connection.executemany(
                _UPSERT,
                [(w_id, name, *values, at, at) for name, values in change.upserted],
            )
            connection.executemany(_DELETE, [(w_id, name) for name in change.removed])
            connection.executemany(_LOG, change.log)
            connection.execute(
                _SETTLE,
                (w_id, outcome.gateway, at, at, len(arrived), outcome.calls),
            )
