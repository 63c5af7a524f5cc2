"""Writes lines to a file or a pipe: a batch atomically, and a file only once complete."""

import errno
import os
import select
import sys
from collections.abc import Callable, Iterable, Sequence
from io import FileIO
from math import inf
from pathlib import Path

from anyio import CancelScope, current_time, to_thread
from anyio.lowlevel import checkpoint

from wxcontacts_async._hidden_file import HiddenFile, sync_folder
from wxcontacts_async.cli.options.output_path import STANDARD, OutputPath
from wxcontacts_async.cli.options.usage import wrong
from wxcontacts_async.cli.runtime.errors import CommandError, OutputError, reason_of

if sys.platform != "win32":
    import fcntl

_PIECE = 64 * 1024  # bytes, in which the end of a file is looked for


class LineFile:
    """A file that is written in batches of whole lines; `-` is standard output.

    A regular file is written under a hidden name and renamed when it is closed, if it is to be
    kept; otherwise the old file stays. Anything else, and standard output, is written directly.

    Writing is done in a thread, as a disk or a pipe's reader may be slow. A regular file has a
    batch as a whole or not at all, even on a full disk or after Ctrl-C.

    Arguments:
        path: The value of the option.
        option: Its name.
        appends: Whether it is written to behind what it has, which is then made whole lines.

    """

    def __init__(self, path: str, option: str, *, appends: bool = False) -> None:
        self.path = OutputPath(path, option, in_place=appends)
        self._appends = appends
        self.name = self.path.name
        self._file: FileIO | None = None
        self._hidden: HiddenFile | None = None  # until it is renamed
        self._is_kept = False
        self._writing: CancelScope | None = None
        self._give_up_at = inf

    @property
    def is_terminal(self) -> bool:
        """Whether what is written shows on a terminal."""
        return self._file is not None and self._file.isatty()

    @property
    def is_unchanged(self) -> bool:
        """Whether the old file, if any, is still there."""
        return self.path.is_replaced and (self._hidden is not None or not self._is_kept)

    def open(self) -> None:
        """Open it, empty unless it is appended to; typer.BadParameter if it cannot be.

        It must not belong to a database, nor to another process that appends to it.
        """
        self.path.must_not_be_a_database()
        try:
            self._file = self._opened()
        except OSError as error:
            what = f"{self.name} cannot be written: {reason_of(error)}"
            raise wrong(self.path.option, what) from None

    def _opened(self) -> FileIO:
        if self.path.is_standard and sys.stdout is not None:
            return FileIO(sys.stdout.fileno(), "wb", closefd=False)
        if self.path.descriptor is not None:
            return FileIO(os.dup(self.path.descriptor), "wb")
        if self._appends:
            return self._opened_behind_what_it_has()
        if not self.path.is_replaced or self.path.real is None:
            file = FileIO(self.path.path, "wb", opener=_not_emptied)
            if self.path.is_regular:
                file.truncate(0)
            return file
        self._hidden = HiddenFile(self.path.real.parent)
        return self._hidden.file

    def _opened_behind_what_it_has(self) -> FileIO:
        file = FileIO(self.path.path, "ab", opener=_not_emptied)
        try:
            if self.path.is_regular:
                self._lock(file)
                file.truncate(end_of_whole_lines(Path(self.path.path)))
        except BaseException:
            file.close()
            raise
        return file

    def _lock(self, file: FileIO) -> None:
        """Lock it against other processes for as long as it is open."""
        if sys.platform != "win32":
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise wrong(self.path.option, f"{self.name} is in use by another one") from None
            except OSError:
                pass  # where a file system has no locks

    def cut(self, end: int) -> None:
        """Let what is appended begin there."""
        if self._file is not None:
            self._file.truncate(end)

    def keep(self) -> None:
        """Have `close` rename it, with what is written by then."""
        self._is_kept = True

    async def write(self, lines: Iterable[bytes]) -> None:
        """Write a batch of lines, made in the thread; cancelled, it is written all the same."""
        with CancelScope(shield=True, deadline=self._give_up_at) as scope:
            self._writing = scope
            await to_thread.run_sync(self._write, lines, abandon_on_cancel=True)
        if scope.cancelled_caught:
            await checkpoint()  # raises, as only a cancelled task gives up

    def give_up_in(self, seconds: float) -> None:
        """Abandon a write to a pipe by then; one to a disk ends by itself."""
        if not self.path.is_regular:
            self._give_up_at = current_time() + seconds
            if self._writing is not None:
                self._writing.deadline = self._give_up_at

    def _write(self, lines: Iterable[bytes]) -> None:
        batch = memoryview(b"".join(lines))
        file = self._file
        if file is None:
            msg = "the file is not open"
            raise ValueError(msg)
        whole = os.fstat(file.fileno()).st_size
        try:
            while batch:
                written = file.write(batch)
                if written is None:  # another process has made it non-blocking
                    select.select([], [file], [])
                else:
                    batch = batch[written:]
        except OSError as error:
            self._is_kept = False
            if self.path.is_regular:
                file.truncate(whole)
            raise OutputError(self.name, error) from None

    def close(self) -> None:
        """Close it, and rename it if it is to be kept; on an OutputError, a file is as it was."""
        if self._file is None:
            return
        try:
            if self._hidden is None:
                if self._appends and self.path.is_regular:
                    os.fsync(self._file.fileno())
                self._file.close()
            elif self._is_kept:
                self._take_name(self._hidden)
        except OSError as error:
            raise OutputError(self.name, error) from None
        finally:
            if self._hidden is not None:
                self._hidden.discard()

    def _take_name(self, hidden: HiddenFile) -> None:
        real = self.path.real
        if real is not None:
            hidden.take_over_rights(real)
            hidden.complete()
            self._hidden = None
            try:
                hidden.path.replace(real)
            except OSError as error:
                if error.errno != errno.EBUSY:
                    hidden.discard()
                    raise
                # A file that is itself a mount point, as in a container, cannot be replaced; the
                # container's owner can copy the hidden one.
                what = f"{self.name} cannot be replaced, as it is mounted there by itself"
                msg = f"{what}; what was written is in {str(hidden.path)!r}"
                raise CommandError(msg) from None
            sync_folder(real.parent)


