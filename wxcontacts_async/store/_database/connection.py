"""One connection to the database: statements, bulk loads and transactions. It blocks."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from re import compile as compiled
from typing import Any

import msgspec
import pyarrow as pa

from wxcontacts_async.store._database.dialects import SQLITE, Address
from wxcontacts_async.store._database.driver_errors import (
    BESIDE,
    DRIVER_ERRORS,
    ONLY_READ,
    OTHER_SERVER,
    MissingRightError,
    translated,
)
from wxcontacts_async.store._database.opening import Opening
from wxcontacts_async.store._database.rights import missing_rights
from wxcontacts_async.store._database.temporary_tables import (
    SMALL,
    TEMPORARY_TABLES,
    as_parameter,
    creation,
)
from wxcontacts_async.store._database.waits import (
    FOR_ANSWER,
    FOR_CONNECTION,
    FOR_WRITER,
    Wait,
    Waiting,
)
from wxcontacts_async.store.errors import (
    OF_THE_DATABASE,
    StoreAccessError,
    StoreBusyError,
    StoreConnectionError,
    StoreError,
    StoreFullError,
)

ROWS_A_PAGE = 10_000

_MOST_ROWS = 1_000_000_000
_SMALL = compiled(rf"\{{({'|'.join(SMALL)})\}}")

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
_CAN_ONLY_READ = """
    SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only') = 'on'"""
_GRANT = "Grant it, or give the store a role that has it."


