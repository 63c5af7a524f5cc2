"""A connection to the database: statements, bulk loads and transactions. It blocks."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from re import compile as compiled
from typing import Any

import adbc_driver_manager.dbapi as adbc
import msgspec
import pyarrow as pa

from wxcontacts_async.store._database.dialect import ONLY_READ
from wxcontacts_async.store._database.opening import Opening
from wxcontacts_async.store._database.temporary_tables import SMALL, TEMPORARY_TABLES, creation
from wxcontacts_async.store._database.url import Address
from wxcontacts_async.store._database.wait_monitor import (
    FOR_ANSWER,
    FOR_CONNECTION,
    FOR_WRITER,
    Wait,
    Waiting,
)
from wxcontacts_async.store.errors import (
    StoreAccessError,
    StoreBusyError,
    StoreConnectionError,
    StoreError,
    StoreFullError,
)

ROWS_A_PAGE = 10_000

_SMALL = compiled(rf"\{{({'|'.join(SMALL)})\}}")

# What reading an answer raises, besides ADBC's own errors, for want of memory or a connection.
_DRIVER_ERRORS = (adbc.Error, pa.ArrowException, OSError)


class Connection:
    """A connection, for one thread at a time.

    Nothing that it sets in PostgreSQL outlives a transaction, and every statement is in one, as a
    pooler may do each transaction on another connection (PgBouncer's `pool_mode = transaction`).

    Arguments:
        address: Where the database is.
        busy_timeout: Seconds to wait for another writer.
        opening: What it is opened for.
        waiting: Where it notes what it waits for; can be set anew.

    Attributes:
        notes: What is to be logged of the database.
        number: Another one for each connection.
        has_news: Whether changes were announced; for who waits for them in this process.

    """

    _numbers = count()

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
        self.number = next(self._numbers)
        self.has_news = False
        self._address = address
        self.busy_timeout = busy_timeout
        self._in_transaction = False
        self._is_ready_to_write = False
        # The temporary tables that exist, and the rows of those that are parameters instead.
        self._staging: set[str] = set()
        self._small: dict[str, str] = {}
        self._open()

    def _open(self) -> None:
        with self._translated_errors(StoreConnectionError, FOR_CONNECTION):
            self._opened = self._address.connect(self.opening, self.busy_timeout)
        self._cursor = self._opened.connection.cursor()
        self._cursor.adbc_statement.set_options(**self.dialect.cursor_options)
        try:
            for statement in self.dialect.connected:
                self.execute(statement)
        except BaseException:
            self.close()
            raise

    def execute(self, statement: str, *parameters: object) -> None:
        """Run a statement that returns nothing; without parameters it may be several."""
        statement, parameters = self._filled_in(statement, parameters)
        with self._translated_errors():
            if parameters:
                self._cursor.execute(statement, parameters)
            else:  # in one round trip
                self._cursor.executescript(statement)

    def rows(
        self,
        query: str,
        *parameters: object,
        wait: Wait = FOR_ANSWER,
    ) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        query, parameters = self._filled_in(query, parameters)
        with self._in_some_transaction(), self._translated_errors(wait=wait):
            self._cursor.execute(query, parameters or None)
            rows: list[tuple[Any, ...]] = self._cursor.fetchall()
            return rows

    def table(self, query: str, *parameters: object) -> pa.Table:
        """Return the rows of a query as a table."""
        with self._in_some_transaction(), self._translated_errors():
            self._cursor.execute(query, parameters or None)
            return self._cursor.fetch_arrow_table()

    def stage(self, name: str, rows: pa.Table | list[dict[str, object]]) -> None:
        """Give a temporary table these rows alone, until the transaction ends.

        In statements, the name of a small table stands in braces.
        """
        if name in SMALL and self.dialect.passes_small_tables:
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
            if name in self._small:
                parameters = (*parameters, self._small[name])
            table = self.dialect.small_table(name, TEMPORARY_TABLES[name], len(parameters))
            statement = statement.replace(f"{{{name}}}", table)
        return statement, parameters

    def load(self, name: str, rows: pa.Table) -> None:
        """Load rows in bulk into a table of the store."""
        # Without its schema it would be looked for in the first one of the search path alone.
        schema = self.dialect.schema_of(name, self)
        with self._translated_errors():
            self._cursor.adbc_ingest(name, rows, mode="append", db_schema_name=schema)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do all of the block or nothing of it, with no other writer meanwhile."""
        self._check_may_write()
        if not self._is_ready_to_write:
            self._prepare_to_write()
        is_begun = False
        self._in_transaction = True
        try:
            self._begin(self.dialect.begin_writing, FOR_WRITER)
            is_begun = True
            yield
            self.execute("COMMIT")
        except BaseException as error:
            with suppress(StoreError):
                self.execute("ROLLBACK")
            self._in_transaction = False
            if isinstance(error, StoreError):
                raise self.dialect.explained(error, self, is_begun=is_begun, writes=True) from None
            raise
        finally:
            self._in_transaction = False
            self._small.clear()
            if not self.dialect.keeps_temporary_tables:
                self._staging.clear()

    def announce(self) -> None:
        """Announce changes, once the transaction is committed."""
        if self.dialect.announce:
            self.execute(self.dialect.announce)
        self.has_news = True

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all queries of the block see the database as of one moment."""
        self._in_transaction = True
        try:
            self._begin(self.dialect.begin_reading, FOR_ANSWER)
            yield
        except StoreError as error:
            self._end_snapshot()
            raise self.dialect.explained(error, self, is_begun=True, writes=False) from None
        finally:
            if self._in_transaction:
                self._end_snapshot()

    def _end_snapshot(self) -> None:
        with suppress(StoreError):
            self.execute("ROLLBACK")
        self._in_transaction = False

    @contextmanager
    def _in_some_transaction(self) -> Iterator[None]:
        """Put a query into a transaction if it must be in one."""
        if self._in_transaction or not self.dialect.needs_transactions:
            yield
        else:
            with self.snapshot():
                yield

    def _begin(self, statements: str, wait: Wait) -> None:
        milliseconds = max(1, int(self.busy_timeout * 1000))
        with self._translated_errors(wait=wait):
            self._cursor.executescript(statements.format(milliseconds))

    def check_may_write(self) -> None:
        """Raise StoreAccessError if nothing can be written, before there is anything to write."""
        self._check_may_write()
        with self._in_some_transaction():
            self.dialect.check_may_write(self)

    def _check_may_write(self) -> None:
        if self._opened.unwritable is not None:  # there may be room, or a right, by now
            self.close()
            self._open()
        if unwritable := self.unwritable():
            raise unwritable

    def _prepare_to_write(self) -> None:
        """Do once what only a writer's connection needs."""
        if note := self.dialect.prepare_to_write(self):
            self.notes.append(note)
        if self.dialect.keeps_temporary_tables:
            for name in TEMPORARY_TABLES:  # not in a transaction, with which they would go
                self.execute(creation(name, self.dialect))
            self._staging.update(TEMPORARY_TABLES)
        self._is_ready_to_write = True

    def unwritable(self) -> StoreError | None:
        """Return why the database can only be read, as far as that is known; else None."""
        if self.opening is Opening.READ:
            return StoreAccessError(f"{ONLY_READ}it was opened so")
        if self._opened.unwritable is None:
            return None
        error = self._translated(self._opened.unwritable, StoreError)
        if isinstance(error, (StoreFullError, StoreAccessError)):
            return error
        return StoreAccessError(ONLY_READ + error.what, advice=self.dialect.write_advice)

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
        """Whether it reads the file as it is now; if not, a new connection is needed."""
        return self._opened.is_current()

    def close(self) -> None:
        """Close it, and roll back what is not committed."""
        for resource in (self._cursor, self._opened.connection):
            with suppress(*_DRIVER_ERRORS):
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
        except _DRIVER_ERRORS as error:
            # Without its cause, which may quote a contact.
            raise self._translated(error, kind) from None

    def _translated(self, error: Exception, kind: type[StoreError]) -> StoreError:
        """Make an error of ours of a driver's, in its words less secrets."""
        words = self.dialect.words(error)
        for secret in self._address.secrets:
            words = words.replace(secret, "***")
        message = f"{self.dialect.name} says: {words}"
        translated = self.dialect.translated(error, message, kind, self._address.path)
        if isinstance(translated, StoreBusyError):
            return StoreBusyError(f"another one has been writing for {self.busy_timeout:g} s")
        return translated
