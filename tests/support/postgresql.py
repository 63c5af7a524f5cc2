"""A PostgreSQL server of the tests' own, where Debian's package `postgresql` is installed."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from adbc_driver_postgresql import dbapi
from anyio import CancelScope
from anyio.to_thread import run_sync

OLDEST = 15
PASSWORD = "correct horse: battery/staple"  # noqa: S105  # of a database that lives for seconds
_MISSING = f"needs PostgreSQL {OLDEST} or newer: apt-get install --no-install-recommends postgresql"
# Nothing outlives the tests, so nothing need be on the disk.
_SETTINGS = ("fsync=off", "full_page_writes=off", "autovacuum=off", "listen_addresses=")
_HOST_BASED_AUTHENTICATION = """\
local all postgres trust
local replication postgres trust
local all all scram-sha-256
"""


class PostgresqlServer:
    """A server on a Unix socket, in a temporary folder that goes with it.

    It refuses to run as root, so that it is run as somebody else then.

    Arguments:
        binaries: Where its programs are.
        primary: The server that it is a hot standby of, if any.

    """

    def __init__(self, binaries: Path, primary: "PostgresqlServer | None" = None) -> None:
        self._binaries = binaries
        self._user = unprivileged()
        # Not pytest's, whose parents are for their owner alone.
        self.folder = Path(tempfile.mkdtemp(prefix="wxcontacts-"))
        if self._user is not None:
            shutil.chown(self.folder, self._user)
        self._data = self.folder / "data"
        self._numbers = count(1)
        if primary is None:
            made_as = ("--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync")
            self._run("initdb", f"--pgdata={self._data}", "--locale=C", *made_as)
            (self._data / "pg_hba.conf").write_text(_HOST_BASED_AUTHENTICATION)
        else:
            of = ("--host", str(primary.folder), "--username=postgres", "--write-recovery-conf")
            how = ("--checkpoint=fast", "--no-sync")
            self._run("pg_basebackup", f"--pgdata={self._data}", *of, *how)

    @property
    def _is_started(self) -> bool:
        return (self._data / "postmaster.pid").exists()

    def start(self) -> None:
        settings = " ".join(f"-c {setting}" for setting in _SETTINGS)
        options = f"-k {self.folder} {settings}"
        log = self.folder / "log"
        self._run("pg_ctl", "start", "-w", "-D", str(self._data), "-l", str(log), "-o", options)

    def stop(self) -> None:
        """Stop it as a crash would."""
        self._run("pg_ctl", "stop", "-w", "-D", str(self._data), "-m", "immediate")

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """Stop it as a crash would, for as long as the block takes."""
        await run_sync(self.stop)
        try:
            yield
        finally:
            with CancelScope(shield=True):
                await run_sync(self.start)

    @contextmanager
    def standby(self) -> "Iterator[PostgresqlServer]":
        """Run a hot standby of this server."""
        server = PostgresqlServer(self._binaries, self)
        try:
            server.start()
            yield server
        finally:
            server.remove()

    def remove(self) -> None:
        if self._is_started:
            self.stop()
        shutil.rmtree(self.folder)

    def url(self, schema: str = "public", *, user: str = "postgres", **settings: str) -> str:
        """Return a URL in which a schema takes the place of a database of its own."""
        query = {
            "host": str(self.folder),
            "options": f"-csearch_path={schema}",
            **settings,
        }
        return f"postgresql://{user}@/postgres?{urlencode(query, quote_via=quote)}"

    def fresh_url(self) -> str:
        """Return the URL of an empty schema."""
        schema = f"test_{next(self._numbers)}"
        execute(self.url(), f"CREATE SCHEMA {schema}")
        return self.url(schema)

    def fresh_database(self, encoding: str = "UTF8") -> str:
        """Make an empty database, and return its name."""
        name = f"database_{next(self._numbers)}"
        made = f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}'"
        execute(self.url(), made)
        return name

    def database_url(self, name: str, *, user: str = "postgres") -> str:
        """Return the URL of a database."""
        return f"postgresql://{user}@/{name}?host={quote(str(self.folder), safe='')}"

    def _run(self, program: str, *arguments: str) -> None:
        # Its output goes to a file, which a server that stays behind may keep open.
        with (self.folder / "output").open("a+") as output:
            ended = subprocess.run(  # noqa: S603  # found by us
                [self._binaries / program, *arguments],
                check=False,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                user=self._user,
                group=self._user and pwd.getpwnam(self._user).pw_gid,
                extra_groups=[] if self._user else None,
                timeout=50,
            )
            output.seek(0)
            assert ended.returncode == 0, f"{program}: {output.read()}"


def execute(url: str, *statements: str) -> None:
    """Run statements in a connection of their own."""
    with dbapi.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@contextmanager
def postgresql_server() -> Iterator[PostgresqlServer]:
    """Run a server; skip the test where there is none to run, and fail it where there must be."""
    binaries = _find_binaries()
    if binaries is None:
        if "CI" in os.environ or os.environ.get("WXCONTACTS_TEST_POSTGRESQL") == "required":
            pytest.fail(_MISSING)
        pytest.skip(_MISSING)
    server = PostgresqlServer(binaries)
    try:
        server.start()
        yield server
    finally:
        server.remove()


def _find_binaries() -> Path | None:
    """Find the newest server's programs, which Debian keeps off the PATH."""
    folders = list(Path("/usr/lib/postgresql").glob("*/bin"))
    if found := shutil.which("postgres"):
        folders.append(Path(found).resolve().parent)
    newest = max(((_version(folder), folder) for folder in folders), default=None)
    return None if newest is None or newest[0] < OLDEST else newest[1]


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