def end_of_whole_lines(path: Path) -> int:
    """Return where the last line of a file ends that is whole."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            begin = max(0, end - _PIECE)
            file.seek(begin)
            last = file.read(end - begin).rfind(b"\n")
            if last >= 0:
                return begin + last + 1
            end = begin
    return 0


def _not_emptied(path: str, flags: int) -> int:
    return os.open(path, flags & ~os.O_TRUNC, 0o600)


def open_files(
    output: str,
    failures: str | None,
    sources: Sequence[str],
    *,
    appends: bool = False,
) -> tuple[LineFile, LineFile | None]:
    """Open the file for contacts, to append to or not, and the one for failures, if any.

    Raise typer.BadParameter if one cannot be opened, or is another's, or one of `sources`.
    """
    contacts_file = LineFile(output, "--output", appends=appends)
    if appends and (contacts_file.path.is_standard or not contacts_file.path.is_regular):
        raise wrong("--append", f"needs a file to append to, which {contacts_file.name} is not")
    _must_not_be_source(contacts_file, sources)
    failures_file = open_failures(
        failures, sources, lambda path: path.must_not_be_output(contacts_file.path)
    )
    try:
        contacts_file.open()
    except BaseException:
        if failures_file is not None:
            failures_file.close()
        raise
    return contacts_file, failures_file


def open_failures(
    failures: str | None,
    sources: Sequence[str],
    check: Callable[[OutputPath], None],
    *,
    appends: bool = False,
) -> LineFile | None:
    """Open the file for failures, if any, once it is checked.

    Raise typer.BadParameter if it cannot be opened, is one of `sources`, or fails the check.
    """
    if failures is None:
        return None
    file = LineFile(failures, "--failures", appends=appends)
    check(file.path)
    _must_not_be_source(file, sources)
    file.open()
    return file


def _must_not_be_source(file: LineFile, sources: Sequence[str]) -> None:
    file.path.must_not_be([Path(source) for source in sources if source != STANDARD], "--from")
