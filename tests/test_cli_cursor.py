"""`wxcontacts watch --cursor`: all runs together print the log, each change once, in order."""

import json
import os
import select
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random

import anyio
import pytest
from anyio.to_thread import run_sync

from tests.command_process import CommandProcess
from tests.postgresql import PostgresqlServer
from tests.syncing import log
from wxcontacts_async.cli.change_lines import change_line
from wxcontacts_async.emulator import GatewayEmulator
from wxcontacts_async.store import ContactStore

pytestmark = [
    pytest.mark.processes,
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),
]

_MOMENTS = 30
_TIMES_THE_FIRST = 1.5  # how long the longest run is, by what passes until the first one prints
_CONTACTS = 20 * 100


@asynccontextmanager
async def _moving() -> AsyncIterator[GatewayEmulator]:
    """Run a gateway whose contacts move all the time."""

    async def move() -> None:
        while True:
            await anyio.sleep(0.05)
            emulator.advance()

    async with GatewayEmulator(20, contacts=100) as emulator, anyio.create_task_group() as tasks:
        tasks.start_soon(move)
        yield emulator
        tasks.cancel_scope.cancel()


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

    def has_printed() -> bool:
        return bool(pipe.content) if pipe else output.exists() and output.stat().st_size > 0

    random = Random(12)  # noqa: S311  # of moments
    async with _moving() as emulator:
        arguments = (
            *("watch", *emulator.w_ids, "--gateway", emulator.url, "--to", database_url),
            *("--every", "0.1s", "--after", "0", "--cursor", str(tmp_path / "cursor")),
        )

        async def begun() -> CommandProcess:
            return await run_sync(
                lambda: CommandProcess(*arguments, output=output, messages=messages),
            )

        await run_sync((await begun()).end, signal.SIGKILL)  # the first starts what forks all
        began = anyio.current_time()
        process = await begun()
        while not has_printed():  # noqa: ASYNC110  # another process prints
            await anyio.sleep(0.01)
        longest = _TIMES_THE_FIRST * (anyio.current_time() - began)
        await run_sync(process.end, signal.SIGKILL)
        for _ in range(_MOMENTS):
            number = random.choice([signal.SIGTERM, signal.SIGKILL])
            process = await begun()
            await anyio.sleep(random.uniform(0, longest))
            await run_sync(process.end, number)
        process = await begun()
        await anyio.sleep(2 * longest)
        assert await run_sync(process.end, signal.SIGTERM) == 0, messages.read_text()
    printed = pipe.end() if pipe is not None else output.read_bytes()
    async with ContactStore(database_url) as store:
        changes = await log(store)

    assert "Traceback" not in messages.read_text()
    assert len(changes) > _CONTACTS  # which moved meanwhile
    lines = printed.splitlines(keepends=True)
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
            lambda: CommandProcess(
                *("watch", *emulator.w_ids, "--gateway", emulator.url, "--to", database_url),
                *("--every", "0.1s"),
                output=output,
                messages=messages,
            ),
        )
        while not (output.exists() and output.stat().st_size):  # noqa: ASYNC110  # as below
            await anyio.sleep(0.05)
        try:
            await run_sync(postgresql.stop)
            await anyio.sleep(0.5)
        finally:
            await run_sync(postgresql.ensure_started)
        size = output.stat().st_size
        with anyio.fail_after(20):
            while output.stat().st_size == size:  # noqa: ASYNC110  # another process writes it
                await anyio.sleep(0.1)
        assert await run_sync(process.end, signal.SIGTERM) == 0
    async with ContactStore(database_url) as store:
        changes = await log(store)

    assert size > 0
    assert output.read_bytes() == b"".join(map(change_line, changes))


def _unseen(lines: list[bytes]) -> Iterator[bytes]:
    """Drop what is printed once more, as a pipe's reader is told to."""
    last = 0
    for line in lines:
        number = json.loads(line)["id"]
        if number > last:
            yield line
            last = number
