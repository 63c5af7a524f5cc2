"""Runs the asynchronous part of a command, and tells how that ended."""

import os
import signal
import threading
from collections.abc import Awaitable, Callable, Collection, Coroutine
from contextlib import suppress
from typing import Any, NoReturn

import msgspec
from anyio import create_task_group, sleep_forever

from wxcontacts_async.cli.output import CommandError, LineFile
from wxcontacts_async.cli.signals import run_until_signal

# After Ctrl-C: for a pipe's reader, and for a database to be done with what it has begun.
_LAST_WRITE_SECONDS = 0.5
_LAST_ANSWER_SECONDS = 3.0


class End(msgspec.Struct, frozen=True):
    """How it ended.

    Attributes:
        stopped_by: The signal that ended it early, or None.
        error: What kept it from going on, or None.

    """

    stopped_by: signal.Signals | None
    error: CommandError | None

    @property
    def reader_gone(self) -> bool:
        """Whether nobody reads the output any more, so that nothing is left to say."""
        return self.error is not None and self.error.reader_gone

    @property
    def exit_code(self) -> int:
        """0 if it came to its end, 1 if not, 128 and the signal's number if it was stopped."""
        if self.error is None and self.stopped_by is not None:
            return 128 + self.stopped_by
        return 0 if self.error is None else 1


def run_to_end(
    work: Callable[[], Awaitable[None]],
    *,
    files: Collection[LineFile] = (),
    beside: Callable[[], Coroutine[Any, Any, None]] = sleep_forever,
    waits_for: str | None = None,
) -> End:
    """Run it until it ends, a signal comes or a CommandError keeps it from going on.

    Arguments:
        work: What to run.
        files: What it writes to, which is closed at the end.
        beside: Runs as long as it does.
        waits_for: The database that it may wait for in a way that no signal ends, if any. Some
            seconds after a signal the process ends all the same, and the database undoes what
            was being written.

    """
    errors: list[CommandError] = []
    leaving: list[threading.Timer] = []

    async def both() -> None:
        async with create_task_group() as tasks:
            tasks.start_soon(beside)
            try:
                await work()
            except CommandError as error:
                errors.append(error)
            tasks.cancel_scope.cancel()

    def hurry(number: signal.Signals) -> None:
        for file in files:
            file.give_up_in(_LAST_WRITE_SECONDS)
        if waits_for is not None:
            timer = threading.Timer(_LAST_ANSWER_SECONDS, _leave, [waits_for, 128 + number])
            timer.daemon = True
            timer.start()
            leaving.append(timer)

    stopped_by = run_until_signal(both, on_signal=hurry)
    for timer in leaving:
        timer.cancel()
    for file in files:
        try:
            file.close()
        except CommandError as error:
            errors.append(error)
    return End(stopped_by, errors[0] if errors else None)


def _leave(name: str, code: int) -> NoReturn:
    # With nothing that could block, as another thread may be in the midst of the same.
    with suppress(OSError):
        os.write(2, f"{name} has not answered; what was being written is undone.\n".encode())
    os._exit(code)
