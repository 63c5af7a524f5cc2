"""A database server that goes away and comes back costs no instance and no second call."""

import re
from contextlib import AsyncExitStack

import anyio
import pytest
from anyio.to_thread import run_sync

from tests.support.postgresql import PostgresqlServer, execute
from tests.support.syncing import W_ID, all_synced, friends, loaded, replayed, scene, sync
from wxcontacts_async.store import (
    ContactStore,
    DeltaCounts,
    StoreConnectionError,
    Synced,
    SyncResult,
)

# The database does the same on any loop, so asyncio's will do.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])

SETS = [friends(*range(20), w_id=f"w{number:03}") for number in range(150)]
W_IDS = [contacts.w_id for contacts in SETS]
LOSE_CONNECTIONS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'wxcontacts_async' AND pid <> pg_backend_pid()"""


async def test_a_server_that_is_killed_and_comes_back_costs_no_call(
    postgresql: PostgresqlServer,
) -> None:
    results: dict[str, SyncResult] = {}
    async with scene(postgresql.fresh_url()) as it:
        for contacts in SETS:
            it.gateway.give(contacts)
        async with it.store.sync(it.pool, W_IDS, max_pending=10) as stream:
            async for result in stream:
                results[result.w_id] = result
                if len(results) in {1, 60}:
                    async with postgresql.away():
                        await anyio.sleep(0.05)

        assert len(it.gateway.calls) == len(W_IDS)
        synced = all_synced(results)
        assert sorted(synced) == W_IDS
        assert {result.delta_counts for result in synced.values()} == {DeltaCounts(added=20)}
        contacts_of = await loaded(it.store)
        assert {w_id: len(contacts) for w_id, contacts in contacts_of.items()} == dict.fromkeys(
            W_IDS,
            20,
        )
        assert await replayed(it.store) == contacts_of


async def test_a_lost_connection_is_made_again(postgresql_url: str) -> None:
    async with scene(postgresql_url) as it:
        await it.synced(friends("a"))
        for names in ("ab", "abc"):
            await run_sync(execute, postgresql_url, LOSE_CONNECTIONS)
            assert (await it.synced(friends(*names))).delta_counts == DeltaCounts(added=1)
            await run_sync(execute, postgresql_url, LOSE_CONNECTIONS)
            assert set(await it.store.load(W_ID)) == set(friends(*names))
        assert await replayed(it.store) == await loaded(it.store)


async def test_a_server_that_stays_away_is_given_up_in_time(
    postgresql: PostgresqlServer,
) -> None:
    url = postgresql.fresh_url()
    async with scene(url, reconnect_timeout=0.5) as it:
        await it.synced(friends("a"))
        async with postgresql.away():
            with (
                anyio.fail_after(30),  # half of what it tries by default
                pytest.raises(StoreConnectionError, match="Check that the database server runs"),
            ):
                await it.synced(friends("a", "b"))
            with pytest.raises(StoreConnectionError):
                await it.store.load(W_ID)
            with pytest.raises(StoreConnectionError, match=re.escape("PostgreSQL says: ")):
                await ContactStore(url).__aenter__()

        assert list(await it.store.load(W_ID)) == list(friends("a"))
        assert (await it.synced(friends("a", "b"))).delta_counts == DeltaCounts(added=1)


async def test_a_sync_left_while_the_server_is_away_ends_at_once(
    postgresql: PostgresqlServer,
) -> None:
    async with scene(postgresql.fresh_url()) as it, AsyncExitStack() as afterwards:
        for contacts in SETS:
            it.gateway.give(contacts)
        with anyio.fail_after(30):  # half of what it tries by default
            async with it.store.sync(it.pool, W_IDS) as results:
                assert isinstance(await anext(results), Synced)
                await afterwards.enter_async_context(postgresql.away())
                await anyio.sleep(0.3)
        await afterwards.aclose()
        all_synced(await sync(it.store, it.pool, W_IDS))
        assert await replayed(it.store) == await loaded(it.store)
