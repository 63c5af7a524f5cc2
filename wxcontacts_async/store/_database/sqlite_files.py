"""Opens an SQLite file to write to it, or to read it where that is all that is wanted or allowed.

Reading a file with a write-ahead log through SQLite's locks makes two files beside it, which a
folder may not allow, and which stay if the reader may not write. If there is no file beside it,
all is in the file, and it is read as one that never changes (`immutable`), without locks. Whether
it has changed meanwhile is then ours to check.
"""

import os
from dataclasses import dataclass
from errno import EACCES, EPERM, EROFS
from pathlib import Path
from shutil import disk_usage
from typing import Any
from urllib.parse import quote

import adbc_driver_manager.dbapi as adbc

from wxcontacts_async.store._database.opening import Opened, Opening

_HEADER = 100  # bytes; among them, a counter of the transactions that wrote to the file itself
_LITTLE = 64 * 1024  # bytes; too little to go on
_NOT_ALLOWED = frozenset({EACCES, EPERM, EROFS})
# What SQLite says if it cannot make the files that it needs beside the database.
_NO_ROOM_BESIDE = ("readonly database", "unable to open database file", "disk I/O", "disk is full")


def open_file(path: Path, opening: Opening, busy_timeout: float) -> Opened:
    """Open an SQLite file, or raise OSError or adbc.Error.

    Arguments:
        path: Where it is, absolute.
        opening: What for. If writing to it is not allowed, it is opened to be read.
        busy_timeout: Seconds to wait for a lock.

    """
    unwritable: Exception | None = None
    if opening is not Opening.READ:
        try:
            return Opened(_open_to_write(path, busy_timeout, makes=opening is Opening.MAKE))
        except OSError as error:
            if error.errno not in _NOT_ALLOWED or not path.exists():
                raise
            unwritable = error
        except adbc.Error as error:
            if not any(words in str(error) for words in _NO_ROOM_BESIDE):
                raise
            unwritable = error
    return _open_to_read(path, busy_timeout, unwritable)


def has_no_room(path: Path) -> bool:
    """Return whether a database's files cannot grow: the disk is full, or a limit is reached."""
    try:
        if disk_usage(path.parent).free < _LITTLE:
            return True
        sizes = [each.stat().st_size for each in (path, *_beside(path)) if each.exists()]
    except OSError:  # something else is wrong
        return False
    limit = _largest_file()
    return limit is not None and max(sizes, default=0) + _LITTLE > limit


def _largest_file() -> int | None:
    """Return how many bytes a file of this process may have; None if any number."""
    try:
        import resource  # noqa: PLC0415  # Windows has none
    except ImportError:
        return None
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def _beside(path: Path) -> tuple[Path, Path]:
    """Return SQLite's write-ahead log and its journal, of which there is one at most."""
    path = path.resolve()  # SQLite puts them there, too
    return path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-journal")


def _open_to_write(path: Path, busy_timeout: float, *, makes: bool) -> Any:  # noqa: ANN401
    # A new file is for its owner alone; the files beside it (-wal, -shm) take its permissions.
    os.close(os.open(path, os.O_RDWR | (os.O_CREAT if makes else 0), 0o600))
    return _connected(path, "", busy_timeout)


def _open_to_read(path: Path, busy_timeout: float, unwritable: Exception | None) -> Opened:
    found = _Contents.of(path)
    if found.is_whole:
        connection = _connected(path, "?mode=ro&immutable=1", busy_timeout)
        return Opened(connection, unwritable, lambda: _is_still(path, found))
    return Opened(_connected(path, "?mode=ro", busy_timeout), unwritable)


def _connected(path: Path, parameters: str, busy_timeout: float) -> Any:  # noqa: ANN401
    # Imported here, so that a store on the one needs no driver of the other.
    from adbc_driver_sqlite import dbapi  # noqa: PLC0415

    connection = dbapi.connect(f"file:{quote(str(path))}{parameters}", autocommit=True)
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA busy_timeout = {max(1, int(busy_timeout * 1000))}")
            cursor.fetchall()
            # SQLite looks at the file only now.
            cursor.execute("SELECT count(*) FROM sqlite_master")
            cursor.fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


@dataclass(frozen=True)
class _Contents:
    """By what a file that is read without locks is seen to have changed.

    Attributes:
        is_whole: Whether nothing of the database is in a file beside it.
        identity: The same until the file is written to.

    """

    is_whole: bool
    identity: tuple[object, ...]

    @classmethod
    def of(cls, path: Path) -> "_Contents":
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            header = file.read(_HEADER)
        log, journal = _beside(path)
        return cls(
            not (log.exists() and log.stat().st_size) and not journal.exists(),
            (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, header),
        )


def _is_still(path: Path, found: _Contents) -> bool:
    try:
        return _Contents.of(path) == found
    except OSError:  # it is gone, as opening it again will show
        return False
