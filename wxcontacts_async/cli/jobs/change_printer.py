"""Prints changes to standard output, with a cursor that says which were printed."""

import os
import select
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from math import inf
from pathlib import Path
from time import monotonic

import typer
from anyio import CancelScope, to_thread
from msgspec.structs import replace

from wxcontacts_async.cli.jobs.change_lines import change_line
from wxcontacts_async.cli.options.cursor import Cursor, Mark, cursor_line
from wxcontacts_async.cli.runtime.errors import OutputError
from wxcontacts_async.store import ContactChange

if sys.platform != "win32":
    import fcntl

# Bytes that a pipe takes atomically, even if the process is killed meanwhile.
_PIECE = getattr(select, "PIPE_BUF", 4096)
_POLL_INTERVAL = 0.05  # seconds between checks of the deadlines while the pipe is full
_LONGEST_FLUSH = 8.0  # seconds, even if the pipe's reader keeps up
_LARGEST_TAIL = 64 * 1024 * 1024  # of one line


class ChangePrinter:
    """Standard output, to which whole lines are written in atomic pieces.

    The cursor is set after each piece. A process may be killed between the two, so the next one
    reads the output behind the cursor's position: in a file, lines that are there already are not
    printed again, and half a line is completed. A pipe cannot be read, so the lines of that one
    piece are printed again; a line longer than a piece, which may be there in part, on a new line.

    Arguments:
        cursor: Records what was printed, if given.
        line_of: Makes the line of a change, the same one each time.
        header: The line before the first one.

    Attributes:
        name: The output as messages show it.
        timed_out: Whether the pipe's reader was too slow.

    Raises:
        typer.BadParameter: There is no standard output.

    """

    name = "standard output"

    def __init__(
        self,
        cursor: Cursor | None = None,
        line_of: Callable[[ContactChange], bytes] = change_line,
        header: bytes = b"",
    ) -> None:
        if sys.stdout is None:
            raise typer.BadParameter("standard output is closed")
        self.timed_out = False
        self._file = sys.stdout.fileno()
        self._cursor = cursor
        self._line_of = line_of
        status = os.fstat(self._file)
        self._is_regular = stat.S_ISREG(status.st_mode)
        self._mark = Mark(0, None, status.st_dev, status.st_ino)
        # The output behind the cursor's position, and what goes before the next line.
        self._tail, self._before = b"", header
        # The deadlines: of all writes, and of a single one since the last progress.
        self._give_up_at, self._reader_timeout = inf, inf
        self._progress_at = 0.0

    @property
    def after(self) -> int:
        """The id of the last change that was printed; 0 if there is none."""
        return self._mark.id

    def begin(self, mark: Mark) -> None:
        """Continue from there, and set the cursor; blocks. OutputError if it cannot be set."""
        if (mark.device, mark.inode) == (self._mark.device, self._mark.inode):
            if self._is_regular and mark.end is not None:
                self._tail = self._read_from(mark.end)
            elif mark.is_torn:
                self._before = b"\n"
        self._mark = replace(
            mark,
            device=self._mark.device,
            inode=self._mark.inode,
            # The tail is not known to be printed until it is compared.
            end=mark.end if self._tail else self._end(),
            is_torn=bool(self._before),
        )
        if self._cursor is not None:
            self._cursor.make()
            self._cursor.write(cursor_line(self._mark))

    async def write(self, changes: Iterable[ContactChange]) -> None:
        """Print changes, also when cancelled, unless it times out; OutputError if it cannot."""
        with CancelScope(shield=True):  # the thread times out by itself
            await to_thread.run_sync(self._write, changes)

    def give_up_in(self, seconds: float) -> None:
        """Time out after so long without progress, or after 8 seconds in all."""
        self._progress_at = max(self._progress_at, monotonic())
        self._reader_timeout = seconds
        self._give_up_at = min(self._give_up_at, monotonic() + _LONGEST_FLUSH)

    def _write(self, changes: Iterable[ContactChange]) -> None:
        for piece, last in self._pieces(changes):
            self._print(piece, last)
            if self.timed_out:
                break

    def _pieces(self, changes: Iterable[ContactChange]) -> Iterator[tuple[bytes, ContactChange]]:
        """Give pieces of whole lines, each with its last change."""
        piece, last = b"", None
        for change in changes:
            line = self._without_tail(self._line_of(change))
            if last is not None and len(piece) + len(line) > _PIECE:
                yield piece, last
                piece = b""
            piece += line
            last = change
        if last is not None:
            yield piece, last

    def _without_tail(self, line: bytes) -> bytes:
        """Return the part of the line that is not in the output yet."""
        before, self._before = self._before, b""
        tail, self._tail = self._tail, b""
        if tail.startswith(line):
            self._tail = tail[len(line) :]
            return b""
        # A tail that is no beginning of the line is another process's.
        return before + line.removeprefix(tail)

    def _print(self, piece: bytes, last: ContactChange) -> None:
        begin = self._end()
        end = None if begin is None else begin + len(piece)
        mark = replace(self._mark, id=last.id, at=last.at, end=end, is_torn=False)
        line = cursor_line(mark)
        if len(piece) > _PIECE and not self._is_regular:
            self._set_cursor(cursor_line(replace(self._mark, is_torn=True)))
        if self._try_write(piece, begin):
            self._set_cursor(line)  # at once, to be killed in between as rarely as possible
            self._mark = mark
            self._progress_at = monotonic()
        else:
            self.timed_out = True

    def _try_write(self, piece: bytes, begin: int | None) -> bool:
        """Write it all; return False on a timeout."""
        rest = piece
        try:
            while rest:
                if not self._wait_writable():
                    return False
                with suppress(BlockingIOError):  # another process may have made it non-blocking
                    rest = rest[os.write(self._file, rest if self._is_regular else rest[:_PIECE]) :]
        except OSError as error:
            if begin is not None and self._end() == begin + len(piece) - len(rest):
                os.ftruncate(self._file, begin)  # so that a full disk holds whole lines
                os.lseek(self._file, begin, os.SEEK_SET)
            raise OutputError(self.name, error) from None
        return True

    def _set_cursor(self, line: bytes) -> None:
        if self._cursor is not None:
            self._cursor.write(line)

    def _wait_writable(self) -> bool:
        """Wait until a piece can be written without blocking; return False on a timeout."""
        while sys.platform != "win32" and not self._is_regular:
            if select.select([], [self._file], [], _POLL_INTERVAL)[1]:
                break
            now = monotonic()
            if now > self._give_up_at or now > self._progress_at + self._reader_timeout:
                return False
        return True

    def _end(self) -> int | None:
        """Return the offset of the next piece in a file; None if it is no file."""
        if not self._is_regular:
            return None
        if sys.platform != "win32" and fcntl.fcntl(self._file, fcntl.F_GETFL) & os.O_APPEND:
            return os.fstat(self._file).st_size
        return os.lseek(self._file, 0, os.SEEK_CUR)

    def _read_from(self, begin: int) -> bytes:
        """Return the output from there on; nothing if that cannot be read."""
        size = (self._end() or 0) - begin
        if not 0 < size <= _LARGEST_TAIL:
            return b""
        try:
            # Opened again, as the shell opened it for writing only.
            with Path(f"/dev/fd/{self._file}").open("rb") as file:
                file.seek(begin)
                return file.read(size)
        except OSError:
            return b""

    def close(self) -> None:
        """Unlock the cursor."""
        if self._cursor is not None:
            self._cursor.close()
