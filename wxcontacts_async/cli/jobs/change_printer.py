"""Prints changes to standard output so that it is always known which were printed."""

import os
import select
import stat
import sys
from collections.abc import Iterable, Iterator
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

# What goes into a pipe as a whole or not at all, even if the process is killed meanwhile.
_PIECE = getattr(select, "PIPE_BUF", 4096)
_LOOK_EVERY = 0.05  # seconds, at whether it has been given up while nobody reads
_LONGEST_FLUSH = 8.0  # seconds, however well it is read
_LARGEST_TAIL = 64 * 1024 * 1024  # of one line


class ChangePrinter:
    """Standard output, to which lines are written in pieces that are whole or not there.

    After each piece the cursor is set. Between the two a process may be killed, so the next one
    looks at what stands behind the cursor's place in the output: where that is a file, what is
    there already is not printed again, and half a line is completed. What went into a pipe
    cannot be looked at: there the lines of that one piece, no more, are printed again. A line
    that is longer than a piece may be there in part; it is printed again on a line of its own.

    Arguments:
        cursor: What is set to what was printed, if anything.

    Attributes:
        name: What it is called.
        timed_out: Whether nobody took in time what was to be printed.

    Raises:
        typer.BadParameter: There is no standard output.

    """

    name = "standard output"

    def __init__(self, cursor: Cursor | None = None) -> None:
        if sys.stdout is None:
            raise typer.BadParameter("standard output is closed")
        self.timed_out = False
        self._file = sys.stdout.fileno()
        self._cursor = cursor
        status = os.fstat(self._file)
        self._is_regular = stat.S_ISREG(status.st_mode)
        self._mark = Mark(0, None, status.st_dev, status.st_ino)
        # What stands behind the cursor's place, or goes before the next line.
        self._tail = self._before = b""
        # When it is given up: by then, or if nobody has taken anything for so many seconds.
        self._give_up_at, self._reader_timeout = inf, inf
        self._progress_at = 0.0

    @property
    def after(self) -> int:
        """The id of the last change that was printed; 0 if there is none."""
        return self._mark.id

    def begin(self, mark: Mark) -> None:
        """Go on from there, and set the cursor. It blocks.

        Raises:
            OutputError: The cursor cannot be set.

        """
        if (mark.device, mark.inode) == (self._mark.device, self._mark.inode):
            if self._is_regular and mark.end is not None:
                self._tail = self._read_from(mark.end)
            elif mark.is_torn:
                self._before = b"\n"
        self._mark = replace(
            mark,
            device=self._mark.device,
            inode=self._mark.inode,
            # What stands behind is not known to be printed before it is compared.
            end=mark.end if self._tail else self._end(),
            is_torn=bool(self._before),
        )
        if self._cursor is not None:
            self._cursor.make()
            self._cursor.write(cursor_line(self._mark))

    async def write(self, changes: Iterable[ContactChange]) -> None:
        """Print some changes; cancelled, that is done all the same, unless it is given up.

        Raises:
            OutputError: They cannot be printed, or the cursor not be set.

        """
        with CancelScope(shield=True):  # the thread gives up by itself
            await to_thread.run_sync(self._write, changes)

    def give_up_in(self, seconds: float) -> None:
        """Give up once nobody has taken anything for so long, or after some more seconds."""
        self._progress_at = max(self._progress_at, monotonic())
        self._reader_timeout = seconds
        self._give_up_at = min(self._give_up_at, monotonic() + _LONGEST_FLUSH)

    def _write(self, changes: Iterable[ContactChange]) -> None:
        for piece, last in self._pieces(changes):
            self._print(piece, last)
            if self.timed_out:
                break

    def _pieces(self, changes: Iterable[ContactChange]) -> Iterator[tuple[bytes, ContactChange]]:
        """Give whole lines, as many as make a piece, and the change that is the last of each."""
        piece, last = b"", None
        for change in changes:
            line = self._without_tail(change_line(change))
            if last is not None and len(piece) + len(line) > _PIECE:
                yield piece, last
                piece = b""
            piece += line
            last = change
        if last is not None:
            yield piece, last

    def _without_tail(self, line: bytes) -> bytes:
        """Return what of the line is not there yet."""
        before, self._before = self._before, b""
        tail, self._tail = self._tail, b""
        if tail.startswith(line):
            self._tail = tail[len(line) :]
            return b""
        # Else it is somebody else's, and none of ours.
        return before + line.removeprefix(tail)

    def _print(self, piece: bytes, last: ContactChange) -> None:
        begin = self._end()
        end = None if begin is None else begin + len(piece)
        mark = replace(self._mark, id=last.id, at=last.at, end=end, is_torn=False)
        line = cursor_line(mark)
        if len(piece) > _PIECE and not self._is_regular:
            self._set_cursor(cursor_line(replace(self._mark, is_torn=True)))
        if self._try_write(piece, begin):
            self._set_cursor(line)  # at once, so that nobody is killed in between
            self._mark = mark
            self._progress_at = monotonic()
        else:
            self.timed_out = True

    def _try_write(self, piece: bytes, begin: int | None) -> bool:
        """Write it all; return False if that is given up."""
        rest = piece
        try:
            while rest:
                if not self._wait_writable():
                    return False
                with suppress(BlockingIOError):  # some other process may want it non-blocking
                    rest = rest[os.write(self._file, rest if self._is_regular else rest[:_PIECE]) :]
        except OSError as error:
            if begin is not None and self._end() == begin + len(piece) - len(rest):
                os.ftruncate(self._file, begin)  # a full disk holds whole lines
                os.lseek(self._file, begin, os.SEEK_SET)
            raise OutputError(self.name, error) from None
        return True

    def _set_cursor(self, line: bytes) -> None:
        if self._cursor is not None:
            self._cursor.write(line)

    def _wait_writable(self) -> bool:
        """Wait until a piece can be written without any waiting; return False if given up."""
        while sys.platform != "win32" and not self._is_regular:
            if select.select([], [self._file], [], _LOOK_EVERY)[1]:
                break
            now = monotonic()
            if now > self._give_up_at or now > self._progress_at + self._reader_timeout:
                return False
        return True

    def _end(self) -> int | None:
        """Return where in a file the next piece goes; None if it is no file."""
        if not self._is_regular:
            return None
        if sys.platform != "win32" and fcntl.fcntl(self._file, fcntl.F_GETFL) & os.O_APPEND:
            return os.fstat(self._file).st_size
        return os.lseek(self._file, 0, os.SEEK_CUR)

    def _read_from(self, begin: int) -> bytes:
        """Return what of the output stands from there on; nothing if that cannot be read."""
        size = (self._end() or 0) - begin
        if not 0 < size <= _LARGEST_TAIL:
            return b""
        try:
            # Anew, as the shell opened it for writing alone.
            with Path(f"/dev/fd/{self._file}").open("rb") as file:
                file.seek(begin)
                return file.read(size)
        except OSError:
            return b""

    def close(self) -> None:
        """Let others have the cursor."""
        if self._cursor is not None:
            self._cursor.close()
