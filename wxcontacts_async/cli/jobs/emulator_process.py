"""Runs `wxcontacts emulator` in a process of its own, which ends with this one."""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator

_COMMAND = ("emulator", "--obey-stdin", "--port", "0")
_LEAVING_SECONDS = 3.0


class EmulatorProcessError(Exception):
    """The emulator's process ended before it served."""


@contextlib.contextmanager
def emulator_process(*arguments: str) -> Iterator[tuple[str, Callable[[], None]]]:
    """Run `wxcontacts emulator` on a free port; give its URL, and what advances it."""
    process = subprocess.Popen(  # noqa: S603  # this very program
        [sys.executable, "-m", "wxcontacts_async.cli", *_COMMAND, *arguments],
        # The pipe closes with this process, however it ends, and the emulator ends with the pipe.
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # Ctrl-C reaches this process alone, which then stops that one.
        start_new_session=True,
        text=True,
    )

    def advance() -> None:
        with contextlib.suppress(BrokenPipeError):  # it has ended, as its gateway will show
            print("advance", file=process.stdin, flush=True)
            while process.stdout and process.stdout.readline() not in {"advanced\n", ""}:
                pass

    try:
        url = process.stdout.readline().strip() if process.stdout else ""
        if not url:
            raise EmulatorProcessError
        yield url, advance
    finally:
        _leave(process)


def _leave(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
    try:
        process.wait(_LEAVING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
