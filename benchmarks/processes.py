"""The processes that measure and serve: how they are started, and what they print."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from benchmarks.instances import Setup
from benchmarks.server import Announcement

_ROOT = Path(__file__).parents[1]
_LONGEST_PROCESS = 120.0


class ProcessFailedError(Exception):
    """A process ended otherwise than it should."""


def answer_of(
    *arguments: str,
    under: Sequence[str] = (),
    timeout: float = _LONGEST_PROCESS,
) -> bytes:
    """Run one process of this Python, under another program if there is one; return what it prints.

    Raises:
        ProcessFailedError: It failed, or was not done after so many seconds.

    """
    try:
        return subprocess.run(  # noqa: S603  # our own arguments
            [*under, sys.executable, *arguments],
            capture_output=True,
            check=True,
            cwd=_ROOT,
            timeout=timeout,
        ).stdout
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").strip().splitlines()
        raise ProcessFailedError(lines[-1] if lines else str(error)) from error
    except subprocess.TimeoutExpired as error:
        msg = f"not done after {error.timeout:.0f} s"
        raise ProcessFailedError(msg) from error


@contextmanager
def serving(setup: Setup) -> Iterator[Announcement]:
    """Run a server in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.server", written(setup)]
    with subprocess.Popen(  # noqa: S603  # our own arguments
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=_ROOT,
    ) as server:
        try:
            line = server.stdout.readline() if server.stdout else b""
            yield msgspec.json.decode(line, type=Announcement)
        finally:
            server.communicate()  # closes its stdin, which ends it


def written(task: msgspec.Struct) -> str:
    """Return what a process is told, for its command line."""
    return msgspec.json.encode(task).decode()
