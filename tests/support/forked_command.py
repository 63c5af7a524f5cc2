"""Runs the command in copies of a process that has imported it: that takes most of its time."""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Lock

_LONGEST_REQUEST = 100_000
_starting = Lock()


class ForkedCommand:
    """The command, begun with these arguments.

    Arguments:
        arguments: What it is given.
        streams: The descriptors of its standard streams, which remain the caller's.
        folder: Where it runs.
        seconds: How long it may take.
        environment: The variables that it has; the first to come with them waits for the imports.

    """

    def __init__(
        self,
        arguments: Sequence[str],
        streams: Sequence[int],
        *,
        folder: Path | None,
        seconds: float,
        environment: dict[str, str],
    ) -> None:
        with _starting:
            server = _server(tuple(environment.items()))
        request = json.dumps([str(folder or Path.cwd()), *arguments]).encode()
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(server, [request], [*streams, theirs.fileno()])
        self._arguments = list(arguments)
        self._seconds = seconds
        ours.settimeout(seconds)
        self._said = ours.makefile("r")
        ours.close()  # once that is closed
        self._pid = int(self._said.readline())

    def end(self, number: signal.Signals) -> int:
        """Send it a signal, unless it has ended, and wait for its end."""
        with suppress(ProcessLookupError):
            os.kill(self._pid, number)
        return self.wait()

    def wait(self) -> int:
        """Wait for its end; return its exit code, which is negative if a signal killed it."""
        with self._said:
            try:
                return int(self._said.readline())
            except TimeoutError as error:
                os.kill(self._pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(self._arguments, self._seconds) from error


def is_too_long(arguments: Sequence[str]) -> bool:
    """Whether these are more than a request can have."""
    return len(json.dumps(arguments)) > _LONGEST_REQUEST - 2 * 4096


def run_forked(
    begin: Callable[[Sequence[int]], ForkedCommand], given: bytes
) -> tuple[int, bytes, bytes]:
    """Begin the command with pipes, and wait for its end; return its code and what it wrote."""
    (stdin, give), (take, stdout), (hear, stderr) = os.pipe(), os.pipe(), os.pipe()
    streams = (stdin, stdout, stderr)
    try:
        command = begin(streams)
    finally:
        for descriptor in streams:
            os.close(descriptor)
    with ThreadPoolExecutor(3) as threads:
        threads.submit(_write, give, given)
        output, messages = threads.submit(_read, take), threads.submit(_read, hear)
        code = command.wait()
    return code, output.result(), messages.result()


@cache
def _server(environment: tuple[tuple[str, str], ...]) -> socket.socket:
    """Start the process that is copied; it ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(  # noqa: S603  # this very program
            [sys.executable, "-m", "tests.support.forked_command", str(theirs.fileno())],
            cwd=Path(__file__).parents[2],
            env=dict(environment),
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def _write(descriptor: int, given: bytes) -> None:
    with suppress(BrokenPipeError), open(descriptor, "wb") as file:
        file.write(given)


def _read(descriptor: int) -> bytes:
    with open(descriptor, "rb") as file:
        return file.read()


def _serve(requests: socket.socket) -> None:
    """Fork for each request; return in the copy that is to be the command."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the copies are not waited for
    while True:
        request, descriptors, *_ = socket.recv_fds(requests, _LONGEST_REQUEST, 4)
        if not request:
            os._exit(0)
        if os.fork() == 0:
            requests.close()
            _watch_over_the_command(descriptors)
            folder, *arguments = json.loads(request)
            os.chdir(folder)
            sys.argv = ["wxcontacts", *arguments]
            return
        for descriptor in descriptors:
            os.close(descriptor)


def _watch_over_the_command(descriptors: Sequence[int]) -> None:
    """Fork once more; return in the copy, with its streams, and say how it ends."""
    *streams, reply = descriptors
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        os.close(reply)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        return
    for stream in streams:
        os.close(stream)
    os.write(reply, b"%d\n" % child)
    os.write(reply, b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    os._exit(0)


if __name__ == "__main__":
    from importlib import import_module

    from wxcontacts_async.cli import main
    from wxcontacts_async.cli.app import app

    for imported_late in (
        "adbc_driver_postgresql.dbapi",
        "wxcontacts_async.cli.jobs.watch",
        "wxcontacts_async.store._tabular.parquet",
        "wxcontacts_async.store._tabular.xlsx",
    ):
        import_module(imported_late)
    with suppress(Exception):  # imports what is imported late
        app(["sync", "x", "--gateway", "nonsense"], standalone_mode=False)
    _serve(socket.socket(fileno=int(sys.argv[1])))
    try:
        main()
    except SystemExit as leaving:
        # Not as Python would, which takes as long as all the rest to free what is imported.
        threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(leaving.code or 0))
