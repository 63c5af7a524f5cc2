"""Runs the command as a process of its own, or in a copy of one that has imported it."""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.support.forked_command import ForkedCommand, is_too_long, run_forked
from tests.support.recording_server import recording, reply_with

COMMAND = [sys.executable, "-m", "wxcontacts_async.cli"]
_OF_THE_COMMAND = {f"WXCONTACTS_{name}" for name in ("AUTHORIZATION", "CONFIG", "GATEWAY", "STORE")}
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name not in {"COLUMNS", "FORCE_COLOR", "NO_COLOR", "TERM"} | _OF_THE_COMMAND
}
SECONDS = 50.0  # far more than any of them takes, on a busy machine as well


@dataclass
class Ended:
    """A process that has ended, and what it wrote."""

    code: int
    output: str
    messages: str

    @property
    def has_traceback(self) -> bool:
        return "Traceback" in self.messages or "Exception ignored" in self.messages


def start(
    *arguments: str,
    folder: Path | None = None,
    variables: dict[str, str] | None = None,
    given: int = subprocess.PIPE,
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603  # this very program
        [*COMMAND, *arguments],
        cwd=folder,
        env={**ENVIRONMENT, **(variables or {})},
        stdin=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def end(process: subprocess.Popen[bytes], given: bytes = b"") -> Ended:
    with process:
        try:
            output, messages = process.communicate(given, timeout=SECONDS)
        finally:
            process.kill()
    return Ended(process.returncode, output.decode(), messages.decode())


def run(
    *arguments: str,
    given: bytes = b"",
    folder: Path | None = None,
    variables: dict[str, str] | None = None,
) -> Ended:
    if variables or is_too_long(arguments):
        return end(start(*arguments, folder=folder, variables=variables), given)
    begin = partial(
        ForkedCommand, arguments, folder=folder, seconds=SECONDS, environment=ENVIRONMENT
    )
    code, output, messages = run_forked(begin, given)
    return Ended(code, output.decode(), messages.decode())


def start_forked(*arguments: str, output: Path, messages: Path) -> ForkedCommand:
    """Begin the command in a copy; what it writes is appended to files, or goes to named pipes."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    with Path(os.devnull).open("rb") as nothing, ExitStack() as opened:
        streams = [nothing.fileno()]
        for path in (output, messages):
            streams.append(os.open(path, flags, 0o600))
            opened.callback(os.close, streams[-1])
        return ForkedCommand(
            arguments, streams, folder=None, seconds=SECONDS, environment=ENVIRONMENT
        )


def run_limited(kib: int, *arguments: str, folder: Path) -> Ended:
    """Run it where no file may be larger than that, and wait for its end."""
    command = shlex.join([*COMMAND, *arguments])
    ended = subprocess.run(  # noqa: S603  # this very program
        [shutil.which("bash") or "bash", "-c", f"ulimit -f {kib} && exec {command}"],
        capture_output=True,
        check=False,
        cwd=folder,
        env=ENVIRONMENT,
        timeout=SECONDS,
    )
    return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())


def read_until(process: subprocess.Popen[bytes], words: str) -> str:
    """Read its messages until there is a line with these words, and return that line."""
    assert process.stderr is not None
    for line in process.stderr:
        if words in line.decode():
            return line.decode()
    raise AssertionError(words)


@contextmanager
def emulator(*options: str) -> Iterator[str]:
    """Run `wxcontacts emulator` on a free port; give its URL."""
    process = start("emulator", "--port", "0", *options)
    with process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().decode().strip()
            process.send_signal(signal.SIGINT)
            _, messages = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
    assert process.returncode == 0, messages.decode()
    assert "Traceback" not in messages.decode()


def dead_gateway() -> str:
    """Return the URL of a port of this machine at which nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def synced(folder: Path) -> None:
    """Make a database in a folder, with two contacts of one instance."""
    with recording(reply_with("a", "b")) as server:
        assert run("sync", "one", "--gateway", server.url, folder=folder).code == 0
