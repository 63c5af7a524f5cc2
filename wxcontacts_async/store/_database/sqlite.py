"""SQLite's dialect."""

import errno
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic, sleep
from typing import ClassVar

from wxcontacts_async.store._database.dialect import FILLED, ONLY_READ, Dialect, Queries
from wxcontacts_async.store._database.sqlite_files import has_no_room
from wxcontacts_async.store._database.wait_monitor import FOR_WRITER
from wxcontacts_async.store.errors import (
    OF_THE_DATABASE,
    StoreAccessError,
    StoreBusyError,
    StoreConnectionError,
    StoreError,
    StoreFullError,
)

_CACHE_KIB = 16 * 1024  # more would keep little of a large index, which is written to everywhere
_SWITCH_AGAIN = 0.02  # seconds
_WAL_PAGES = 64 * 1024  # of 4 KiB
_MOST_ROWS = 1_000_000_000

# SQLite's words, as the driver gives no code.
_WRITTEN_TO = ("readonly database", "unable to open database file")
_FAILED = "disk I/O error"
_OUT_OF_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class _SQLite(Dialect):
    name = "SQLite"
    timestamp = "TEXT"
    has_timestamps = False
    json = "TEXT"
    binary = "BLOB"
    serial = "INTEGER PRIMARY KEY AUTOINCREMENT"
    json_object = "json_object"
    as_json = "json({})"  # what is text in the table
    comparable_json = "{}"
    texts_in = "SELECT value FROM json_each($1)"
    locking = ""
    forget_replies = ""  # its triggers run for each row, for a tenth of a first sync's time
    clustered = " WITHOUT ROWID"
    temporary = ""
    keeps_temporary_tables = True
    passes_small_tables = False
    keeps_nul = True
    needs_transactions = False
    # A column's type is inferred from the first rows of an answer: let these be all of them.
    cursor_options: ClassVar[Mapping[str, str]] = {"adbc.sqlite.query.batch_rows": str(_MOST_ROWS)}
    begin_reading = "BEGIN"
    # Takes the lock for writing at once, as taking it later fails without waiting.
    begin_writing = "BEGIN IMMEDIATE"
    connected = (
        "PRAGMA temp_store = MEMORY",
        f"PRAGMA cache_size = -{_CACHE_KIB}",
        # Each batch touches most pages of the index by user_name: they are written back once for
        # several, for which the write-ahead log grows to 256 MiB.
        f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}",
    )
    data_version = "PRAGMA data_version"
    look_every = 0.25
    count_tables = "SELECT count(*) FROM sqlite_master WHERE name = '{}'"
    write_advice = (
        "SQLite writes to the file and to files beside it: give it the right to the folder, too."
    )

    def merged_json(self, stored: str, arrived: str, names: Sequence[str]) -> str:
        values = ", ".join(f"'$.\"{name}\"', json({arrived} -> '{name}')" for name in names)
        return f"json_set(coalesce({stored}, '{{}}'), {values})"

    def prepare_to_write(self, queries: Queries) -> str | None:
        if _has_write_ahead_log(queries):
            # A commit is whole without an fsync.
            queries.execute("PRAGMA synchronous = NORMAL")
            return None
        queries.execute("PRAGMA synchronous = FULL")
        return "has no write-ahead log, so that readers and writers must wait"

    def translated(  # noqa: PLR0911  # one a kind of error
        self, error: Exception, message: str, kind: type[StoreError], path: Path | None
    ) -> StoreError:
        if _is_full(error, message, path):
            return StoreFullError(FILLED + message)
        if "database is locked" in message:
            return StoreBusyError(message)
        if "not a database" in message:
            advice = "Give the store another file; this one is left as it is."
            return StoreError(message, advice=advice)
        if _FAILED in message:
            what = f"the disk of the database fails; {message}"
            advice = "Check the disk, and whether a quota or its room is exhausted."
            return StoreAccessError(what, advice=advice)
        if issubclass(kind, StoreConnectionError):
            advice = "Check the path in the URL, and the rights to the file and to its folder."
            return kind(message, advice=advice)
        if any(words in message for words in _WRITTEN_TO):
            return StoreAccessError(ONLY_READ + message, advice=self.write_advice)
        return kind(message)


def _has_write_ahead_log(queries: Queries) -> bool:
    """Switch to a write-ahead log, with which readers and the writer do not wait for each other.

    Some file systems allow none; SQLite returns which kind of journal it has. Where several switch
    at once, it does not wait for the others by itself.
    """
    deadline = monotonic() + queries.busy_timeout
    while True:
        try:
            return queries.rows("PRAGMA journal_mode = WAL", wait=FOR_WRITER) == [("wal",)]
        except StoreBusyError:
            if monotonic() >= deadline:
                raise
            sleep(_SWITCH_AGAIN)
        except OF_THE_DATABASE:
            raise
        except StoreError:
            return False


def _is_full(error: Exception, message: str, path: Path | None) -> bool:
    """Return whether there is no room for a file, which SQLite does not always say."""
    if isinstance(error, OSError):
        return error.errno in _OUT_OF_ROOM
    if _FAILED in message and path is not None:
        return has_no_room(path)
    return "disk is full" in message


SQLITE = _SQLite()
