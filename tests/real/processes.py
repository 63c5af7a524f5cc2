"""Processes that a test starts on a port of its own, and stops."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Self

import pytest

_STARTED_WITHIN = 40.0
_STOPPED_WITHIN = 5.0
_PORTS = range(10_000, 32_000)
# Debian keeps servers off the PATH of those who are not root.
_SYSTEM_FOLDERS = ("/usr/sbin", "/usr/local/sbin")


def find_program(name: str, package: str) -> Path:
    """Find a program; skip the test where it is missing, and fail it where it must be there."""
    folders = os.pathsep.join([os.environ.get("PATH", os.defpath), *_SYSTEM_FOLDERS])
    found = shutil.which(name, path=folders)
    if found is not None:
        return Path(found)
    missing = f"needs {name}: apt-get install --no-install-recommends {package}"
    if "CI" in os.environ or os.environ.get("WXCONTACTS_TEST_SERVERS") == "required":
        pytest.fail(missing)
    pytest.skip(missing)


def free_port() -> int:
    """Return a port of 127.0.0.1 that is free, and that no other process is given meanwhile.

    It lies below those that the system hands out, as the server has yet to start, and may be
    stopped and started again.
    """
    while True:
        port = secrets.choice(_PORTS)
        with suppress(OSError), socket.socket() as taken:
            taken.bind(("127.0.0.1", port))
            return port


class ServerProcess(ABC):
    """A server that listens at 127.0.0.1, with a temporary folder of its own, within `with`.

    It can be stopped and started again meanwhile, at the same port.

    Attributes:
        port: Where it listens.
        folder: Its folder, which goes with it.

    """

    def __init__(self) -> None:
        self.port = free_port()
        self.folder: Path
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str | Path]:
        """Return how it is started, in the foreground; called each time that it is."""

    def __enter__(self) -> Self:
        # Not pytest's, whose names are too long for some sockets, and whose parents are for their
        # owner alone.
        self.folder = Path(tempfile.mkdtemp(prefix="wxcontacts-"))
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        finally:
            shutil.rmtree(self.folder)

    def start(self) -> None:
        """Start it, and wait until it listens."""
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603  # found by us
                self.command(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # so that its workers can be killed with it
            )
        deadline = monotonic() + _STARTED_WITHIN
        while not self._listens():
            assert self._process.poll() is None, f"it ended: {self.output}"
            assert monotonic() < deadline, f"it does not listen: {self.output}"
            sleep(0.01)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop it as `how` does, its workers with it; kill it if that takes too long."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOPPED_WITHIN)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def kill(self) -> None:
        """End it as a crash does."""
        self.stop(signal.SIGKILL)

    def send_signal(self, which: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(which)

    @property
    def output(self) -> str:
        """What it has written so far."""
        return self._output.read_text(errors="replace")

    @property
    def _output(self) -> Path:
        return self.folder / "output"

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True
