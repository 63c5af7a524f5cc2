"""What SQLite and PostgreSQL differ in, as one interface; all else is the same SQL on both."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import pyarrow as pa

from wxcontacts_async.store._database.wait_monitor import FOR_ANSWER, Wait
from wxcontacts_async.store.errors import StoreError

ONLY_READ = "the database can only be read; "
FILLED = "the disk of the database is full; "


class Queries(Protocol):
    """A connection, as a dialect needs it."""

    busy_timeout: float  # seconds

    def execute(self, statement: str, *parameters: object) -> None:
        """Run a statement that answers nothing."""

    def rows(
        self, query: str, *parameters: object, wait: Wait = FOR_ANSWER
    ) -> list[tuple[Any, ...]]:
        """Return the rows of an answer."""


class Dialect(ABC):
    """One kind of database. What a method does here is right where there is nothing to do."""

    name: str
    # Types: of a point in time (text, in UTC, as SQLite's own date functions write it, where there
    # is no such type), of JSON, of bytes, of a number that counts up.
    timestamp: str
    has_timestamps: bool
    json: str
    binary: str
    serial: str
    json_object: str  # the function that makes an object of names and values
    as_json: str  # makes JSON of a column of that type, where it is put into an object
    comparable_json: str  # makes of JSON what is equal for equal values
    clustered: str  # stands behind a table that is kept in the order of its primary key
    keeps_nul: bool  # whether text may hold U+0000
    temporary: str  # stands behind a temporary table
    keeps_temporary_tables: bool  # until the connection is closed; else until the transaction ends
    passes_small_tables: bool  # as a parameter of a statement, rather than as temporary tables
    texts_in: str  # selects the texts of a JSON array, which is the first parameter
    locking: str  # stands behind a query whose rows are kept as they are until the commit
    # Statements that have the digest of an instance's reply forgotten when another writer changes
    # its contacts; "" where that costs too much, and they are counted instead.
    forget_replies: str
    needs_transactions: bool  # for queries, too
    cursor_options: ClassVar[Mapping[str, str]] = {}  # ADBC's
    connected: tuple[str, ...] = ()  # statements for each new connection
    # Begin a transaction in which all queries see the same, and one beside which no other writes.
    # What stands in braces is for how many milliseconds to wait for a lock.
    begin_reading: str
    begin_writing: str
    announce: str = ""  # announces to listeners that there are changes
    data_version: str  # asks for what is another one when other connections have written
    look_every: float  # seconds, to ask for that
    begin_summing: str = "SELECT 1"  # goes before queries that read whole tables
    count_tables: str  # asks how many tables there are of a name
    write_advice: str  # what to do where a database can only be read

    def fill_in(self, statement: str) -> str:
        """Fill in the types and clauses that a statement leaves to the dialect, in braces."""
        names = (
            *("timestamp", "json", "binary", "serial"),
            *("clustered", "temporary", "forget_replies"),
        )
        return statement.format_map({name: getattr(self, name) for name in names})

    def small_table(self, name: str, columns: pa.Schema, number: int) -> str:  # noqa: ARG002
        """Return what stands in a statement for a small table; if passed, of which parameter."""
        return name

    @abstractmethod
    def merged_json(self, stored: str, arrived: str, names: Sequence[str]) -> str:
        """Return what makes an object of two: of the first, with these values of the second."""

    def schema_of(self, table: str, queries: Queries) -> str | None:  # noqa: ARG002
        """Return the schema that a table is in; None where there are none."""
        return None

    def check_encoding(self, queries: Queries) -> None:  # noqa: B027
        """Raise StoreError if the database cannot hold every text."""

    def check_may_write(self, queries: Queries) -> None:  # noqa: B027
        """Raise StoreAccessError if the server lets nothing be written."""

    def prepare_to_write(self, queries: Queries) -> str | None:  # noqa: ARG002
        """Do what a connection must once before it writes; return what to log of that."""
        return None

    def words(self, error: Exception) -> str:
        """Return what a driver's error says, with no value of a row."""
        if isinstance(error, OSError) and error.strerror:
            return error.strerror
        return str(error).partition("\n")[0]

    @abstractmethod
    def translated(
        self, error: Exception, message: str, kind: type[StoreError], path: Path | None
    ) -> StoreError:
        """Make an error of ours of a driver's.

        Arguments:
            error: The driver's.
            message: Its words, less secrets.
            kind: What it is if it is nothing more definite.
            path: The database's file, if it is one.

        """

    def explained(
        self,
        error: StoreError,
        queries: Queries,  # noqa: ARG002
        *,
        is_begun: bool,  # noqa: ARG002
        writes: bool,  # noqa: ARG002
    ) -> StoreError:
        """Add what the server knows of an error, once its transaction has ended."""
        return error