class Connection:
    """One connection, to be used by one thread at a time.

    Nothing that it sets in PostgreSQL outlives a transaction, and every statement is in one, as a
    pooler may do each transaction on another connection (PgBouncer's `pool_mode = transaction`).

    Arguments:
        address: Where the database is.
        busy_timeout: Seconds to wait for another one that writes.
        opening: What it is opened for.
        waiting: What is told what it waits for; another one may take its place later.

    Attributes:
        notes: What its user should know of the database; emptied by whoever says it.

    Raises:
        StoreError: There is no such database, or it cannot be used.

    """

    def __init__(
        self,
        address: Address,
        busy_timeout: float,
        *,
        opening: Opening = Opening.MAKE,
        waiting: Waiting | None = None,
    ) -> None:
        self.dialect = address.dialect
        self.opening = opening
        self.waiting = waiting or Waiting()
        self.notes: list[str] = []
        self._address = address
        self._is_sqlite = self.dialect is SQLITE
        self._busy_timeout = busy_timeout
        self._in_transaction = False
        self._is_ready_to_write = False
        # The temporary tables that are there; those of PostgreSQL go with each transaction.
        self._staging: set[str] = set()
        self._small: dict[str, str] = {}
        milliseconds = max(1, int(busy_timeout * 1000))
        timeout = () if self._is_sqlite else (f"SET LOCAL lock_timeout = {milliseconds}",)
        self._settings = (*self.dialect.begun, *timeout)
        self._open()

    def _open(self) -> None:
        with self._translated_errors(StoreConnectionError, FOR_CONNECTION):
            self._opened = self._address.connect(self.opening, self._busy_timeout)
        self._cursor = self._opened.connection.cursor()
        if self._is_sqlite:
            # A column's type is read off the first values of an answer: let that be all of it.
            answers = {"adbc.sqlite.query.batch_rows": str(_MOST_ROWS)}
            self._cursor.adbc_statement.set_options(**answers)
        try:
            for statement in self.dialect.connected:
                self.execute(statement)
        except BaseException:
            self.close()
            raise

    def execute(self, statement: str, *parameters: object) -> None:
        """Run a statement that answers nothing; without parameters it may be several."""
        statement, parameters = self._filled_in(statement, parameters)
        with self._translated_errors():
            if parameters:
                self._cursor.execute(statement, parameters)
            else:  # in one round trip
                self._cursor.executescript(statement)

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Return the rows of an answer."""
        query, parameters = self._filled_in(query, parameters)
        with self._in_some_transaction(), self._translated_errors():
            self._cursor.execute(query, parameters or None)
            rows: list[tuple[Any, ...]] = self._cursor.fetchall()
            return rows

    def table(self, query: str, *parameters: object) -> pa.Table:
        """Return an answer as a table."""
        with self._in_some_transaction(), self._translated_errors():
            self._cursor.execute(query, parameters or None)
            return self._cursor.fetch_arrow_table()

    def stage(self, name: str, rows: pa.Table | list[dict[str, object]]) -> None:
        """Let a temporary table have just these rows, until the transaction ends.

        In statements, the name of a small one stands in braces.
        """
        if name in SMALL and not self._is_sqlite:
            self._small[name] = msgspec.json.encode(rows).decode()
            return
        if name in self._staging:
            self.execute(f"DELETE FROM {name}")
        else:
            self.execute(creation(name, self.dialect))
            self._staging.add(name)
        if isinstance(rows, list):
            rows = pa.Table.from_pylist(rows, TEMPORARY_TABLES[name])
        with self._translated_errors():
            self._cursor.adbc_ingest(name, rows, mode="append", temporary=True)

    def _filled_in(
        self,
        statement: str,
        parameters: tuple[object, ...],
    ) -> tuple[str, tuple[object, ...]]:
        """Fill in the small temporary tables of a statement."""
        for name in _SMALL.findall(statement):
            if self._is_sqlite:
                table = name
            else:
                parameters = (*parameters, self._small[name])
                table = as_parameter(name, len(parameters))
            statement = statement.replace(f"{{{name}}}", table)
        return statement, parameters

    def load(self, name: str, rows: pa.Table) -> None:
        """Load rows in bulk into a table that is there, wherever it is found."""
        schema = None
        if self.dialect.find_schema:  # or it would be looked for in the first schema alone
            ((schema,),) = self.rows(self.dialect.find_schema.format(name))
        with self._translated_errors():
            self._cursor.adbc_ingest(name, rows, mode="append", db_schema_name=schema)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do all of the block, with no other writer beside it, or nothing of it.

        Raises:
            StoreBusyError: Another one has been writing for longer than `busy_timeout`.
            StoreAccessError: The database can only be read, or a right is missing.

        """
        self._check_may_write()
        if self._is_sqlite and not self._is_ready_to_write:
            self._get_ready_to_write()
        begins = (self.dialect.begin, *self._settings, *(() if self._is_sqlite else (_LOCK,)))
        is_begun = False
        self._in_transaction = True
        try:
            self._run_script(begins, FOR_WRITER)
            is_begun = True
            yield
            self.execute("COMMIT")
        except BaseException as error:
            with suppress(StoreError):
                self.execute("ROLLBACK")
            self._in_transaction = False
            if isinstance(error, StoreError):
                raise self._explained(error, is_begun=is_begun, writes=True) from None
            raise
        finally:
            self._in_transaction = False
            if not self._is_sqlite:
                self._staging.clear()
                self._small.clear()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all queries of the block see the database as of one moment."""
        self._in_transaction = True
        try:
            self._run_script((self.dialect.begin_reading, *self._settings), FOR_ANSWER)
            yield
        except StoreError as error:
            self._end_snapshot()
            raise self._explained(error, is_begun=True, writes=False) from None
        finally:
            if self._in_transaction:
                self._end_snapshot()

    def _end_snapshot(self) -> None:
        with suppress(StoreError):
            self.execute("ROLLBACK")
        self._in_transaction = False

    @contextmanager
    def _in_some_transaction(self) -> Iterator[None]:
        """See to it that a query is in a transaction where it must be."""
        if self._in_transaction or self._is_sqlite:
            yield
        else:
            with self.snapshot():
                yield

    def _run_script(self, statements: tuple[str, ...], wait: Wait) -> None:
        with self._translated_errors(wait=wait):
            self._cursor.executescript("; ".join(statements))

    def check_may_write(self) -> None:
        """Raise StoreAccessError if nothing can be written, before there is anything to write."""
        self._check_may_write()
        if self._is_sqlite:
            return
        with self.snapshot():
            ((is_standby, is_read_only),) = self.rows(_CAN_ONLY_READ)
            if is_standby or is_read_only:
                what = "the server is a standby" if is_standby else "its transactions are read-only"
                raise StoreAccessError(ONLY_READ + what, advice=OTHER_SERVER)
            if lacking := missing_rights(self.rows, writes=True):
                raise StoreAccessError(ONLY_READ + lacking, advice=_GRANT)

    def _check_may_write(self) -> None:
        if self._opened.unwritable is not None:  # there may be room, or a right, by now
            self.close()
            self._open()
        if unwritable := self.unwritable():
            raise unwritable

    def _get_ready_to_write(self) -> None:
        """Do what only a connection to an SQLite file must that writes."""
        if self._write_ahead():
            # A commit is whole without an fsync.
            self.execute("PRAGMA synchronous = NORMAL")
        else:
            self.notes.append("has no write-ahead log, so that who reads and who writes must wait")
            self.execute("PRAGMA synchronous = FULL")
        for name in TEMPORARY_TABLES:  # not in a transaction, with which they would go
            self.execute(creation(name, self.dialect))
        self._staging.update(TEMPORARY_TABLES)
        self._is_ready_to_write = True

    def _write_ahead(self) -> bool:
        """Have a write-ahead log, with which readers and the writer do not wait for one another.

        SQLite says which kind of journal it has then: on some file systems it cannot be that one.
        """
        try:
            with self._translated_errors(wait=FOR_WRITER):
                self._cursor.execute("PRAGMA journal_mode = WAL")
                return bool(self._cursor.fetchall() == [("wal",)])
        except OF_THE_DATABASE:
            raise
        except StoreError:
            return False

    def _explained(self, error: StoreError, *, is_begun: bool, writes: bool) -> StoreError:
        """Add what the server can tell of an error, once its transaction has ended."""
        if self._is_sqlite:
            return error
        with suppress(StoreError):
            if isinstance(error, StoreBusyError):
                if is_begun:
                    return StoreBusyError(f"a table is locked, for {self._busy_timeout:g} s by now")
                return StoreBusyError(f"{error.what}: {self._holder()}")
            if isinstance(error, MissingRightError):
                lacking = missing_rights(self.rows, writes=writes)
                what = f"{error.what}; {lacking}" if lacking else error.what
                return StoreAccessError(what, advice=_GRANT)
        return error

    def _holder(self) -> str:
        for pid, name, host in self.rows(_HOLDER):
            return f"it is process {pid} of {host or 'this host'}, {name!r}"
        return "it has ended meanwhile"

    def unwritable(self) -> StoreError | None:
        """Return why the database can only be read; None if it may be written to, or may not be."""
        if self.opening is Opening.READ:
            return StoreAccessError(f"{ONLY_READ}it was opened so")
        if self._opened.unwritable is None:
            return None
        error = translated(self._opened.unwritable, StoreError, self._address, "")
        if isinstance(error, (StoreFullError, StoreAccessError)):
            return error
        return StoreAccessError(ONLY_READ + error.what, advice=BESIDE)

    @property
    def is_alive(self) -> bool:
        """Whether statements get through."""
        try:
            self.execute("SELECT 1")
        except StoreError:
            return False
        return True

    @property
    def is_current(self) -> bool:
        """Whether what it reads is what is there; if not, only another connection will do."""
        return self._opened.is_current()

    def close(self) -> None:
        """Close it; what is not committed is undone."""
        for resource in (self._cursor, self._opened.connection):
            with suppress(*DRIVER_ERRORS):
                resource.close()

    @contextmanager
    def _translated_errors(
        self,
        kind: type[StoreError] = StoreError,
        wait: Wait = FOR_ANSWER,
    ) -> Iterator[None]:
        try:
            with self.waiting.on(wait):
                yield
        except DRIVER_ERRORS as error:
            busy = f"another one has been writing for {self._busy_timeout:g} s"
            # Without its cause, which may quote a contact.
            raise translated(error, kind, self._address, busy) from None
