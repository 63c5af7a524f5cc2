"""Who only reads needs only the right to read, and changes nothing of what is there."""

import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from anyio.to_thread import run_sync

from tests.support.command import Ended, run
from tests.support.mounts import make_read_only, mounted
from tests.support.syncing import (
    W_ID,
    GivenGateway,
    friends,
    instances,
    loaded,
    log,
    scene,
    versions,
)
from tests.support.unprivileged import run_unprivileged
from wxcontacts_async import SessionPool
from wxcontacts_async.store import (
    ContactStore,
    StoreAccessError,
    StoreError,
    StoreVersionError,
)
from wxcontacts_async.store._database.database import Database
from wxcontacts_async.store._database.opening import Opening
from wxcontacts_async.store._database.url import read_address
from wxcontacts_async.store.reading import instances_after

# The database does the same on any loop, so asyncio's will do.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])

_READING = (
    ("changes", "--store"),
    ("export", "--format", "jsonl", "--output", "-", "--store"),
    ("export", "--format", "csv", "--output", "-", "--store"),
)
# Reads all there is in a store, and then tries to write to it.
_PROGRAM = """\
import asyncio, json, sys
from wxcontacts_async import SessionPool
from wxcontacts_async.store import ContactStore, StoreError

async def main():
    async with ContactStore(sys.argv[1]) as store, SessionPool("http://127.0.0.1:9") as pool:
        contacts = [len(each) async for each in store.load_all()]
        assert [len(await store.load(one.w_id)) async for one in store.instances()] == contacts
        changes = len([change async for change in store.changes()])
        said = []
        for writing in (store.accept("w"), read(store.sync(pool, ["w"]))):
            try:
                await writing
            except StoreError as error:
                said.append(f"{type(error).__name__}: {error}")
        print(json.dumps([contacts, changes, said]))

async def read(results):
    async with results:
        async for _ in results:
            pass

asyncio.run(main())
"""


def contents(folder: Path) -> dict[str, bytes]:
    """Return what is in the files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Give one whose mode a test may change."""
    folder = tmp_path / "kept"
    folder.mkdir()
    yield folder
    folder.chmod(0o700)


def close_to_all(folder: Path) -> None:
    """Let nobody write to what is in a folder, nor to the folder."""
    for path in folder.iterdir():
        path.chmod(0o444)
    folder.chmod(0o555)


async def made(folder: Path, *journal_mode: str) -> str:
    """Make a database with 3 contacts; return its URL."""
    url = f"sqlite:///{folder}/contacts.db"
    async with scene(url) as it:
        await it.synced(friends(1, 2, 3))
    for mode in journal_mode:
        await run_sync(execute, folder, f"PRAGMA journal_mode = {mode}")
    return url


