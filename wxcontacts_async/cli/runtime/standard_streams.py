"""Replaces the standard streams, so that a failed write has a defined effect."""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from io import TextIOWrapper

from wxcontacts_async.cli.runtime.errors import OutputError

_STANDARD_OUTPUT = "standard output"


class _Output(TextIOWrapper):
    """Standard output, which raises OutputError if it cannot be written."""

    def write(self, text: str) -> int:
        with _naming_output():
            return super().write(text)

    def flush(self) -> None:
        with _naming_output():
            super().flush()


class _Messages(TextIOWrapper):
    """Standard error, which drops what it cannot write."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            super().flush()


@contextlib.contextmanager
def _naming_output() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(_STANDARD_OUTPUT, error) from None


def replace_standard_streams() -> None:
    """Replace the standard streams by those of the command.

    A closed stream stays None, but its descriptor is occupied, or the next file to be opened
    would get it and all that libraries print there.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError as error:
            if error.errno == errno.EBADF:
                os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    for name, kind in (("stdout", _Output), ("stderr", _Messages)):
        stream = getattr(sys, name)
        if stream is not None:
            setattr(sys, name, _rewrapped(stream, kind))


def _rewrapped(stream: TextIOWrapper, kind: type[TextIOWrapper]) -> TextIOWrapper:
    return kind(
        open(stream.fileno(), "wb", buffering=-1, closefd=False),  # never closed
        encoding=stream.encoding,
        # A terminal that cannot encode a name shows it escaped.
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def drop_output() -> None:
    """Redirect standard output to the null device, so that the last flush succeeds."""
    if sys.stdout is not None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
