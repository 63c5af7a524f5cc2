"""What SQLite and PostgreSQL differ in, as one interface; all else is the same SQL on both."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from wxcontacts_async.store._database.waits import FOR_ANSWER, Wait
from wxcontacts_async.store.errors import StoreError

ONLY_READ = "the database can only be read; "
FILLED = "the disk of the database is full; "


class Queries(Protocol):
    """A connection, as a dialect needs it."""

    def execute(self, statement: str, *parameters: object) -> None:
        """Run a statement that answers nothing."""

    def rows(
        self,
        query: str,
        *parameters: object,
        wait: Wait = FOR_ANSWER,
    ) -> list[tuple[Any, ...]]:
        """Return the rows of an answer."""


class Dialect(ABC):
    """One kind of database.

    Attributes:
        name: What it is called.
        timestamp: The type of a point in time. In SQLite that is text, in UTC, in the form that
            its own date functions write and read.
        has_timestamps: Whether that is a type of its own.
        json: The type of a JSON text.
        binary: The type of bytes.
        serial: The type of a number that counts up.
        json_object: The function that makes an object of names and values.
        clustered: What stands behind a table that is kept in the order of its primary key.
        temporary: What stands behind a temporary table.
        keeps_temporary_tables: Whether these stay until the connection is closed; else they go
            with the transaction.
        passes_small_tables: Whether a small temporary table is a parameter of statements instead.
        keeps_nul: Whether text may hold U+0000.
        needs_transactions: Whether a query must be in a transaction, too.
        cursor_options: ADBC's, for the driver's cursor.
        connected: Statements for each new connection.
        count_tables: Asks how many tables there are of a name.
        write_advice: What to do where the database can only be read.

    """

    name: str
    timestamp: str
    has_timestamps: bool
    json: str
    binary: str
    serial: str
    json_object: str
    clustered: str
    temporary: str
    keeps_temporary_tables: bool
    passes_small_tables: bool
    keeps_nul: bool
    needs_transactions: bool
    cursor_options: Mapping[str, str]
    connected: tuple[str, ...]
    count_tables: str
    write_advice: str

    def fill_in(self, statement: str) -> str:
        """Fill in the types and clauses that a statement leaves to the dialect, in braces."""
        names = ("timestamp", "json", "binary", "serial", "clustered", "temporary")
        return statement.format_map({name: getattr(self, name) for name in names})

    @abstractmethod
    def begin_reading(self, busy_timeout: float) -> tuple[str, ...]:
        """Return what begins a transaction in which all queries see the same.

        Arguments:
            busy_timeout: Seconds to wait for a lock.

        """

    @abstractmethod
    def begin_writing(self, busy_timeout: float) -> tuple[str, ...]:
        """Return what begins a transaction beside which no other one writes.

        Arguments:
            busy_timeout: Seconds to wait for the other one.

        """

    @abstractmethod
    def small_table(self, name: str, columns: pa.Schema, number: int) -> str:
        """Return what stands in a statement for a small temporary table.

        Arguments:
            name: The table's.
            columns: Its columns.
            number: Of which parameter it is, if it is one.

        """

    @abstractmethod
    def schema_of(self, table: str, queries: Queries) -> str | None:
        """Return the schema that a table is in; None where there are none."""

    @abstractmethod
    def check_encoding(self, queries: Queries) -> None:
        """Raise StoreError if the database cannot hold every text."""

    @abstractmethod
    def check_may_write(self, queries: Queries) -> None:
        """Raise StoreAccessError if nothing can be written, as far as the database says so."""

    @abstractmethod
    def prepare_to_write(self, queries: Queries) -> str | None:
        """Do what a connection must before it writes; return what its user should know of that."""

    def words(self, error: Exception) -> str:
        """Return what a driver's error says, with no value of a row."""
        if isinstance(error, OSError) and error.strerror:
            return error.strerror
        return str(error).partition("\n")[0]

    @abstractmethod
    def translated(
        self,
        error: Exception,
        message: str,
        kind: type[StoreError],
        *,
        path: Path | None,
        busy: str,
    ) -> StoreError:
        """Make an error of ours of a driver's.

        Arguments:
            error: The driver's.
            message: Its words, less secrets.
            kind: What it is if it is nothing more definite.
            path: The database's file, if it is one.
            busy: What is wrong if another one is in the way.

        """

    @abstractmethod
    def explained(
        self,
        error: StoreError,
        queries: Queries,
        *,
        is_begun: bool,
        writes: bool,
        busy_timeout: float,
    ) -> StoreError:
        """Add what the server can tell of an error, once its transaction has ended.

        Arguments:
            error: The error.
            queries: The connection.
            is_begun: Whether the transaction had begun.
            writes: Whether it was one that writes.
            busy_timeout: Seconds that it waited if another one was in the way.

        """
