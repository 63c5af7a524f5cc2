"""A PostgreSQL server in a temporary folder, for the benchmarks and for the tests."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

OLDEST = 15  # major version that the store works with
_DEBIAN = Path("/usr/lib/postgresql")
_LONGEST_COMMAND = 50.0


class NoPostgreSQLError(Exception):
    """There is no PostgreSQL here, or none that starts."""


class TemporaryPostgreSQL:
    """A server that goes with its folder; root runs it as somebody else, as it insists on.

    Arguments:
        binaries: Where its programs are.
        settings: What is to be other than it comes, such as "fsync=off".

    Attributes:
        folder: Where all that it has is, its Unix socket too.

    """

    def __init__(self, binaries: Path, *settings: str) -> None:
        self._binaries = binaries
        self._settings = settings
        self._user = unprivileged()
        # Not pytest's, whose parents are for their owner alone.
        self.folder = Path(tempfile.mkdtemp(prefix="wxcontacts-"))
        self._data = self.folder / "data"
        if self._user is not None:
            shutil.chown(self.folder, self._user)

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Make it, and run it within the block.

        Raises:
            NoPostgreSQLError: It cannot be made, or does not start.

        """
        try:
            self.make()
            self.start()
            yield self
        finally:
            if (self._data / "postmaster.pid").exists():
                self.stop()
            shutil.rmtree(self.folder)

    def make(self) -> None:
        """Make what it has before it starts."""
        made_as = ("--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync")
        self.run("initdb", f"--pgdata={self._data}", "--locale=C", *made_as)

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        settings = " ".join(f"-c {setting}" for setting in self._settings)
        options = f"-k {self.folder} {settings}"
        log = self.folder / "log"
        self.run("pg_ctl", "start", "-w", "-D", str(self._data), "-l", str(log), "-o", options)

    def stop(self) -> None:
        """Stop it as a crash would."""
        self.run("pg_ctl", "stop", "-w", "-D", str(self._data), "-m", "immediate")

    def run(self, program: str, *arguments: str) -> str:
        """Run one of its programs, and return what that writes.

        Raises:
            NoPostgreSQLError: It failed.

        """
        # Its output goes to a file, which a server that stays behind may keep open.
        output = self.folder / "output"
        with output.open("w") as file:
            try:
                subprocess.run(  # noqa: S603  # found by us
                    [self._binaries / program, *arguments],
                    check=True,
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                    user=self._user,
                    group=self._user and pwd.getpwnam(self._user).pw_gid,
                    extra_groups=[] if self._user else None,
                    timeout=_LONGEST_COMMAND,
                )
            except (OSError, subprocess.SubprocessError) as error:
                said = output.read_text(errors="replace").strip()
                msg = f"{program} failed: {said or error}"
                raise NoPostgreSQLError(msg) from error
        return output.read_text()


def newest_binaries() -> Path:
    """Find the newest server's programs, which Debian keeps off the PATH.

    Raises:
        NoPostgreSQLError: There are none, or those are too old.

    """
    folders = list(_DEBIAN.glob("*/bin"))
    if found := shutil.which("postgres"):
        folders.append(Path(found).resolve().parent)
    newest, folder = max(((_version(folder), folder) for folder in folders), default=(0, None))
    if folder is None or newest < OLDEST:
        msg = f"PostgreSQL {OLDEST} or newer is neither on the PATH nor in {_DEBIAN}"
        raise NoPostgreSQLError(msg)
    return folder


def _version(folder: Path) -> int:
    try:
        told = subprocess.run(  # noqa: S603  # found by us
            [folder / "postgres", "--version"],
            capture_output=True,
            check=True,
            text=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return 0
    return int(told.split()[2].partition(".")[0].rstrip("abcdefghijklmnopqrstuvwxyz"))


def unprivileged() -> str | None:
    """Return the user to run the server as; None if that is ourselves."""
    if os.getuid() != 0:
        return None
    known = {user.pw_name for user in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"
