"""Writes lines of JSON to a file or a pipe, whole lines or none."""

import errno
import os
import select
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from io import FileIO
from math import inf
from pathlib import Path

import msgspec
from anyio import CancelScope, current_time, to_thread
from anyio.lowlevel import checkpoint

from wxcontacts_async import ContactKind, ContactSet, Failed, FlawedContact, RejectedContact
from wxcontacts_async.cli.usage import wrong

STANDARD = "-"  # standard input or output, where a file is meant

_encode = msgspec.json.Encoder().encode


def contact_lines(contacts: ContactSet) -> Iterator[bytes]:
    """Make one line for each contact of the merged set."""
    begins = {
        kind: _encode({"wId": contacts.w_id, "kind": kind})[:-1] + b"," for kind in ContactKind
    }
    for kind, contact in contacts.items():
        yield begins[kind]
        yield _encode(contact)[1:]
        yield b"\n"


def failure_lines(failed: Failed) -> Iterator[bytes]:
    """Make the line for an instance that failed."""
    yield _encode(
        {
            "wId": failed.w_id,
            "gateway": failed.gateway,
            "error": type(failed.error).__name__,
            "message": str(failed.error),
            "calls": failed.calls,
        },
    )
    yield b"\n"


def decoding_lines(contacts: ContactSet) -> Iterator[bytes]:
    """Make one line for each contact that could not be decoded, or not all of it, as it came."""
    for rejected in contacts.rejected:
        yield _line_of(contacts, rejected, {"error": rejected.error})
    for flawed in contacts.flawed:
        what = {"userName": flawed.user_name, "fields": flawed.fields}
        yield _line_of(contacts, flawed, what)


def _line_of(
    contacts: ContactSet,
    contact: RejectedContact | FlawedContact,
    what: Mapping[str, object],
) -> bytes:
    raw = contact.raw.decode(errors="replace")
    return _encode({"wId": contacts.w_id, "kind": contact.kind, **what, "raw": raw}) + b"\n"


class CommandError(Exception):
    """What keeps a command from going on, in its words.

    Attributes:
        reader_gone: Whether it is that whoever read the output has enough.

    """

    reader_gone = False


class OutputError(CommandError):
    """A file that cannot be written any more."""

    def __init__(self, name: str, error: OSError) -> None:
        super().__init__(f"{name} cannot be written: {error.strerror or error}")
        self.reader_gone = error.errno == errno.EPIPE


class LineFile:
    """A file that is written in batches of whole lines.

    Writing is done in a thread, as a disk may be slow and a pipe's reader slower. In a regular
    file a batch is there as a whole or not at all, even on a full disk or after Ctrl-C.

    Arguments:
        path: Where it is; `-` is standard output.
        option: Which option says so.

    Raises:
        typer.BadParameter: It cannot be opened.

    """

    def __init__(self, path: str, option: str) -> None:
        self.name = "standard output" if path == STANDARD else repr(path)
        self._option = option
        self._file = self._opened(path)
        self.status = os.fstat(self._file.fileno())
        self._regular = stat.S_ISREG(self.status.st_mode)
        self._is_standard = path == STANDARD
        self._writing: CancelScope | None = None
        self._give_up_at = inf

    def _opened(self, path: str) -> FileIO:
        if path == STANDARD:
            if sys.stdout is None:
                raise wrong(self._option, "is standard output, which is closed")
            return FileIO(sys.stdout.fileno(), "wb", closefd=False)
        try:
            return FileIO(path, "wb", opener=_open_private)
        except OSError as error:
            what = f"{self.name} cannot be written: {error.strerror or error}"
            raise wrong(self._option, what) from None

    @property
    def is_terminal(self) -> bool:
        """Whether what is written shows on a terminal."""
        return self._file.isatty()

    def must_not_be(self, other: os.stat_result, option: str) -> None:
        """Raise typer.BadParameter if it is the very file that another option names."""
        if self._regular and os.path.samestat(self.status, other):
            raise wrong(self._option, f"must be another file than that of {option}")

    def empty(self) -> None:
        """Drop what an earlier run left in it. Standard output is the shell's to empty."""
        if self._regular and not self._is_standard:
            self._file.truncate(0)

    async def write(self, lines: Iterable[bytes]) -> None:
        """Write a batch of lines; cancelled, it is written all the same.

        Arguments:
            lines: Pieces of the batch. They are made in the thread, too.

        Raises:
            OutputError: It cannot be written.

        """
        with CancelScope(shield=True, deadline=self._give_up_at) as scope:
            self._writing = scope
            await to_thread.run_sync(self._write, lines, abandon_on_cancel=True)
        if scope.cancelled_caught:
            await checkpoint()  # which ends here, as only who is cancelled gives up

    def give_up_in(self, seconds: float) -> None:
        """Abandon what is being written by then, unless it goes to a disk, which ends by itself."""
        if not self._regular:
            self._give_up_at = current_time() + seconds
            if self._writing is not None:
                self._writing.deadline = self._give_up_at

    def _write(self, lines: Iterable[bytes]) -> None:
        batch = memoryview(b"".join(lines))
        whole = os.fstat(self._file.fileno()).st_size
        try:
            while batch:
                written = self._file.write(batch)
                if written is None:  # it is non-blocking, which some other process wants it to be
                    select.select([], [self._file], [])
                else:
                    batch = batch[written:]
        except OSError as error:
            if self._regular:
                self._file.truncate(whole)
            raise OutputError(self.name, error) from None

    def close(self) -> None:
        """Close it.

        Raises:
            OutputError: What was written may not have arrived.

        """
        try:
            self._file.close()
        except OSError as error:
            raise OutputError(self.name, error) from None


def _open_private(path: str, flags: int) -> int:
    """Open for the owner alone if it is new; not emptied yet, as something may still be wrong."""
    return os.open(path, flags & ~os.O_TRUNC, 0o600)


def open_files(
    output: str,
    failures: str | None,
    sources: Sequence[str],
) -> tuple[LineFile, LineFile | None]:
    """Open the file for contacts and the one for failures, if any, and empty them.

    Raises:
        typer.BadParameter: One cannot be opened, or is the same as another, or as one of `sources`.

    """
    contacts_file = LineFile(output, "--output")
    _must_not_be_source(contacts_file, sources)

    def check(failures_file: LineFile) -> None:
        failures_file.must_not_be(contacts_file.status, "--output")
        if failures == output == STANDARD:
            raise wrong("--failures", "must be another file than that of --output")

    failures_file = open_failures(failures, sources, check)
    contacts_file.empty()
    return contacts_file, failures_file


def open_failures(
    failures: str | None,
    sources: Sequence[str],
    check: Callable[[LineFile], None],
) -> LineFile | None:
    """Open the file for failures, if any, and empty it once it is checked.

    Raises:
        typer.BadParameter: It cannot be opened, is the same as one of `sources`, or fails the
            check.

    """
    if failures is None:
        return None
    file = LineFile(failures, "--failures")
    check(file)
    _must_not_be_source(file, sources)
    file.empty()
    return file


def _must_not_be_source(file: LineFile, sources: Sequence[str]) -> None:
    for source in sources:
        if source != STANDARD:
            file.must_not_be(Path(source).stat(), "--from")
