"""Runs the command in copies of a process that has imported it: that takes most of its time."""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Lock
from typing import NamedTuple

_LONGEST_REQUEST = 100_000
_starting = Lock()


class Forked(NamedTuple):
    """How the command ended, and what it wrote."""

    code: int
    output: bytes
    messages: bytes


def is_too_long(arguments: Sequence[str]) -> bool:
    """Whether these are more than a request can have."""
    return len(json.dumps(arguments)) > _LONGEST_REQUEST - 2 * 4096


def run_forked(
    arguments: Sequence[str],
    given: bytes,
    folder: Path | None,
    timeout: float,
    environment: dict[str, str],
) -> Forked:
    """Run the command with these arguments in that folder, and wait for its end."""
    with _starting:
        server = _server(tuple(environment.items()))
    request = json.dumps([str(folder or Path.cwd()), *arguments]).encode()
    (stdin, give), (take, stdout), (hear, stderr) = os.pipe(), os.pipe(), os.pipe()
    ours, theirs = socket.socketpair()
    try:
        socket.send_fds(server, [request], [stdin, stdout, stderr, theirs.fileno()])
    finally:
        for descriptor in (stdin, stdout, stderr):
            os.close(descriptor)
        theirs.close()
    with ThreadPoolExecutor(3) as threads, ours, ours.makefile("r") as said:
        threads.submit(_write, give, given)
        output, messages = threads.submit(_read, take), threads.submit(_read, hear)
        ours.settimeout(timeout)
        process = int(said.readline())
        try:
            code = int(said.readline())
        except TimeoutError as error:
            os.kill(process, signal.SIGKILL)
            raise subprocess.TimeoutExpired(list(arguments), timeout) from error
    return Forked(code, output.result(), messages.result())


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
    from wxcontacts_async.cli import main
    from wxcontacts_async.cli.app import app
    from wxcontacts_async.store._tabular import parquet, xlsx  # noqa: F401  # which export imports late

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
