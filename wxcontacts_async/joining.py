"""Joins the pieces of replies in one piece of memory that is kept from reply to reply.

A joined reply of 4 MB would be new memory each time, which the system has to map page by page.
"""

from collections.abc import Sequence

_SMALLEST_KEPT = 128 * 1024  # what is smaller, C's allocator keeps by itself
_LARGEST_KEPT = 16 * 1024 * 1024
_SPARE = 1.25  # so that a slightly larger one fits as well


class JoinBuffer:
    """Memory for one reply at a time, as large as the largest one so far and at most 16 MiB."""

    def __init__(self) -> None:
        self._memory = bytearray()

    def joined(self, pieces: Sequence[bytes]) -> bytes | memoryview:
        """Return the pieces as one; it is good until the next call, so nothing may keep it."""
        if len(pieces) == 1:
            return pieces[0]
        size = sum(map(len, pieces))
        if not _SMALLEST_KEPT < size <= _LARGEST_KEPT:
            return b"".join(pieces)
        if size > len(self._memory):
            self._memory = bytearray(min(int(size * _SPARE), _LARGEST_KEPT))
        view = memoryview(self._memory)
        begin = 0
        for piece in pieces:
            end = begin + len(piece)
            view[begin:end] = piece
            begin = end
        return view[:size]
