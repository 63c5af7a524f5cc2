"""What a store waits for is said while it waits, and what it cannot have is said as that."""

from pathlib import Path

import anyio
import pytest
from anyio.to_thread import run_sync

from tests.store.test_concurrency import writing
from tests.support.command import run, start
from tests.support.postgresql import PostgresqlServer
from tests.support.recording_server import recording, reply_with
from tests.support.syncing import friends, scene
from wxcontacts_async.store import DeltaCounts
from wxcontacts_async.store._database import sqlite_files

# The database does the same on any loop, so asyncio's will do.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])


async def test_a_database_that_another_one_writes_to_is_said_while_it_is_waited_for(
    database_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with scene(database_url) as it, anyio.create_task_group() as tasks:
        await it.synced(friends("a"))
        caplog.clear()
        with writing(database_url):
            tasks.start_soon(it.synced, friends("a", "b"))
            with anyio.fail_after(5):
                while not caplog.messages:  # noqa: ASYNC110  # what is logged sets no event
                    await anyio.sleep(0.05)
            assert caplog.messages[0].endswith("is waited for: another one writes to it")
    assert len(caplog.messages) == 2
    assert "goes on after " in caplog.messages[1]


async def test_a_short_wait_is_nothing_to_say(
    database_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with scene(database_url) as it, anyio.create_task_group() as tasks:
        await it.synced(friends("a"))
        caplog.clear()
        with writing(database_url):
            tasks.start_soon(it.synced, friends("a", "b"))
            await anyio.sleep(0.3)
    assert caplog.messages == []


async def test_a_server_that_is_away_is_said_while_it_is_waited_for(
    postgresql: PostgresqlServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    try:
        async with scene(postgresql.fresh_url()) as it, anyio.create_task_group() as tasks:
            await it.synced(friends("a"))
            caplog.clear()
            await run_sync(postgresql.stop)
            tasks.start_soon(it.synced, friends("a", "b"))
            with anyio.fail_after(5):
                while not caplog.messages:  # noqa: ASYNC110  # what is logged sets no event
                    await anyio.sleep(0.05)
            assert caplog.messages[0].endswith("is waited for: it cannot be reached")
            await run_sync(postgresql.start)
    finally:
        await run_sync(postgresql.ensure_started)
    assert "goes on after " in caplog.messages[1]


@pytest.mark.processes
async def test_commands_say_it_and_name_an_option_that_they_have(tmp_path: Path) -> None:
    def wait() -> tuple[str, str, str]:
        with recording(reply_with("a")) as server:
            gateway = ("--gateway", server.url)
            assert run("sync", "one", *gateway, folder=tmp_path).code == 0
            with writing(f"sqlite:///{tmp_path}/contacts.db"):
                watch = start("watch", "one", "--every", "1s", *gateway, folder=tmp_path)
                assert watch.stderr is not None
                said = next(line for line in watch.stderr if b"waited for" in line).decode()
                watch.terminate()
                sync = run("sync", "one", *gateway, "--busy-timeout", "1s", folder=tmp_path)
            watch.communicate(timeout=20)
        return said, sync.messages, run("sync", "--help").output

    said, messages, help_text = await run_sync(wait)
    assert "contacts.db is waited for: another one writes to it" in said
    assert "another one has been writing for 1 s" in messages
    assert "give a longer --busy-timeout" in messages
    assert "--busy-timeout" in help_text


async def test_where_there_can_be_no_write_ahead_log_that_is_said(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As on a file system whose files cannot be shared in memory, of which SQLite has one to try.
    connected = sqlite_files._connected  # noqa: SLF001
    monkeypatch.setattr(
        sqlite_files,
        "_connected",
        lambda path, _, timeout: connected(path, "?vfs=unix-none", timeout),
    )
    async with scene(f"sqlite:///{tmp_path}/contacts.db") as it:
        assert (await it.synced(friends("a"))).delta_counts == DeltaCounts(added=1)
        assert (await it.synced(friends("a", "b"))).delta_counts == DeltaCounts(added=1)
    (said,) = caplog.messages
    assert "has no write-ahead log" in said
    assert not list(tmp_path.glob("*-wal"))  # noqa: ASYNC240
