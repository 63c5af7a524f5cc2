"""`wxcontacts watch --cursor`: all runs together print the log, each change once, in order."""

import json
import os
import select
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random

import anyio
import pytest
from anyio.to_thread import run_sync

from tests.support.command import start_forked
from tests.support.forked_command import ForkedCommand
from tests.support.postgresql import PostgresqlServer
from tests.support.syncing import log
from wxcontacts_async.cli.jobs.change_lines import change_line
from wxcontacts_async.emulator import GatewayEmulator
from wxcontacts_async.store import ContactStore

pytestmark = [
    pytest.mark.processes,
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),
]

_MOMENTS = 30
_INSTANCES, _INTERVAL = 20, 0.1
_CONTACTS = _INSTANCES * 100


@asynccontextmanager
async def _moving() -> AsyncIterator[GatewayEmulator]:
    """Run a gateway whose contacts move from round to round."""

    async def move() -> None:
        while True:
            await emulator.wait_for_calls(len(emulator.calls) + _INSTANCES)
            emulator.advance()

    async with (
        GatewayEmulator(_INSTANCES, contacts=100) as emulator,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(move)
        yield emulator
        tasks.cancel_scope.cancel()


async def _until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(30):
        while not condition():  # noqa: ASYNC110  # another process sees to it
            await anyio.sleep(0.02)


class _Pipe:
    """A named pipe that is read all the time."""

    def __init__(self, path: Path) -> None:
        self.content = b""
        os.mkfifo(path)
        self._file = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._is_left = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while select.select([self._file], [], [], 0.05)[0] or not self._is_left:
            with suppress(BlockingIOError):
                self.content += os.read(self._file, 1 << 16)

    def end(self) -> bytes:
        self._is_left = True
        self._thread.join()
        os.close(self._file)
        return self.content


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("is_piped", [False, True], ids=["file", "pipe"])
async def test_stopped_and_killed_again_and_again_it_prints_each_change_once_in_order(
    tmp_path: Path,
    database_url: str,
    *,
    is_piped: bool,
) -> None:
    output, messages = tmp_path / "output", tmp_path / "messages"
    pipe = _Pipe(output) if is_piped else None

    def printed() -> int:
        return len(pipe.content) if pipe else output.stat().st_size

    random = Random(12)  # noqa: S311  # of moments
    async with _moving() as emulator:
        arguments = (
            *("watch", *emulator.w_ids, "--gateway", emulator.url, "--to", database_url),
            *("--every", f"{_INTERVAL}s", "--after", "0", "--cursor", str(tmp_path / "cursor")),
        )

        async def begun() -> ForkedCommand:
            return await run_sync(
                lambda: start_forked(*arguments, output=output, messages=messages),
            )

        for _ in range(_MOMENTS):
            number = random.choice([signal.SIGTERM, signal.SIGKILL])
            process = await begun()
            # While it starts, or in one of its rounds.
            calls = random.randint(0, 3 * _INSTANCES)
            await emulator.wait_for_calls(len(emulator.calls) + calls)
            await anyio.sleep(random.uniform(0, _INTERVAL))
            await run_sync(process.end, number)
        before = printed()
        process = await begun()
        await _until(lambda: printed() > before)
        assert await run_sync(process.end, signal.SIGTERM) == 0, messages.read_text()
    content = pipe.end() if pipe is not None else output.read_bytes()
    async with ContactStore(database_url) as store:
        changes = await log(store)

    assert "Traceback" not in messages.read_text()
    assert len(changes) > _CONTACTS  # which moved meanwhile
    lines = content.splitlines(keepends=True)
    if is_piped:
        lines = list(_unseen(lines))
    assert b"".join(lines) == b"".join(map(change_line, changes))
    ids = [json.loads(line)["id"] for line in lines]
    assert ids == sorted(set(ids))


@pytest.mark.slow
async def test_after_the_database_was_away_it_goes_on_where_it_was(
    tmp_path: Path,
    postgresql: PostgresqlServer,
) -> None:
    database_url = postgresql.fresh_url()
    output, messages = tmp_path / "output", tmp_path / "messages"
    async with _moving() as emulator:
        process = await run_sync(
            lambda: start_forked(
                *("watch", *emulator.w_ids, "--gateway", emulator.url, "--to", database_url),
                *("--every", "0.1s"),
                output=output,
                messages=messages,
            ),
        )
        await _until(lambda: output.exists() and output.stat().st_size > 0)
        async with postgresql.away():
            await _until(lambda: "it cannot be reached" in messages.read_text())
        size = output.stat().st_size
        await _until(lambda: output.stat().st_size > size)
        assert await run_sync(process.end, signal.SIGTERM) == 0
    async with ContactStore(database_url) as store:
        changes = await log(store)

    assert output.read_bytes() == b"".join(map(change_line, changes))


def _unseen(lines: list[bytes]) -> Iterator[bytes]:
    """Drop what is printed again, as the help asks a pipe's reader to."""
    last = 0
    for line in lines:
        number = json.loads(line)["id"]
        if number > last:
            yield line
            last = number
