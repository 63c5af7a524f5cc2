"""The PostgreSQL server of the tests, where Debian's package `postgresql` is installed."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from adbc_driver_postgresql import dbapi
from anyio import CancelScope
from anyio.to_thread import run_sync

from benchmarks.store.temporary_postgresql import (
    OLDEST,
    NoPostgreSQLError,
    TemporaryPostgreSQL,
    newest_binaries,
)

PASSWORD = "correct horse: battery/staple"  # noqa: S105  # of a database that lives for seconds
_MISSING = f"needs PostgreSQL {OLDEST} or newer: apt-get install --no-install-recommends postgresql"
# Nothing outlives the tests, so nothing need be on the disk.
_SETTINGS = ("fsync=off", "full_page_writes=off", "autovacuum=off", "listen_addresses=")
_HOST_BASED_AUTHENTICATION = """\
local all postgres trust
local replication postgres trust
local all all scram-sha-256
"""


class PostgresqlServer(TemporaryPostgreSQL):
    """A server on a Unix socket.

    Arguments:
        binaries: Where its programs are.
        primary: The server that it is a hot standby of, if any.

    """

    def __init__(self, binaries: Path, primary: "PostgresqlServer | None" = None) -> None:
        super().__init__(binaries, *_SETTINGS)
        self._primary = primary
        self._numbers = count(1)

    def make(self) -> None:
        if self._primary is None:
            super().make()
            (self._data / "pg_hba.conf").write_text(_HOST_BASED_AUTHENTICATION)
        else:
            of = ("--host", str(self._primary.folder), "--username=postgres")
            how = ("--write-recovery-conf", "--checkpoint=fast", "--no-sync")
            self.run("pg_basebackup", f"--pgdata={self._data}", *of, *how)

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """Stop it as a crash would, for as long as the block takes."""
        await run_sync(self.stop)
        try:
            yield
        finally:
            with CancelScope(shield=True):
                await run_sync(self.start)

    def standby(self) -> "AbstractContextManager[PostgresqlServer]":
        """Run a hot standby of this server."""
        return PostgresqlServer(self._binaries, self).running()

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


def execute(url: str, *statements: str) -> None:
    """Run statements in a connection of their own."""
    with dbapi.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@contextmanager
def postgresql_server() -> Iterator[PostgresqlServer]:
    """Run a server; skip the test where there is none to run, and fail it where there must be."""
    try:
        binaries = newest_binaries()
    except NoPostgreSQLError:
        if "CI" in os.environ or os.environ.get("WXCONTACTS_TEST_POSTGRESQL") == "required":
            pytest.fail(_MISSING)
        pytest.skip(_MISSING)
    with PostgresqlServer(binaries).running() as server:
        yield server
