"""The chunked transfer coding (RFC 9112, 7.1), undone in the buffer that it was received in."""

import re
from enum import Enum, auto

from wxcontacts_async._http.buffers import Buffer

_SIZE_LINE = re.compile(rb"([0-9a-fA-F]{1,8})\r\n")
_LONGEST_SIZE_LINE = 10
_END_OF_LINE = b"\r\n"
_CR, _LF = _END_OF_LINE
_DIGITS = b"0123456789abcdefABCDEF"


class Progress(Enum):
    """How far a chunked body is."""

    MORE = auto()  # there is more to come
    WHOLE = auto()
    UNUSUAL = auto()  # extensions, trailers, blanks or damage: not to be read here


class ChunkedBody:
    """A body in chunks of which some are received.

    From its beginning to `out` the buffer holds the body, and behind that what is received and not
    undone yet, which begins with the line of a size.

    Attributes:
        start: Where in the buffer it begins.
        out: Where in the buffer it ends, so far.
        needed: Where in the buffer the chunk that is being received ends.
        known: How many bytes the body has at least, that chunk included.
        is_followed: Whether there is something behind a body that is whole.

    """

    __slots__ = ("_last_line", "_size", "is_followed", "known", "needed", "out", "start")

    def __init__(self, start: int) -> None:
        self.start = self.out = self.needed = start
        self.is_followed = False
        self.known = 0
        # The size line of the chunk before, as servers send many of one size.
        self._last_line = b""
        self._size = 0

    def move(self, start: int) -> None:
        """Take note that it was copied to where it begins at `start`."""
        by = start - self.start
        self.start += by
        self.out += by
        self.needed += by

    def undo(self, buffer: Buffer, view: memoryview, filled: int) -> tuple[Progress, int]:
        """Undo the chunks that are whole.

        Arguments:
            buffer: Where they are.
            view: The same.
            filled: How far it is filled.

        Returns:
            How far the body is, and how far the buffer is filled now.

        """
        out = at = self.out
        last_line, size = self._last_line, self._size
        self.needed = 0
        while True:
            if size and buffer.find(last_line, at, min(at + len(last_line), filled)) == at:
                begin = at + len(last_line)
            else:
                line = _SIZE_LINE.match(buffer, at, filled)
                size = int(line[1], 16) if line else 0
                if line is None:
                    progress = _before_a_size(buffer, at, filled)
                    break
                if not size:
                    progress = self._at_the_end(buffer, line.end(), filled)
                    break
                begin, last_line = line.end(), line[0]
            end = begin + size
            if filled < end + 2:
                self.needed = end + 2 - (at - out)
                progress = Progress.MORE
                break
            if buffer[end] != _CR or buffer[end + 1] != _LF:
                progress = Progress.UNUSUAL
                break
            if begin != out:
                view[out : out + size] = view[begin:end]
            out += size
            at = end + 2
        if at != out:
            view[out : out + filled - at] = view[at:filled]
        self.out = out
        self.known = out - self.start + (size if self.needed else 0)
        self._last_line, self._size = last_line, size
        return progress, out + filled - at

    def _at_the_end(self, buffer: Buffer, at: int, filled: int) -> Progress:
        """Tell how far a body is that has no more chunks, by what stands behind the last size."""
        behind = bytes(buffer[at : min(at + 2, filled)])
        if behind == _END_OF_LINE:
            self.is_followed = filled > at + 2
            return Progress.WHOLE
        return Progress.MORE if _END_OF_LINE.startswith(behind) else Progress.UNUSUAL


def _before_a_size(buffer: Buffer, at: int, filled: int) -> Progress:
    """Tell how far a body is that goes on with a line that is no size, or is not whole."""
    line = bytes(buffer[at : min(filled, at + _LONGEST_SIZE_LINE)])
    is_size = all(digit in _DIGITS for digit in line.removesuffix(b"\r"))
    return Progress.MORE if is_size and len(line) < _LONGEST_SIZE_LINE else Progress.UNUSUAL
