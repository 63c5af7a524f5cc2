"""The file of `--cursor`: the position up to which the log was printed."""

import os
import stat
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec

from wxcontacts_async.cli.options.database import DatabaseOption
from wxcontacts_async.cli.options.output_path import OutputPath
from wxcontacts_async.cli.options.usage import wrong
from wxcontacts_async.cli.runtime.errors import OutputError

if sys.platform != "win32":
    import fcntl

OPTION = "--cursor"

_NONE = -1  # where there is no file yet
# The file's constant length, far below a page.
_SIZE = 256


class Mark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A position in the log and in the output.

    Attributes:
        id: The last change that was printed; 0 if there is none.
        at: Its time, which distinguishes this log from another.
        device: Of the file, pipe or terminal that it was printed to.
        inode: Of the same.
        end: The size of that file then; None if it is no file.
        is_torn: Whether the next line, too long for one write, may be there in part.

    """

    id: Annotated[int, msgspec.Meta(ge=0)]
    at: datetime | None = None
    device: int = 0
    inode: int = 0
    end: int | None = None
    is_torn: bool = False


class Cursor:
    """One line of JSON, which is overwritten in place with one of the same length.

    That is a single write of less than a page, so a killed process leaves the old line or the new
    one. It is not synced to the disk, as the output is not.

    Attributes:
        name: The path as messages show it.
        mark: The position at first; None if the file did not exist.

    Raises:
        typer.BadParameter: It cannot be used, is no cursor, or is in use.

    """

    def __init__(self, path: str) -> None:
        self.name = repr(path)
        self.mark: Mark | None = None
        self._path = path
        self._file = _NONE
        try:
            self._file = os.open(path, os.O_RDWR)
        except FileNotFoundError as error:
            if Path(path).parent.is_dir():
                return
            raise self._unusable(error) from None
        except OSError as error:
            raise self._unusable(error) from None
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            raise wrong(OPTION, f"must be a file, which {self.name} is not")
        self._lock()
        self.mark = self._read()

    def _read(self) -> Mark | None:
        try:
            # One byte more than a cursor has.
            content = os.read(self._file, _SIZE + 1)
        except OSError as error:
            raise self._unusable(error) from None
        if not content:
            return None
        try:
            if len(content) <= _SIZE:
                return msgspec.json.decode(content, type=Mark)
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
        what = f"{self.name} is something else than a cursor of `wxcontacts watch`"
        raise wrong(OPTION, f"{what}; it is left as it is")

    def _lock(self) -> None:
        """Lock it against other processes for as long as this one lives."""
        if sys.platform != "win32":
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise wrong(OPTION, f"{self.name} is in use by another watch") from None
            except OSError:
                pass  # where a file system has no locks

    def _unusable(self, error: OSError) -> Exception:
        return wrong(OPTION, f"{self.name} cannot be used: {error.strerror or error}")

    def make(self) -> None:
        """Create the file if there is none; OutputError if another process has just done so."""
        if self._file == _NONE:
            try:
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            except OSError as error:
                raise OutputError(self.name, error) from None
            self._lock()

    def write(self, line: bytes) -> None:
        """Overwrite it with a line that `cursor_line` made; OutputError if that fails."""
        try:
            if sys.platform == "win32":
                os.lseek(self._file, 0, os.SEEK_SET)
                os.write(self._file, line)
            else:
                os.pwrite(self._file, line, 0)
        except OSError as error:
            raise OutputError(self.name, error) from None

    def close(self) -> None:
        """Close and unlock it."""
        if self._file != _NONE:
            os.close(self._file)
            self._file = _NONE


def cursor_line(mark: Mark) -> bytes:
    """Encode a position as the line of a cursor."""
    return msgspec.json.encode(mark).ljust(_SIZE - 1) + b"\n"


def open_cursor(path: str | None, database: DatabaseOption) -> Cursor | None:
    """Open the file of the option, if there is one; typer.BadParameter if it cannot be used."""
    if path is None:
        return None
    output = OutputPath(path, OPTION, in_place=True)
    database.refuse_output(output)
    output.must_not_be_a_database()
    return Cursor(path)
