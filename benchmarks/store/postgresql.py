"""A PostgreSQL server of the benchmarks' own, with the settings that it comes with."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

_DEBIAN = "/usr/lib/postgresql"
_USER = "postgres"
_LONGEST_COMMAND = 60.0


class NoPostgreSQLError(Exception):
    """There is no PostgreSQL here, or none that starts."""


class Cluster:
    """A running server.

    Attributes:
        pid: Its first process.
        version: What it says that it is.

    """

    def __init__(self, binaries: Path, directory: Path) -> None:
        self._binaries = binaries
        self._directory = directory
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._run("initdb", "-D", f"{directory}/data", "-U", _USER, "-E", "UTF8", "--no-locale")
        options = f"-p {self._port} -h 127.0.0.1 -k {directory}"
        log = f"{directory}/log"
        self._run("pg_ctl", "-D", f"{directory}/data", "-l", log, "-w", "-o", options, "start")
        self.pid = int((directory / "data" / "postmaster.pid").read_text().split()[0])
        self.version = self._run("postgres", "--version").strip()

    def create(self, name: str) -> str:
        """Make a database; return its URL."""
        self._run("createdb", *self._where(), name)
        return f"postgresql://{_USER}@127.0.0.1:{self._port}/{name}"

    def drop(self, name: str) -> None:
        """Remove a database, and write down all that is to be written."""
        self._run("dropdb", *self._where(), "--force", name)
        self._run("psql", *self._where(), "-q", "-c", "CHECKPOINT")

    def stop(self) -> None:
        """End it."""
        self._run("pg_ctl", "-D", f"{self._directory}/data", "-m", "immediate", "-w", "stop")

    def _where(self) -> list[str]:
        return ["-h", "127.0.0.1", "-p", str(self._port), "-U", _USER]

    def _run(self, program: str, *arguments: str) -> str:
        # It refuses to be run by root. Its output goes to files, since the server keeps them.
        command = [str(self._binaries / program), *arguments]
        if os.getuid() == 0:
            command = [
                "setpriv",
                f"--reuid={_USER}",
                f"--regid={_USER}",
                "--clear-groups",
                *command,
            ]
        output = self._directory / "output"
        with output.open("w") as file:
            try:
                subprocess.run(  # noqa: S603  # our own arguments
                    command,
                    check=True,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    cwd=self._directory,
                    timeout=_LONGEST_COMMAND,
                )
            except (OSError, subprocess.SubprocessError) as error:
                said = output.read_text(errors="replace").strip().splitlines()
                msg = f"{program} failed: {said[-1] if said else error}"
                raise NoPostgreSQLError(msg) from error
        return output.read_text()


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Start a server in a directory of its own, on a free port; stop it and remove all of it.

    Raises:
        NoPostgreSQLError: There is none here, or it does not start.

    """
    binaries = _binaries()
    with TemporaryDirectory(prefix="store-benchmark-") as made:
        directory = Path(made)
        if os.getuid() == 0:
            try:
                shutil.chown(directory, _USER, _USER)
            except LookupError as error:
                msg = f"root cannot run it, and there is no user {_USER}"
                raise NoPostgreSQLError(msg) from error
        running = Cluster(binaries, directory)
        try:
            yield running
        finally:
            running.stop()


def _binaries() -> Path:
    """Return where initdb is: on the PATH, or else where Debian has the newest."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    debian = sorted(Path(_DEBIAN).glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not debian:
        msg = "initdb is neither on the PATH nor in " + _DEBIAN
        raise NoPostgreSQLError(msg)
    return debian[-1].parent
