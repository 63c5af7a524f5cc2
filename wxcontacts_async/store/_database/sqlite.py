"""SQLite's dialect."""

import errno
from pathlib import Path

import pyarrow as pa

from wxcontacts_async.store._database.dialect import (
    FILLED,
    ONLY_READ,
    Dialect,
    Queries,
)
from wxcontacts_async.store._database.sqlite_files import has_no_room
from wxcontacts_async.store._database.waits import FOR_WRITER
from wxcontacts_async.store.errors import (
    OF_THE_DATABASE,
    StoreAccessError,
    StoreBusyError,
    StoreConnectionError,
    StoreError,
    StoreFullError,
)

_CACHE_KIB = 96 * 1024  # what a batch writes to, the leaves of large indexes included
_WAL_PAGES = 64 * 1024  # of 4 KiB
_MOST_ROWS = 1_000_000_000

# SQLite's words, as the driver gives no code.
_LOCKED = "database is locked"
_FULL = "disk is full"
_WRITTEN_TO = ("readonly database", "unable to open database file")
_FAILED = "disk I/O error"
_NO_DATABASE = "not a database"
_OUT_OF_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

_FILES = "Check the path in the URL, and the rights to the file and to its folder."
_MAYBE_FULL = "Check the disk, and whether a quota or its room is exhausted."
_OTHER_FILE = "Give the store another file; this one is left as it is."


class _SQLite(Dialect):
    name = "SQLite"
    timestamp = "TEXT"
    has_timestamps = False
    json = "TEXT"
    binary = "BLOB"
    serial = "INTEGER PRIMARY KEY AUTOINCREMENT"
    json_object = "json_object"
    clustered = " WITHOUT ROWID"
    temporary = ""
    keeps_temporary_tables = True
    passes_small_tables = False
    keeps_nul = True
    needs_transactions = False
    # A column's type is read off the first values of an answer: let that be all of it.
    cursor_options = {"adbc.sqlite.query.batch_rows": str(_MOST_ROWS)}  # noqa: RUF012
    connected = (
        "PRAGMA temp_store = MEMORY",
        f"PRAGMA cache_size = -{_CACHE_KIB}",
        # Batch after batch touches most pages of the index by user_name: let them be written back
        # into the file once for several. The file beside the database grows to 256 MiB for it.
        f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}",
    )
    count_tables = "SELECT count(*) FROM sqlite_master WHERE name = '{}'"
    write_advice = (
        "SQLite writes to the file and to files beside it: give it the right to the folder, too."
    )

    def begin_reading(self, busy_timeout: float) -> tuple[str, ...]:  # noqa: ARG002  # of the file
        return ("BEGIN",)

    def begin_writing(self, busy_timeout: float) -> tuple[str, ...]:  # noqa: ARG002  # of the file
        # Takes the lock for writing at once, as taking it later fails without any waiting.
        return ("BEGIN IMMEDIATE",)

    def small_table(self, name: str, columns: pa.Schema, number: int) -> str:  # noqa: ARG002
        return name

    def schema_of(self, table: str, queries: Queries) -> str | None:  # noqa: ARG002
        return None

    def check_encoding(self, queries: Queries) -> None:
        """Raise nothing: it has Unicode alone."""

    def check_may_write(self, queries: Queries) -> None:
        """Raise nothing: opening the file tells."""

    def prepare_to_write(self, queries: Queries) -> str | None:
        if _has_write_ahead_log(queries):
            # A commit is whole without an fsync.
            queries.execute("PRAGMA synchronous = NORMAL")
            return None
        queries.execute("PRAGMA synchronous = FULL")
        return "has no write-ahead log, so that who reads and who writes must wait"

    def translated(  # noqa: PLR0911  # one for each thing that can be wrong
        self,
        error: Exception,
        message: str,
        kind: type[StoreError],
        *,
        path: Path | None,
        busy: str,
    ) -> StoreError:
        if _is_full(error, message, path):
            return StoreFullError(FILLED + message)
        if _LOCKED in message:
            return StoreBusyError(busy)
        if _NO_DATABASE in message:
            return StoreError(message, advice=_OTHER_FILE)
        if _FAILED in message:
            what = f"the disk of the database fails; {message}"
            return StoreAccessError(what, advice=_MAYBE_FULL)
        if issubclass(kind, StoreConnectionError):
            return kind(message, advice=_FILES)
        if any(words in message for words in _WRITTEN_TO):
            return StoreAccessError(ONLY_READ + message, advice=self.write_advice)
        return kind(message)

    def explained(
        self,
        error: StoreError,
        queries: Queries,  # noqa: ARG002  # there is no server to ask
        *,
        is_begun: bool,  # noqa: ARG002
        writes: bool,  # noqa: ARG002
        busy_timeout: float,  # noqa: ARG002
    ) -> StoreError:
        return error


def _has_write_ahead_log(queries: Queries) -> bool:
    """Have a write-ahead log, with which readers and the writer do not wait for one another.

    SQLite says which kind of journal it has then: on some file systems it cannot be that one.
    """
    try:
        return queries.rows("PRAGMA journal_mode = WAL", wait=FOR_WRITER) == [("wal",)]
    except OF_THE_DATABASE:
        raise
    except StoreError:
        return False


def _is_full(error: Exception, message: str, path: Path | None) -> bool:
    """Tell whether there is no room for a file, which SQLite does not always say."""
    if isinstance(error, OSError):
        return error.errno in _OUT_OF_ROOM
    return _FULL in message or (_FAILED in message and path is not None and has_no_room(path))


SQLITE = _SQLite()
