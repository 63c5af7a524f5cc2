"""Runs the asynchronous part of a command to its result."""

import signal
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any, Protocol

import msgspec
from anyio import create_task_group, sleep_forever

from wxcontacts_async.cli.runtime.errors import CommandError
from wxcontacts_async.cli.runtime.signals import exit_code_of, run_until_signal

_LAST_WRITE_SECONDS = 0.5


class OutputFile(Protocol):
    """A file that a command writes to."""

    def give_up_in(self, seconds: float) -> None:
        """Wait no longer than that for its reader."""

    def close(self) -> None:
        """Close it; raise an OutputError if what was written may not have arrived."""


class RunResult(msgspec.Struct, frozen=True):
    """How a run ended.

    Attributes:
        stopped_by: The signal that ended it early, or None.
        error: The error that ended it, or None.

    """

    stopped_by: signal.Signals | None
    error: CommandError | None

    @property
    def output_closed(self) -> bool:
        """Whether the reader of the output has closed it, so that no message is due."""
        return self.error is not None and self.error.output_closed

    @property
    def exit_code(self) -> int:
        """0 if it completed, 1 after an error, 128 and the signal's number if it was stopped."""
        if self.error is None and self.stopped_by is not None:
            return exit_code_of(self.stopped_by)
        return 0 if self.error is None else 1


def run_to_end(
    work: Callable[[], Awaitable[None]],
    *,
    files: Collection[OutputFile] = (),
    background: Callable[[], Coroutine[Any, Any, None]] = sleep_forever,
    reader_timeout: float = _LAST_WRITE_SECONDS,
) -> RunResult:
    """Run `work` until it ends, a signal arrives or a CommandError is raised.

    Arguments:
        work: What to run.
        files: What it writes to, which is closed at the end.
        background: Runs beside it and is cancelled with it.
        reader_timeout: Seconds to wait, after a signal, for a pipe's reader.

    """
    errors: list[CommandError] = []

    async def both() -> None:
        async with create_task_group() as tasks:
            tasks.start_soon(background)
            try:
                await work()
            except CommandError as error:
                errors.append(error)
            tasks.cancel_scope.cancel()

    def limit_writes(_: signal.Signals) -> None:
        for file in files:
            file.give_up_in(reader_timeout)

    stopped_by = run_until_signal(both, on_signal=limit_writes)
    for file in files:
        try:
            file.close()
        except CommandError as error:
            errors.append(error)
    return RunResult(stopped_by, errors[0] if errors else None)
