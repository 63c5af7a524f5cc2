"""However a sync or a store is left, what is in the database is whole and nothing stays behind."""

import asyncio
import threading
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from tests.support.leftovers import no_tasks_left, open_sockets_to, settle
from tests.support.loops import on_asyncio
from tests.support.syncing import (
    W_ID,
    GivenGateway,
    all_synced,
    friends,
    instances,
    loaded,
    log,
    replayed,
    scene,
    sync,
)
from wxcontacts_async import Contact, PoolClosedError, SessionPool, WxContactsError
from wxcontacts_async.store import ContactStore, StoreError, Synced, SyncStream

pytestmark = on_asyncio

SETS = [friends(*range(5), w_id=f"w{number:03}") for number in range(100)]
W_IDS = [contacts.w_id for contacts in SETS]


@pytest.fixture
async def gateway() -> AsyncIterator[GivenGateway]:
    async with GivenGateway() as gateway:
        for contacts in SETS:
            gateway.give(contacts)
        yield gateway


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a hundred instances are not written before the first is read."""
    monkeypatch.setattr("wxcontacts_async.store.sync._INSTANCES_A_BATCH", 5)


async def is_whole(store: ContactStore) -> bool:
    """Tell whether each instance has all or none of its contacts, and the log says the same."""
    contacts = await loaded(store)
    known = await instances(store)
    return (
        contacts.keys() == known.keys()
        and {len(versions) for versions in contacts.values()} <= {5}
        and await replayed(store) == contacts
    )


async def read_all(results: SyncStream) -> list[str]:
    return [result.w_id async for result in results]


async def test_a_sync_left_early_leaves_nothing_behind(
    gateway: GivenGateway,
    database_url: str,
) -> None:
    async with SessionPool(gateway.url) as pool, ContactStore(database_url) as store:
        with no_tasks_left():
            async with store.sync(pool, W_IDS):
                pass
            async with store.sync(pool, W_IDS) as results:
                async for result in results:
                    assert isinstance(result, Synced)
                    break
        assert await is_whole(store)
        all_synced(await sync(store, pool, W_IDS))
        assert len(await loaded(store)) == len(W_IDS)
        assert await is_whole(store)
    await settle()
    assert open_sockets_to(gateway.url) == 0
    assert not [t for t in threading.enumerate() if "wxcontacts" in t.name]


@pytest.mark.parametrize("events", range(0, 60, 12))
async def test_a_native_cancellation_leaves_whole_instances(
    gateway: GivenGateway,
    sqlite_url: str,
    events: int,
) -> None:
    async with SessionPool(gateway.url) as pool, ContactStore(sqlite_url) as store:
        with no_tasks_left():
            syncing: asyncio.Task[Any] = asyncio.ensure_future(sync(store, pool, W_IDS))
            await gateway.wait_for_calls(events)
            syncing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await syncing
        assert await is_whole(store)
        all_synced(await sync(store, pool, W_IDS))
        assert await is_whole(store)


async def test_a_reader_that_raises_gets_its_own_error(
    gateway: GivenGateway,
    database_url: str,
) -> None:
    async def read_badly() -> None:
        async with store.sync(pool, W_IDS) as results:
            async for _ in results:
                raise ZeroDivisionError

    async with SessionPool(gateway.url) as pool, ContactStore(database_url) as store:
        with no_tasks_left(), pytest.raises(ZeroDivisionError):
            await read_badly()
        assert await is_whole(store)


async def test_a_source_that_raises_is_the_readers(
    gateway: GivenGateway,
    sqlite_url: str,
) -> None:
    async def source() -> AsyncIterator[str]:
        yield W_IDS[0]
        raise ZeroDivisionError

    async with SessionPool(gateway.url) as pool, ContactStore(sqlite_url) as store:
        with pytest.raises(ZeroDivisionError):
            await sync(store, pool, source())
        assert await is_whole(store)


@pytest.mark.usefixtures("small_batches")
async def test_a_slow_reader_slows_the_fetching(
    gateway: GivenGateway,
    sqlite_url: str,
) -> None:
    def endless() -> Any:  # noqa: ANN401  # an iterator that has no end
        return (W_IDS[number % 100] for number in count())

    async with (
        SessionPool(gateway.url) as pool,
        ContactStore(sqlite_url) as store,
        store.sync(pool, endless(), max_pending=4) as results,
    ):
        await anext(results)
        for read in range(1, 12, 2):
            with anyio.move_on_after(0.05):
                await gateway.wait_for_calls(10_000)
            # To be read, written, gathered and fetched.
            assert len(gateway.calls) <= 3 * 5 + 4 + 1 + read + 1
            await anext(results)
            await anext(results)


async def test_two_tasks_share_a_sync(gateway: GivenGateway, sqlite_url: str) -> None:
    read: list[list[str]] = [[], []]

    async def reader(results: AsyncIterator[Any], mine: list[str]) -> None:
        async for result in results:
            mine.append(result.w_id)
            await anyio.lowlevel.checkpoint()

    async with (
        SessionPool(gateway.url) as pool,
        ContactStore(sqlite_url) as store,
        store.sync(pool, W_IDS) as results,
    ):
        async with anyio.create_task_group() as tasks:
            for mine in read:
                tasks.start_soon(reader, results, mine)
        assert sorted(read[0] + read[1]) == W_IDS
        assert read[0]
        assert read[1]


async def test_two_syncs_of_one_store_share_its_connection(
    gateway: GivenGateway,
    database_url: str,
) -> None:
    async with SessionPool(gateway.url) as pool, ContactStore(database_url) as store:
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(sync, store, pool, W_IDS)
        assert len(await log(store)) == 500
        assert await is_whole(store)


async def test_a_cancelled_read_leaves_the_result_to_the_next(
    gateway: GivenGateway,
    sqlite_url: str,
) -> None:
    given: list[str] = []
    async with (
        SessionPool(gateway.url) as pool,
        ContactStore(sqlite_url) as store,
        store.sync(pool, W_IDS) as results,
    ):
        while len(given) < len(W_IDS):
            with anyio.move_on_after(0.002):
                given.append((await anext(results)).w_id)
        with pytest.raises(StopAsyncIteration):
            await anext(results)
    assert sorted(given) == W_IDS


async def test_a_reader_is_told_that_the_sync_was_left_by_another_task(
    gateway: GivenGateway,
    sqlite_url: str,
) -> None:
    async def quiet() -> AsyncIterator[str]:
        await anyio.sleep_forever()
        yield ""

    async with (
        SessionPool(gateway.url) as pool,
        ContactStore(sqlite_url) as store,
        anyio.create_task_group() as tasks,
    ):

        async def read() -> None:
            with pytest.raises(StoreError, match="^the sync is not open"):
                await anext(results)

        async with store.sync(pool, quiet()) as results:
            tasks.start_soon(read)
            await settle()


@pytest.mark.usefixtures("small_batches")
async def test_a_store_left_while_a_sync_runs_says_so_and_stays_closed(
    gateway: GivenGateway,
    database_url: str,
) -> None:
    store = ContactStore(database_url)
    first, left = anyio.Event(), anyio.Event()

    async def read(pool: SessionPool[Contact]) -> None:
        async with store.sync(pool, W_IDS, max_pending=2) as results:
            await anext(results)
            first.set()
            await left.wait()
            with pytest.raises(StoreError, match="the store was left"):
                await read_all(results)

    with no_tasks_left():
        async with SessionPool(gateway.url) as pool, anyio.create_task_group() as tasks:
            async with store:
                tasks.start_soon(read, pool)
                await first.wait()
            left.set()
    async with store:  # it may be entered again
        assert 0 < len(await loaded(store)) < len(W_IDS)
        assert await is_whole(store)


@pytest.mark.usefixtures("small_batches")
async def test_a_pool_left_while_a_sync_runs_is_told_to_the_reader(
    gateway: GivenGateway,
    sqlite_url: str,
) -> None:
    first, left = anyio.Event(), anyio.Event()

    async def read(pool: SessionPool[Contact]) -> None:
        async with store.sync(pool, W_IDS, max_pending=2) as results:
            await anext(results)
            first.set()
            await left.wait()
            with pytest.raises(PoolClosedError, match="the pool was left"):
                await read_all(results)

    async with ContactStore(sqlite_url) as store, anyio.create_task_group() as tasks:
        async with SessionPool(gateway.url) as pool:
            tasks.start_soon(read, pool)
            await first.wait()
        left.set()
    async with store:
        assert await is_whole(store)


async def test_what_is_not_entered_says_so(gateway: GivenGateway, sqlite_url: str) -> None:
    store = ContactStore(sqlite_url)
    not_open = "^the store is not open; use it within"
    async with SessionPool(gateway.url) as pool:
        with pytest.raises(StoreError, match=not_open):
            store.sync(pool, W_IDS)
        with pytest.raises(StoreError, match=not_open):
            await store.load(W_ID)
        with pytest.raises(StoreError, match=not_open):
            store.changes()
        for reading in (store.instances(), store.load_all()):
            with pytest.raises(StoreError, match=not_open):
                await anext(reading)
        async with store:
            with pytest.raises(StoreError, match="^the store is open already"):
                await store.__aenter__()
            results = store.sync(pool, W_IDS[:1])
            with pytest.raises(StoreError, match="^the sync is not open"):
                await anext(results)
            async with results:
                assert isinstance(await anext(results), Synced)
                with pytest.raises(StoreError, match="^a sync is entered once"):
                    await results.__aenter__()
            with pytest.raises(StoreError, match="^the sync is not open"):
                await anext(results)
    with pytest.raises(PoolClosedError):
        async with store:
            store.sync(pool, W_IDS)
    with pytest.raises(WxContactsError, match=not_open):
        await store.load(W_ID)


async def test_a_sync_of_nobody_ends(gateway: GivenGateway, database_url: str) -> None:
    async with SessionPool(gateway.url) as pool, ContactStore(database_url) as store:
        assert await sync(store, pool, []) == {}
        assert await loaded(store) == {}
        assert await instances(store) == {}


async def test_changes_are_seen_as_soon_as_they_are_given(database_url: str) -> None:
    async with scene(database_url) as it:
        it.gateway.give(friends("a"))
        async with it.store.sync(it.pool, [W_ID]) as results:
            async for result in results:
                assert list(await it.store.load(result.w_id)) == list(friends("a"))
