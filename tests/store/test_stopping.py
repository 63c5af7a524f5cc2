"""A sync that is stopped says of each instance what the database has."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qs, quote, urlsplit

import anyio
import pytest

from tests.support.leftovers import no_tasks_left
from tests.support.logged import logged
from tests.support.syncing import W_ID, friends, loaded, log, scene, versions, writing
from wxcontacts_async.store import (
    ContactStore,
    DeltaCounts,
    StoreConnectionError,
    Synced,
    SyncResult,
    SyncStream,
)

# The database does the same on any loop, so asyncio's will do.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])

ITS_TURN = "is waited for: another one writes to it"


async def _rest_of(results: SyncStream) -> list[SyncResult]:
    results.stop()
    return [result async for result in results]


async def test_stopped_it_gives_what_was_being_written_and_ends(database_url: str) -> None:
    async with scene(database_url) as it:
        await it.synced(friends("a"))
        it.gateway.give(friends("a", "b"))
        with no_tasks_left():
            async with it.store.sync(it.pool, [W_ID]) as results:
                with writing(database_url), logged() as said:
                    await said.wait_for(ITS_TURN)
                    results.stop()
                (result,) = await _rest_of(results)

        assert isinstance(result, Synced)
        assert result.delta_counts == DeltaCounts(added=1)
        assert results.unclear == set()
        assert await loaded(it.store) == {W_ID: versions(friends("a", "b"))}


async def test_a_cancelled_reader_may_read_what_was_being_written(database_url: str) -> None:
    rest: list[SyncResult] = []

    async def read() -> None:
        async with it.store.sync(it.pool, [W_ID]) as results:
            try:
                async for _ in results:
                    raise AssertionError
            finally:
                with anyio.CancelScope(shield=True):
                    rest.extend(await _rest_of(results))

    async with scene(database_url) as it:
        await it.synced(friends("a"))
        it.gateway.give(friends("a", "b"))
        with no_tasks_left():
            async with anyio.create_task_group() as tasks:
                with writing(database_url), logged() as said:
                    tasks.start_soon(read)
                    await said.wait_for(ITS_TURN)
                    tasks.cancel_scope.cancel()

        assert [result.w_id for result in rest] == [W_ID]
        assert len(await it.store.load(W_ID)) == 2


async def test_what_is_given_up_is_not_written_later(
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wxcontacts_async.store._database.database._PATIENCE", 0.2)
    async with scene(database_url) as it:
        await it.synced(friends("a"))
        it.gateway.give(friends("a", "b"))
        with writing(database_url), logged() as said:
            async with it.store.sync(it.pool, [W_ID]) as results:
                await said.wait_for(ITS_TURN)
                assert await _rest_of(results) == []
                assert results.unclear == set()
        # It has its turn by now, and another one has it after that.
        await anyio.sleep(0.3)
        await it.synced(friends("a", w_id="other"))

        assert set(await it.store.load(W_ID)) == set(friends("a"))
        assert len(await log(it.store)) == 2


async def test_a_sync_that_is_left_gives_nothing_to_read(sqlite_url: str) -> None:
    async with scene(sqlite_url) as it:
        it.gateway.give(friends("a"))
        async with it.store.sync(it.pool, [W_ID]) as results:
            await it.gateway.wait_for_calls(1)
        with pytest.raises(Exception, match="^the sync is not open"):
            await anext(results)


class _Way:
    """The way to a PostgreSQL server, which breaks for good at something that is said there.

    Attributes:
        asked: What is not passed on to the server.
        answered: What the server says that is not passed back.

    """

    asked: bytes | None = None
    answered: bytes | None = None

    def __init__(self, server: Path) -> None:
        self._server = server
        self._is_broken = False

    async def take(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        far, forth = await asyncio.open_unix_connection(str(self._server))

        async def pass_on() -> None:
            while not self._is_broken and (some := await near.read(1 << 16)):
                self._is_broken = self.asked is not None and self.asked in some
                if not self._is_broken:
                    forth.write(some)
            forth.close()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pass_on)
            with suppress(ConnectionError):
                while not self._is_broken and (some := await far.read(1 << 16)):
                    self._is_broken = self.answered is not None and self.answered in some
                    if not self._is_broken:
                        back.write(some)
            tasks.cancel_scope.cancel()
        for end in (back, forth):
            end.close()


@asynccontextmanager
async def _way_to(url: str) -> AsyncIterator[tuple[str, _Way]]:
    folder = parse_qs(urlsplit(url).query)["host"][0]
    with TemporaryDirectory() as other:
        way = _Way(Path(folder, ".s.PGSQL.5432"))
        server = await asyncio.start_unix_server(way.take, Path(other, ".s.PGSQL.5432"))
        async with server:
            yield url.replace(quote(folder, safe=""), quote(other, safe="")), way


@pytest.mark.parametrize(
    ("asked", "answered", "unclear", "stored"),
    [
        (b"INSERT INTO contact_changes", None, set(), "a"),
        (b"COMMIT\0", None, {W_ID}, "a"),
        (None, b"COMMIT\0", {W_ID}, "ab"),
    ],
    ids=["before", "while it is told", "before it answers"],
)
async def test_whom_a_lost_database_may_have_is_told(
    postgresql_url: str,
    asked: bytes | None,
    answered: bytes | None,
    unclear: set[str],
    stored: str,
) -> None:
    async with _way_to(postgresql_url) as (url, way), scene(url, reconnect_timeout=0.3) as it:
        await it.synced(friends("a"))
        it.gateway.give(friends("a", "b"))
        way.asked, way.answered = asked, answered
        async with it.store.sync(it.pool, [W_ID]) as results:
            with pytest.raises(StoreConnectionError):
                await anext(results)
            assert results.unclear == unclear
    async with ContactStore(postgresql_url) as store:
        assert set(await store.load(W_ID)) == set(friends(*stored))
