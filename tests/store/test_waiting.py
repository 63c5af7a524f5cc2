"""What a store waits for is said while it waits, and what it cannot have is said as that."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio.to_thread import run_sync

from tests.support.command import SECONDS, run, start
from tests.support.logged import Log, logged
from tests.support.postgresql import PostgresqlServer
from tests.support.recording_server import recording, reply_with
from tests.support.syncing import friends, scene, writing
from wxcontacts_async.store import DeltaCounts
from wxcontacts_async.store._database import sqlite_files, wait_monitor

# The database does the same on any loop, so asyncio's will do.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])


@asynccontextmanager
async def _waiting(database_url: str) -> AsyncIterator[Log]:
    """Sync while another one writes, for as long as the block takes; give what is logged of it."""
    async with scene(database_url) as it:
        await it.synced(friends("a"))
        with logged() as log:
            async with anyio.create_task_group() as tasks:
                with writing(database_url):
                    tasks.start_soon(it.synced, friends("a", "b"))
                    yield log


async def test_a_database_that_another_one_writes_to_is_said_while_it_is_waited_for(
    database_url: str,
) -> None:
    async with _waiting(database_url) as log:
        await log.wait_for("is waited for: another one writes to it")
    assert len(log.messages) == 2
    assert "goes on after " in log.messages[1]


async def test_a_short_wait_is_nothing_to_say(
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # By a clock that stands still, as on a busy machine no wait is short.
    monkeypatch.setattr(wait_monitor, "monotonic", lambda: 0.0)
    async with _waiting(database_url) as log:
        await anyio.sleep(0.3)  # so that it is looked at
    assert log.messages == []


async def test_a_server_that_is_away_is_said_while_it_is_waited_for(
    postgresql: PostgresqlServer,
) -> None:
    async with scene(postgresql.fresh_url()) as it:
        await it.synced(friends("a"))
        with logged() as log:
            async with anyio.create_task_group() as tasks, postgresql.away():
                tasks.start_soon(it.synced, friends("a", "b"))
                await log.wait_for("is waited for: it cannot be reached")
    assert len(log.messages) == 2
    assert "goes on after " in log.messages[1]


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
            watch.communicate(timeout=SECONDS)
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
