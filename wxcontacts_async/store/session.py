"""One connection to the database: statements, bulk loads and transactions. It blocks."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import adbc_driver_manager.dbapi as adbc
import pyarrow as pa

from wxcontacts_async.store.dialects import SQLITE, Address
from wxcontacts_async.store.errors import StoreBusyError, StoreConnectionError, StoreError

ROWS_A_PAGE = 10_000

_MOST_ROWS = 1_000_000_000

_LOCK_NOT_AVAILABLE = "55P03"
_DATA_EXCEPTION = "22"
_LOCKED = "database is locked"
_WRITERS = 20571  # tells our advisory locks from others'
# By the schema that the tables are in, which need not be the first that this user looks into; the
# same whether they are there already or are about to be made.
_TABLES = """hashtext(coalesce(
    (SELECT relnamespace::text FROM pg_class
        WHERE relname = 'wxcontacts_schema' AND pg_table_is_visible(oid)),
    (SELECT oid::text FROM pg_namespace WHERE nspname = current_schema()), ''))"""
_LOCK = f"SELECT pg_advisory_xact_lock({_WRITERS}, {_TABLES})"
_HOLDER = f"""
    SELECT activity.pid, activity.application_name, host(activity.client_addr)
    FROM pg_locks JOIN pg_stat_activity activity USING (pid)
    WHERE locktype = 'advisory' AND classid = {_WRITERS} AND granted
        AND objid::bigint = {_TABLES}::bigint & 4294967295
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    LIMIT 1"""
# What reading an answer raises, besides ADBC's own errors, for want of memory or a connection.
_ERRORS = (adbc.Error, pa.ArrowException, OSError)


class Session:
    """One connection, to be used by one thread at a time.

    Arguments:
        address: Where the database is.
        busy_timeout: Seconds to wait for another one that writes.

    Raises:
        StoreError: There is no such database, or it cannot be used.

    """

    def __init__(self, address: Address, busy_timeout: float) -> None:
        self.dialect = address.dialect
        self._secrets = address.secrets
        self._is_sqlite = self.dialect is SQLITE
        self._busy_timeout = busy_timeout
        try:
            self._connection = address.connect()
        except _ERRORS as error:
            raise self._told(error, StoreConnectionError) from None
        self._cursor = self._connection.cursor()
        try:
            self._prepare()
        except StoreError as error:
            was_lost = not self.is_alive
            self.close()
            if was_lost:
                raise StoreConnectionError(error.what) from None
            raise

    def _prepare(self) -> None:
        milliseconds = max(1, int(self._busy_timeout * 1000))
        if self._is_sqlite:
            # A column's type is read off the first values of an answer: let that be all of it.
            answers = {"adbc.sqlite.query.batch_rows": str(_MOST_ROWS)}
            self._cursor.adbc_statement.set_options(**answers)
            self.rows(f"PRAGMA busy_timeout = {milliseconds}")
        else:
            self.execute(f"SET lock_timeout = {milliseconds}")
            self.rows(
                "SELECT set_config('application_name', 'wxcontacts_async', false) "
                "WHERE current_setting('application_name') = ''",
            )
        for statement in self.dialect.prepare:
            self.execute(statement)

    def execute(self, statement: str, *parameters: object) -> None:
        """Run a statement that answers nothing."""
        with self._told_errors():
            self._cursor.execute(statement, parameters or None)

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Return the rows of an answer."""
        with self._told_errors():
            self._cursor.execute(query, parameters or None)
            rows: list[tuple[Any, ...]] = self._cursor.fetchall()
            return rows

    def table(self, query: str, *parameters: object) -> pa.Table:
        """Return an answer as a table."""
        with self._told_errors():
            self._cursor.execute(query, parameters or None)
            return self._cursor.fetch_arrow_table()

    def stage(self, name: str, rows: pa.Table) -> None:
        """Load rows in bulk into a temporary table that is there."""
        with self._told_errors():
            self._cursor.adbc_ingest(name, rows, mode="append", temporary=True)

    def load(self, name: str, rows: pa.Table) -> None:
        """Load rows in bulk into a table that is there, wherever it is found."""
        schema = None
        if self.dialect.find_schema:  # or it would be looked for in the first schema alone
            ((schema,),) = self.rows(self.dialect.find_schema.format(name))
        with self._told_errors():
            self._cursor.adbc_ingest(name, rows, mode="append", db_schema_name=schema)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do all of the block, with no other writer beside it, or nothing of it.

        Raises:
            StoreBusyError: Another one has been writing for longer than `busy_timeout`.

        """
        self.execute(self.dialect.begin)
        try:
            if not self._is_sqlite:
                self.rows(_LOCK)
            yield
            self.execute("COMMIT")
        except BaseException as error:
            with suppress(StoreError):
                self.execute("ROLLBACK")
            if isinstance(error, StoreBusyError) and not self._is_sqlite:
                what = f"{error.what}: {self._holder()}"
                raise StoreBusyError(what) from None
            raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all queries of the block see the database as of one moment."""
        self.execute(self.dialect.begin_reading)
        try:
            yield
        finally:
            with suppress(StoreError):
                self.execute("ROLLBACK")

    def _holder(self) -> str:
        for pid, name, host in self.rows(_HOLDER):
            return f"it is process {pid} of {host or 'this host'}, {name!r}"
        return "it has ended meanwhile"

    @property
    def is_alive(self) -> bool:
        """Whether statements get through."""
        try:
            self.rows("SELECT 1")
        except StoreError:
            return False
        return True

    def close(self) -> None:
        """Close it; what is not committed is undone."""
        for resource in (self._cursor, self._connection):
            with suppress(*_ERRORS):
                resource.close()

    @contextmanager
    def _told_errors(self) -> Iterator[None]:
        try:
            yield
        except _ERRORS as error:
            # Without its cause, which may quote a contact.
            raise self._told(error, StoreError) from None

    def _told(self, error: Exception, kind: type[StoreError]) -> StoreError:
        """Say it in an error of ours, which has the database's words but no value of a row."""
        state = getattr(error, "sqlstate", None)
        details = dict(getattr(error, "details", None) or ())
        if state:
            said = details.get(b"PG_DIAG_MESSAGE_PRIMARY", b"").decode(errors="replace")
            if state.startswith(_DATA_EXCEPTION):
                said = "it cannot take a value"  # which is quoted there
            what = f"{said or 'an error'} (SQLSTATE {state})"
        elif isinstance(error, OSError) and error.strerror:
            what = error.strerror
        else:
            what = str(error).partition("\n")[0]
        for secret in self._secrets:
            what = what.replace(secret, "***")
        if state == _LOCK_NOT_AVAILABLE or _LOCKED in what:
            return StoreBusyError(f"another one has been writing for {self._busy_timeout:g} s")
        return kind(f"{self.dialect.name} says: {what}")