def execute(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / "contacts.db", isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


async def commanded(*arguments: str) -> Ended:
    return await run_sync(lambda: run(*arguments))


async def unprivileged(*arguments: str) -> Ended:
    return await run_sync(lambda: run_unprivileged(*arguments))


@pytest.mark.parametrize("journal_mode", ["wal", pytest.param("delete", marks=pytest.mark.slow)])
async def test_a_file_that_nobody_may_write_to_is_read(folder: Path, journal_mode: str) -> None:
    url = await made(folder, journal_mode)
    close_to_all(folder)
    before = contents(folder)
    ended = await unprivileged("-c", _PROGRAM, url)
    assert ended.messages == ""
    read, changes, said = json.loads(ended.output)
    assert (read, changes) == ([3], 3)
    assert [one.partition(":")[0] for one in said] == ["StoreAccessError"] * 2
    assert "the database can only be read; SQLite says: Permission denied" in said[0]
    assert "give it the right to the folder" in said[0]
    assert contents(folder) == before
    for command in _READING:
        ended = await unprivileged("-m", "wxcontacts_async.cli", *command, url)
        assert ended.code == 0, ended.messages
        assert ended.output.count("\n") in {3, 4}
    assert contents(folder) == before


async def test_what_another_one_is_writing_is_read_where_nobody_else_may(folder: Path) -> None:
    url = f"sqlite:///{folder}/contacts.db"
    async with scene(url) as it:
        await it.synced(friends(1, 2, 3))
        assert (folder / "contacts.db-wal").stat().st_size
        await run_sync(close_to_all, folder)
        ended = await unprivileged("-c", _PROGRAM, url)
        assert ended.messages == ""
        assert json.loads(ended.output)[:2] == [[3], 3]


async def test_a_file_in_a_folder_that_takes_no_others_is_read(folder: Path) -> None:
    url = await made(folder)
    await run_sync(folder.chmod, 0o555)
    ended = await unprivileged("-c", _PROGRAM, url)
    assert ended.messages == ""
    read, changes, said = json.loads(ended.output)
    assert (read, changes) == ([3], 3)
    assert "StoreAccessError: the database can only be read; " in said[1]


async def test_what_is_mounted_to_be_read_is_read(tmp_path: Path) -> None:
    with mounted(tmp_path / "mounted", 8_192) as folder:
        url = await made(folder)
        make_read_only(folder)
        before = contents(folder)
        async with ContactStore(url) as store:
            assert await loaded(store) == {W_ID: versions(friends(1, 2, 3))}
            assert len(await log(store)) == 3
            assert W_ID in await instances(store)
            with pytest.raises(StoreAccessError, match="read; SQLite says: Read-only file system"):
                await store.accept(W_ID)
        for command in _READING:
            ended = await commanded(*command, url)
            assert ended.code == 0, ended.messages
        assert contents(folder) == before


async def test_a_sync_into_what_can_only_be_read_calls_nobody(folder: Path) -> None:
    url = await made(folder)
    await run_sync(close_to_all, folder)
    async with GivenGateway() as gateway, SessionPool(gateway.url) as pool:
        gateway.give(friends(1))
        async with reading(url) as store:
            with pytest.raises(StoreAccessError):
                async with store.sync(pool, [W_ID]):
                    pass
        assert not gateway.calls


class _Read(ContactStore):
    _opening = Opening.READ


@asynccontextmanager
async def reading(url: str) -> AsyncIterator[ContactStore]:
    async with _Read(url) as store:
        yield store


@pytest.mark.parametrize("journal_mode", ["wal", "delete"])
async def test_reading_leaves_a_database_as_it_is(folder: Path, journal_mode: str) -> None:
    url = await made(folder, journal_mode)
    before = contents(folder)
    for command in _READING:
        ended = await commanded(*command, url)
        assert ended.code == 0, ended.messages
        assert contents(folder) == before
    for store in (ContactStore(url), _Read(url)):
        async with store:
            assert len(await store.load(W_ID)) == 3
            assert len(await log(store)) == 3
        assert contents(folder) == before


async def test_who_reads_sees_what_others_write_meanwhile(folder: Path) -> None:
    url = await made(folder)
    async with reading(url) as store:
        assert len(await store.load(W_ID)) == 3
        for number in range(4, 10):
            async with scene(url) as it:  # which leaves nothing beside the file at its end
                await it.synced(friends(*range(1, number + 1)))
                if number % 2:
                    assert len(await store.load(W_ID)) == number
            assert len(await store.load(W_ID)) == number
            assert len(await log(store)) == number


async def test_what_was_read_while_the_file_changed_is_read_again(folder: Path) -> None:
    url = await made(folder, "delete")
    database = Database(
        read_address(url),
        busy_timeout=10,
        reconnect_timeout=0,
        opening=Opening.READ,
    )
    await database.open()
    try:
        runs: list[object] = []

        def work(connection: object) -> int:
            found = instances_after(connection, "")  # type: ignore[arg-type]
            if not runs:
                execute(folder, "UPDATE instances SET calls = 77")
            runs.append(connection)
            return found[0].calls

        assert await database.run(work) == 77
        assert len(set(map(id, runs))) == 2
    finally:
        await database.close()


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("nothing", "has no tables of this library"),
        ("text", "not a database"),
        ("others", "has no tables of this library"),
        ("others in a log", "has no tables of this library"),
        ("older", "tables of version 1, which is older"),
        ("the same name", "without other tables of its names"),
    ],
)
async def test_reading_refuses_what_is_not_ours_unchanged(
    folder: Path,
    what: str,
    said: str,
) -> None:
    log_of_others = await run_sync(make_foreign, folder, what)
    before = contents(folder)
    url = f"sqlite:///{folder}/contacts.db"
    for command in _READING:
        ended = await commanded(*command, url)
        assert ended.code == 1
        assert ended.output == ""
        assert said in ended.messages
        assert not ended.has_traceback
    with pytest.raises(StoreError, match=said):
        await _Read(url).__aenter__()
    after = contents(folder)
    if log_of_others is not None:
        # The index of what is in the log, which others make anew from it.
        assert after.pop("contacts.db-shm", b"") is not None
        before.pop("contacts.db-shm")
        log_of_others.close()
    assert after == before


def make_foreign(folder: Path, what: str) -> sqlite3.Connection | None:
    file = folder / "contacts.db"
    if what == "nothing":
        file.touch()
    elif what == "text":
        file.write_bytes(b"no database, " * 500)
    elif what == "older":
        execute(
            folder,
            "CREATE TABLE wxcontacts_schema (version BIGINT NOT NULL)",
            "INSERT INTO wxcontacts_schema VALUES (1)",
        )
    elif what == "the same name":
        execute(folder, "CREATE TABLE wxcontacts_schema (mine INT)")
    else:
        execute(folder, "CREATE TABLE mine (a INT)", "INSERT INTO mine VALUES (7)")
    if what != "others in a log":
        return None
    open_one = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    open_one.execute("PRAGMA journal_mode = WAL")
    open_one.execute("INSERT INTO mine VALUES (8)")
    return open_one


async def test_an_acceptance_makes_nothing_in_what_is_not_ours(folder: Path) -> None:
    await run_sync(make_foreign, folder, "others")
    before = contents(folder)
    url = f"sqlite:///{folder}/contacts.db"
    ended = await commanded("accept", "w", "--store", url)
    assert ended.code == 1
    assert "has no tables of this library, and is left as it is" in ended.messages
    assert contents(folder) == before


async def test_older_tables_that_cannot_be_brought_up_to_date_are_told_as_that(
    folder: Path,
) -> None:
    await run_sync(make_foreign, folder, "older")
    close_to_all(folder)
    url = f"sqlite:///{folder}/contacts.db"
    ended = await unprivileged("-c", _PROGRAM, url)
    assert "StoreVersionError: the database has tables of version 1" in ended.messages
    assert "Permission denied" in ended.messages
    with pytest.raises(StoreVersionError, match="older than"):
        await _Read(url).__aenter__()
