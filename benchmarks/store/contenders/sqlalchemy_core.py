"""SQLAlchemy Core: a thread, one transaction a batch, `insert().on_conflict_do_update`."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from benchmarks.store.contenders import Sync
from benchmarks.store.contenders.batches import (
    VALUES,
    batches,
    difference,
    values_of,
    written_time,
)
from wxcontacts_async import Contact, Fetched, SessionPool

_LOG = ("w_id", "user_name", "change", "fields", "before", "after", "at")
_SETTLED = ("gateway", "outcome", "tried_at", "synced_at", "contacts", "calls")


class _Statements:
    """The statements, on the tables as they are in the database."""

    def __init__(self, engine: Any) -> None:  # noqa: ANN401  # perhaps not installed
        tables = sa.MetaData()
        tables.reflect(engine, only=["contacts", "contact_changes", "instances"])
        contacts, instances = tables.tables["contacts"], tables.tables["instances"]
        self.log = sa.insert(tables.tables["contact_changes"])
        self.select = sa.select(
            contacts.c.user_name,
            *(contacts.c[name] for name in VALUES),
        ).where(contacts.c.w_id == sa.bindparam("of"))
        upsert, settle = insert(contacts), insert(instances)
        self.upsert = upsert.on_conflict_do_update(
            index_elements=["w_id", "user_name"],
            set_={name: upsert.excluded[name] for name in (*VALUES, "last_changed")},
        )
        self.settle = settle.on_conflict_do_update(
            index_elements=["w_id"],
            set_={name: settle.excluded[name] for name in _SETTLED},
        )
        self.delete = sa.delete(contacts).where(
            contacts.c.w_id == sa.bindparam("of"),
            contacts.c.user_name == sa.bindparam("name"),
        )


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[Sync]:
    """Connect."""
    engine = sa.create_engine(url)

    @sa.event.listens_for(engine, "connect")  # type: ignore[untyped-decorator,unused-ignore]
    def _prepare(connection: Any, _: object) -> None:  # noqa: ANN401
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -65536")

    statements = _Statements(engine)

    async def sync(pool: SessionPool[Contact], w_ids: Iterable[str]) -> None:
        async for batch in batches(pool, w_ids):
            await asyncio.to_thread(_write, engine, statements, batch)

    try:
        yield sync
    finally:
        engine.dispose()


def _write(engine: Any, statements: _Statements, batch: list[Fetched[Contact]]) -> None:  # noqa: ANN401
    with engine.begin() as connection:
        for outcome in batch:
            w_id, at = outcome.w_id, written_time(outcome.contacts)
            stored = {
                name: tuple(values)
                for name, *values in connection.execute(statements.select, {"of": w_id})
            }
            arrived = values_of(outcome.contacts)
            change = difference(w_id, at, stored, arrived)
            if change.upserted:
                connection.execute(
                    statements.upsert,
                    [
                        {
                            "w_id": w_id,
                            "user_name": name,
                            **dict(zip(VALUES, values, strict=True)),
                            "first_seen": at,
                            "last_changed": at,
                        }
                        for name, values in change.upserted
                    ],
                )
            if change.removed:
                gone = [{"of": w_id, "name": name} for name in change.removed]
                connection.execute(statements.delete, gone)
            if change.log:
                log = [dict(zip(_LOG, row, strict=True)) for row in change.log]
                connection.execute(statements.log, log)
            settled = (outcome.gateway, "synced", at, at, len(arrived), outcome.calls)
            connection.execute(
                statements.settle,
                {"w_id": w_id, **dict(zip(_SETTLED, settled, strict=True))},
            )
