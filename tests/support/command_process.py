"""The command in a process that was forked from one that has imported it, so that it starts soon.

Its standard output is a file or a named pipe, to which one such process after the other appends.
"""

import os
import signal
import sys
from multiprocessing import get_context
from pathlib import Path

from wxcontacts_async.cli import main

_processes = get_context("forkserver")
_processes.set_forkserver_preload(
    [
        __name__,
        "adbc_driver_postgresql.dbapi",
        "adbc_driver_sqlite.dbapi",
        "wxcontacts_async.cli.app",
        "wxcontacts_async.cli.jobs.watch",
    ],
)


class CommandProcess:
    """The command, run with these arguments."""

    def __init__(self, *arguments: str, output: Path, messages: Path) -> None:
        self._process = _processes.Process(target=_run, args=(arguments, output, messages))
        self._process.start()

    def end(self, number: signal.Signals) -> int | None:
        """Send it a signal, and return its exit code, which is negative if that killed it."""
        pid = self._process.pid
        assert pid is not None
        if self._process.is_alive():
            os.kill(pid, number)
        self._process.join(30)
        code = self._process.exitcode
        self._process.kill()
        self._process.join()
        self._process.close()
        return code


def _run(arguments: tuple[str, ...], output: Path, messages: Path) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    os.dup2(os.open(output, flags, 0o600), 1)
    os.dup2(os.open(messages, flags, 0o600), 2)
    # Those that were inherited take what they write to for what it was.
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
    sys.argv = ["wxcontacts", *arguments]
    main()
