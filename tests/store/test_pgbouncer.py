"""Behind a pooler each transaction may be on another connection, and the next one be another's."""

from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from adbc_driver_postgresql import dbapi
from anyio.to_thread import run_sync

from tests.support.pgbouncer import PgBouncer
from tests.support.postgresql import PostgresqlServer
from tests.support.syncing import (
    W_ID,
    GivenGateway,
    all_synced,
    friends,
    loaded,
    log,
    replayed,
    scene,
    sync,
    versions,
)
from wxcontacts_async import SessionPool
from wxcontacts_async.store import ContactStore, DeltaCounts

# The database does the same on any loop, so asyncio's will do.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])

_CONNECTIONS = 2
SETS = [friends(*range(10), w_id=f"w{number:03}") for number in range(60)]
W_IDS = [contacts.w_id for contacts in SETS]
# What a connection of ours could leave to the next client of its connection.
_LEFT_BEHIND = """
    SELECT 'table ' || relname FROM pg_class
    WHERE relpersistence = 't' AND relkind = 'r'
    UNION ALL SELECT 'lock of ' || locktype FROM pg_locks WHERE locktype = 'advisory'
    UNION ALL SELECT 'statement ' || name FROM pg_prepared_statements
    UNION ALL SELECT 'setting ' || name FROM pg_settings
    WHERE source = 'session' AND name NOT IN ('application_name', 'client_encoding')"""


@pytest.fixture(scope="module")
def pooler(postgresql: PostgresqlServer) -> Iterator[PgBouncer]:
    with PgBouncer(postgresql.folder, _CONNECTIONS) as pooler:
        yield pooler


@pytest.fixture
def pooled_url(pooler: PgBouncer, postgresql: PostgresqlServer) -> str:
    return pooler.url(postgresql.fresh_database())


class OtherClient:
    """Somebody else on the pool, who keeps one of its connections while he likes."""

    def __init__(self, url: str) -> None:
        self._connection = dbapi.connect(url, autocommit=True)
        self._cursor = self._connection.cursor()

    def keep_one(self) -> None:
        self._cursor.executescript("BEGIN; SELECT 1")

    def let_go(self) -> list[tuple[Any, ...]]:
        """Let it go on, and return what is left behind there of others."""
        self._cursor.execute(_LEFT_BEHIND)
        left: list[tuple[Any, ...]] = self._cursor.fetchall()
        self._cursor.executescript("COMMIT")
        return left

    def close(self) -> None:
        self._cursor.close()
        self._connection.close()


def left_behind(url: str) -> list[tuple[Any, ...]]:
    """Return what is left behind on all connections of the pool."""
    clients = [OtherClient(url) for _ in range(_CONNECTIONS)]
    for client in clients:
        client.keep_one()
    left = [each for client in clients for each in client.let_go()]
    for client in clients:
        client.close()
    return left


async def test_a_database_is_kept_in_step_again_and_again(pooled_url: str) -> None:
    for added in (40, 0):
        async with scene(pooled_url) as it:
            assert (await it.synced(friends(*range(40)))).delta_counts == DeltaCounts(added=added)
            assert await loaded(it.store) == {W_ID: versions(friends(*range(40)))}
    async with scene(pooled_url) as it:
        synced = await it.synced(friends(*range(39), 41))
        assert synced.delta_counts == DeltaCounts(added=1, removed=1)
        assert (await it.synced(friends(1))).suspicion is not None
        assert await it.store.accept(W_ID) is not None
        assert (await it.synced(friends(1))).delta_counts == DeltaCounts(removed=39)
        assert await replayed(it.store) == await loaded(it.store)
    assert await run_sync(left_behind, pooled_url) == []


async def test_many_keep_it_in_step_at_once_beside_other_clients(pooled_url: str) -> None:
    stopped = False

    async def be_another() -> None:
        client = await run_sync(OtherClient, pooled_url)
        try:
            while not stopped:
                await run_sync(client.keep_one)
                await anyio.sleep(0.002)
                await run_sync(client.let_go)
        finally:
            client.close()

    added: list[int] = []
    async with GivenGateway() as gateway, anyio.create_task_group() as others:
        for contacts in SETS:
            gateway.give(contacts)
        others.start_soon(be_another)
        others.start_soon(be_another)

        async def bring_in_step(w_ids: list[str]) -> None:
            async with SessionPool(gateway.url) as pool, ContactStore(pooled_url) as store:
                for some in (w_ids[:30], w_ids[30:], w_ids):
                    synced = all_synced(await sync(store, pool, some))
                    added.extend(result.delta_counts.added for result in synced.values())
                    assert (await loaded(store)).keys() >= set(some)

        async with anyio.create_task_group() as syncs:
            syncs.start_soon(bring_in_step, W_IDS)
            syncs.start_soon(bring_in_step, W_IDS[::-1])
            syncs.start_soon(bring_in_step, W_IDS[20:] + W_IDS[:20])
        stopped = True
    assert sum(added) == 10 * len(W_IDS)
    async with ContactStore(pooled_url) as store:
        assert len(await log(store)) == 10 * len(W_IDS)
        assert await replayed(store) == await loaded(store)
    assert await run_sync(left_behind, pooled_url) == []


async def test_a_pooler_that_is_killed_and_comes_back_costs_no_call(
    pooler: PgBouncer,
    pooled_url: str,
) -> None:
    async with scene(pooled_url) as it:
        await it.synced(friends("a"))
        await run_sync(pooler.kill)
        await run_sync(pooler.start)
        assert (await it.synced(friends("a", "b"))).delta_counts == DeltaCounts(added=1)
        assert len(it.gateway.calls) == 2
