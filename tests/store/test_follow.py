"""A reader that follows the log is given each change once, whichever process makes it."""

import anyio
import pytest
from anyio.to_thread import run_sync

from tests.support.postgresql import PostgresqlServer, execute
from tests.support.syncing import Scene, friends, log, scene
from wxcontacts_async import InvalidArgumentError
from wxcontacts_async.store import ContactChange, ContactStore, StoreConnectionError
from wxcontacts_async.store._database.listener import _Session
from wxcontacts_async.store._database.postgresql import POSTGRESQL
from wxcontacts_async.store._database.sqlite import SQLITE

# The database does the same on any loop; what listens has connections of its own on each.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])

_LOSE_LISTENERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE query LIKE 'LISTEN%' AND datname = current_database() AND pid <> pg_backend_pid()"""


async def _taken(store: ContactStore, number: int, after: int | None = None) -> list[ContactChange]:
    """Follow the log for so many changes."""
    taken: list[ContactChange] = []
    if number:
        with anyio.fail_after(60):
            async for change in store.follow(after=after):
                taken.append(change)
                if len(taken) == number:
                    break
    return taken


async def _sync_many(it: Scene, w_id: str, times: int) -> None:
    for number in range(times):
        await it.synced(friends(*range(number + 1), w_id=w_id))


async def test_it_begins_with_all_with_what_comes_after_an_id_or_with_what_comes_now(
    database_url: str,
) -> None:
    async with scene(database_url) as it:
        await it.synced(friends("a", "b", "c"))
        changes = await log(it.store)
        assert await _taken(it.store, 3, after=0) == changes
        assert await _taken(it.store, 2, after=1) == changes[1:]

        now: list[ContactChange] = []
        async with anyio.create_task_group() as tasks:

            async def follow() -> None:
                now.extend(await _taken(it.store, 1))

            tasks.start_soon(follow)
            while not now:
                await it.synced(friends("a", "b", "c", str(anyio.current_time())))
        assert now[0].id > changes[-1].id


async def test_what_other_processes_write_comes_in_order_and_once_across_restarts(
    database_url: str,
) -> None:
    taken: list[ContactChange] = []
    async with scene(database_url) as one, scene(database_url) as other:
        async with anyio.create_task_group() as tasks:
            for it, w_id in ((one, "v"), (one, "w"), (other, "x")):
                tasks.start_soon(_sync_many, it, w_id, 8)
            while len(taken) < 24:
                number = min(5, 24 - len(taken))
                async with ContactStore(database_url) as reader:
                    taken += await _taken(reader, number, taken[-1].id if taken else 0)

        assert taken == await log(one.store)
        assert len(taken) == 24


async def test_the_server_tells_by_itself_what_another_process_has_written(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(POSTGRESQL, "look_every", 600.0)
    async with scene(postgresql_url) as it, ContactStore(postgresql_url) as reader:
        news: list[ContactChange] = []
        async with anyio.create_task_group() as tasks:

            async def follow() -> None:
                news.extend(await _taken(reader, 40, after=0))

            tasks.start_soon(follow)
            await _sync_many(it, "w", 40)
        assert news == await log(it.store)


async def test_where_the_server_tells_nothing_it_is_asked(
    postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: _Session) -> None:
        raise OSError

    url = postgresql.fresh_url()
    monkeypatch.setattr(_Session, "_listen", fail)
    monkeypatch.setattr(POSTGRESQL, "look_every", 0.05)
    async with scene(url) as it, ContactStore(url) as reader, anyio.create_task_group() as tasks:
        tasks.start_soon(_taken, reader, 5, 0)
        await _sync_many(it, "w", 5)


async def test_a_listening_connection_that_is_lost_costs_no_change(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(POSTGRESQL, "look_every", 0.2)
    async with (
        scene(postgresql_url) as it,
        ContactStore(postgresql_url) as reader,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(_taken, reader, 6, 0)
        await _sync_many(it, "w", 3)
        await run_sync(execute, postgresql_url, _LOSE_LISTENERS)
        await _sync_many(it, "x", 3)


async def test_what_the_same_store_writes_comes_without_looking(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SQLITE, "look_every", 600.0)
    async with scene(sqlite_url) as it, anyio.create_task_group() as tasks:
        tasks.start_soon(_taken, it.store, 10, 0)
        await _sync_many(it, "w", 10)


async def test_a_server_that_stays_away_is_an_error_and_the_last_id_goes_on(
    postgresql: PostgresqlServer,
) -> None:
    url = postgresql.fresh_url()
    async with scene(url, reconnect_timeout=0.2) as it:
        await it.synced(friends("a"))
        changes = it.store.follow(after=0)
        taken = [await anext(changes)]
        async with postgresql.away():
            with anyio.fail_after(60), pytest.raises(StoreConnectionError):
                await anext(changes)
        await it.synced(friends("a", "b"))
        taken += await _taken(it.store, 1, after=taken[-1].id)
        assert taken == await log(it.store)


@pytest.mark.parametrize("after", [-1, 1.5, "1", True])
async def test_what_can_be_no_id_fails_where_it_is_given(after: object, sqlite_url: str) -> None:
    async with ContactStore(sqlite_url) as store:
        with pytest.raises(InvalidArgumentError, match="^after must be"):
            store.follow(after=after)  # type: ignore[arg-type]
