"""Says what a driver raises in an error of ours, in its words but with no value of a row."""

import errno
from pathlib import Path

import adbc_driver_manager.dbapi as adbc
import pyarrow as pa

from wxcontacts_async.store._database.dialects import Address
from wxcontacts_async.store._database.sqlite_files import has_no_room
from wxcontacts_async.store.errors import (
    StoreAccessError,
    StoreBusyError,
    StoreConnectionError,
    StoreError,
    StoreFullError,
)

# What reading an answer raises, besides ADBC's own errors, for want of memory or a connection.
DRIVER_ERRORS = (adbc.Error, pa.ArrowException, OSError)

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_DATA_EXCEPTION = "22"
_READ_ONLY = "25006"
_NO_RIGHT = "42501"
_DISK_FULL = "53100"
_LOCK_NOT_AVAILABLE = "55P03"

# SQLite's words, as the driver gives no code.
_LOCKED = "database is locked"
_FULL = "disk is full"
_WRITTEN_TO = ("readonly database", "unable to open database file")
_FAILED = "disk I/O error"
_NO_DATABASE = "not a database"
_OUT_OF_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

ONLY_READ = "the database can only be read; "
_FILLED = "the disk of the database is full; "
_FILES = "Check the path in the URL, and the rights to the file and to its folder."
BESIDE = "SQLite writes to the file and to files beside it: give it the right to the folder, too."
_MAYBE_FULL = "Check the disk, and whether a quota or its room is exhausted."
_OTHER_FILE = "Give the store another file; this one is left as it is."
OTHER_SERVER = "Give the store the URL of a server, and of a role, that may write."


class MissingRightError(StoreAccessError):
    """A right is missing; which one, the server does not say."""


def translated(
    error: Exception,
    kind: type[StoreError],
    address: Address,
    busy: str,
) -> StoreError:
    """Make an error of ours of a driver's.

    Arguments:
        error: The driver's, one of DRIVER_ERRORS.
        kind: What it is if it is nothing more definite.
        address: The database's.
        busy: What is wrong if another one is in the way.

    """
    state = getattr(error, "sqlstate", None)
    words = _words(error, state)
    for secret in address.secrets:
        words = words.replace(secret, "***")
    message = f"{address.dialect.name} says: {words}"
    if address.path is not None:
        is_full = _is_full(error, message, address.path)
        return StoreFullError(_FILLED + message) if is_full else _of_file(kind, message, busy)
    if state == _LOCK_NOT_AVAILABLE:
        return StoreBusyError(busy)
    if state == _DISK_FULL:
        return StoreFullError(_FILLED + message)
    if state == _READ_ONLY:
        return StoreAccessError(ONLY_READ + message, advice=OTHER_SERVER)
    if state == _NO_RIGHT:
        return MissingRightError(message)
    return kind(message)


def _words(error: Exception, state: str | None) -> str:
    if state:
        details = dict(getattr(error, "details", None) or ())
        message = details.get(b"PG_DIAG_MESSAGE_PRIMARY", b"").decode(errors="replace")
        if state.startswith(_DATA_EXCEPTION):
            message = "it cannot take a value"  # which is quoted there
        return f"{message or 'an error'} (SQLSTATE {state})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).partition("\n")[0]


def _is_full(error: Exception, message: str, path: Path) -> bool:
    """Tell whether there is no room for a file, which SQLite does not always say."""
    if isinstance(error, OSError):
        return error.errno in _OUT_OF_ROOM
    return _FULL in message or (_FAILED in message and has_no_room(path))


def _of_file(kind: type[StoreError], message: str, busy: str) -> StoreError:
    if _LOCKED in message:
        return StoreBusyError(busy)
    if _NO_DATABASE in message:
        return StoreError(message, advice=_OTHER_FILE)
    if _FAILED in message:
        return StoreAccessError(f"the disk of the database fails; {message}", advice=_MAYBE_FULL)
    if issubclass(kind, StoreConnectionError):
        return kind(message, advice=_FILES)
    if any(words in message for words in _WRITTEN_TO):
        return StoreAccessError(ONLY_READ + message, advice=BESIDE)
    return kind(message)
