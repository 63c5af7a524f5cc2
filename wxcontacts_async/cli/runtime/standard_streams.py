"""The standard streams of the command, and what becomes of it when one cannot be written."""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from io import TextIOWrapper

from wxcontacts_async.cli.runtime.errors import OutputError

_STANDARD_OUTPUT = "standard output"


class _Output(TextIOWrapper):
    """Standard output, whose trouble is an OutputError, so that it is told from any other."""

    def write(self, text: str) -> int:
        with _naming_output():
            return super().write(text)

    def flush(self) -> None:
        with _naming_output():
            super().flush()


class _Messages(TextIOWrapper):
    """Standard error; that nobody can be told anything is no reason to stop."""

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

    A stream that is closed stays None, but its number is taken, or the next file that is opened
    would get it, and with it whatever any library prints.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError as error:
            if error.errno == errno.EBADF:
                os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
    for name, kind in (("stdout", _Output), ("stderr", _Messages)):
        stream = getattr(sys, name)
        if stream is not None:
            setattr(sys, name, _rewrapped(stream, kind))


def _rewrapped(stream: TextIOWrapper, kind: type[TextIOWrapper]) -> TextIOWrapper:
    return kind(
        open(stream.fileno(), "wb", buffering=-1, closefd=False),  # for ever
        encoding=stream.encoding,
        # Names are in all scripts of the world; a terminal that cannot show one must not fail.
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def drop_output() -> None:
    """Let standard output go nowhere, so that the interpreter can flush it as it ends."""
    if sys.stdout is not None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
