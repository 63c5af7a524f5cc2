"""Several stores may write to one database at a time: one waits for the other."""

import re

import anyio
import pytest

from tests.support.sync_process import run_sync_process
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
    versions,
    writing,
)
from wxcontacts_async import SessionPool
from wxcontacts_async.store import ContactStore, DeltaCounts, StoreBusyError
from wxcontacts_async.store._database.connection import Connection
from wxcontacts_async.store._database.url import read_address

# The database does the same on any loop, so asyncio's will do.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])

SETS = [friends(*range(10), w_id=f"w{number:03}") for number in range(60)]
W_IDS = [contacts.w_id for contacts in SETS]


async def test_two_stores_bring_one_database_in_step(database_url: str) -> None:
    async with (
        GivenGateway() as gateway,
        SessionPool(gateway.url) as one_pool,
        SessionPool(gateway.url) as other_pool,
        ContactStore(database_url) as one,
        ContactStore(database_url) as other,
    ):
        added: list[int] = []

        async def bring_in_step(store: ContactStore, pool: SessionPool, w_ids: list[str]) -> None:
            synced = all_synced(await sync(store, pool, w_ids))
            assert set(synced) == set(w_ids)
            added.extend(result.delta_counts.added for result in synced.values())

        for contacts in SETS:
            gateway.give(contacts)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bring_in_step, one, one_pool, W_IDS)
            tasks.start_soon(bring_in_step, other, other_pool, W_IDS[::-1])
        assert sum(added) == 10 * len(W_IDS) == len(await log(one))
        assert (
            await replayed(other)
            == await loaded(one)
            == {contacts.w_id: versions(contacts) for contacts in SETS}
        )


async def test_two_processes_bring_one_database_in_step(database_url: str) -> None:
    async with GivenGateway() as gateway, ContactStore(database_url) as store:
        for contacts in SETS:
            gateway.give(contacts)
        async with anyio.create_task_group() as tasks:
            for w_ids in (W_IDS, W_IDS[::-1]):
                tasks.start_soon(run_sync_process, database_url, gateway.url, w_ids)
        assert len(await log(store)) == 10 * len(W_IDS)
        assert await replayed(store) == await loaded(store)
        assert {known.outcome for known in (await instances(store)).values()} == {"synced"}


async def test_a_sync_waits_until_the_other_one_is_done(database_url: str) -> None:
    async with scene(database_url) as it:
        await it.synced(friends("a"))
        async with anyio.create_task_group() as tasks:
            with writing(database_url):
                done = anyio.Event()

                async def work() -> None:
                    assert (await it.synced(friends("a", "b"))).delta_counts.added == 1
                    done.set()

                tasks.start_soon(work)
                await it.gateway.wait_for_calls(2)
                with anyio.move_on_after(0.2):
                    await done.wait()
                assert not done.is_set()
                # Whoever reads need not wait.
                async with ContactStore(database_url) as other:
                    assert len(await other.load(W_ID)) == 1
        assert done.is_set()


async def test_a_sync_that_waits_for_too_long_says_whom_for(database_url: str) -> None:
    async with scene(database_url, busy_timeout=0.1) as it:
        await it.synced(friends("a"))
        with writing(database_url):
            with (
                anyio.fail_after(30),  # half of what it waits by default
                pytest.raises(StoreBusyError, match="^another one has been writing for 0.1 s") as e,
            ):
                await it.synced(friends("a", "b"))
            assert "Let the other sync end first" in str(e.value)
            if database_url.startswith("postgresql"):
                whom = r": it is process \d+ of this host, 'wxcontacts_async'"
                assert re.search(whom, str(e.value))
        assert (await it.synced(friends("a", "b"))).delta_counts == DeltaCounts(added=1)
        assert await replayed(it.store) == await loaded(it.store)


async def test_tables_are_not_made_while_another_one_writes(database_url: str) -> None:
    made = anyio.Event()

    async def enter() -> None:
        async with ContactStore(database_url) as store:
            assert await loaded(store) == {}
        made.set()

    async with anyio.create_task_group() as tasks:
        with writing(database_url):
            with pytest.raises(StoreBusyError):
                await ContactStore(database_url, busy_timeout=0).__aenter__()
            tasks.start_soon(enter)
            with anyio.move_on_after(0.2):
                await made.wait()
            assert not made.is_set()


async def test_who_writes_to_other_tables_of_postgresql_is_not_waited_for(
    postgresql_url: str,
) -> None:
    async with scene(postgresql_url, busy_timeout=0.1) as it:
        with writing(re.sub(r"search_path%3D\w+", "search_path%3Dpublic", postgresql_url)):
            await it.synced(friends("a"))


async def test_who_finds_the_same_tables_another_way_is_waited_for(postgresql_url: str) -> None:
    async with scene(postgresql_url, busy_timeout=0.1) as it:
        with (
            writing(postgresql_url.replace("search_path%3D", "search_path%3Dpublic%2C")),
            pytest.raises(StoreBusyError, match="'wxcontacts_async'"),
        ):
            await it.synced(friends("a"))


async def test_who_began_before_there_were_tables_is_waited_for(postgresql_url: str) -> None:
    with writing(postgresql_url):
        connection = Connection(read_address(postgresql_url), 0.1)
        connection.execute("CREATE TABLE wxcontacts_schema (version BIGINT NOT NULL)")
        with pytest.raises(StoreBusyError), connection.transaction():
            pass
        connection.close()


async def test_tables_are_filled_in_whichever_schema_they_are_found(postgresql_url: str) -> None:
    async with scene(postgresql_url):
        pass
    elsewhere = postgresql_url.replace("search_path%3D", "search_path%3Dpublic%2C")
    async with scene(elsewhere) as it:
        assert (await it.synced(friends("a"))).delta_counts == DeltaCounts(added=1)
    async with ContactStore(postgresql_url) as store:
        assert await loaded(store) == {W_ID: versions(friends("a"))}


async def test_fewer_are_fetched_ahead_while_the_database_is_slower_than_the_gateway(
    sqlite_url: str,
) -> None:
    some = [friends(*range(2_500), w_id=f"w{number}") for number in range(60)]
    async with scene(sqlite_url) as it:
        for contacts in some:
            it.gateway.give(contacts)
        w_ids = [contacts.w_id for contacts in some]
        async with it.store.sync(it.pool, w_ids) as results:
            with writing(sqlite_url):
                # One that waits to be written, eight of the next batch, one for which there is no
                # room, and eight that are unread, though there are 32 slots.
                while len(it.gateway.calls) < 18:  # noqa: ASYNC110  # an emulator has no such event
                    await anyio.sleep(0.01)
                await anyio.sleep(0.2)  # in which others would come
                assert len(it.gateway.calls) == 18
            assert len([result async for result in results]) == len(some)
