"""Memory that stays mapped from one reply to the next, so that none is taken page by page.

CPython takes memory for small objects from the system in arenas of 1 MiB and gives an arena back
as soon as nothing lives in it. When a contact set of 10,000 is dropped, that is some ten arenas,
taken again, page fault by page fault, for the next reply: a third of the time of its decoding. One
small object in an arena is enough to keep it.

A reply's bytes come from C's allocator. That of glibc maps each piece above 128 KiB by itself, as
the 256 KiB are that asyncio reads into, until such a piece of more has been freed once; from then
on it keeps pieces up to that size, and twice as much free memory. Pieces of a reply are joined in
one piece that is kept, as a joined reply of 4 MB would be new memory each time.
"""

from collections.abc import Sequence

_KEPT_AT_MOST = 32 * 1024 * 1024
_ARENA = 1024 * 1024
# Small enough to lie in an arena (the limit is 512), and large, so that few of them fill one.
_FILLER = 400
_FILLERS_AN_ARENA = _ARENA // (_FILLER + 48)
# A contact set takes about 1.5 times the memory of the reply's text, and there may be two of them:
# one that is being decoded, and the one before it in the reader's hands.
_BYTES_A_REPLY_BYTE = 3
_LARGEST_PIECE = 4 * 1024 * 1024
_SMALLEST_KEPT = 128 * 1024  # what is smaller, C's allocator keeps by itself
_LARGEST_KEPT = 16 * 1024 * 1024
_SPARE = 1.25  # so that a slightly larger one fits as well


class ArenaKeeper:
    """Keeps as many arenas as the largest reply so far needs, and at most 32 MiB of them.

    They go back to the system when the keeper itself is dropped. Where Python allocates otherwise
    (PYTHONMALLOC, free threading, PyPy) it does nothing of use and no harm. Made, it also has C's
    allocator keep what is freed, where that is glibc's.
    """

    def __init__(self) -> None:
        self._kept: list[bytes] = []
        self._enough_for = 0
        _ = bytes(_LARGEST_PIECE)  # which is freed at once, and never touched

    def prepare_for(self, reply_bytes: int) -> None:
        """See to it that the contact set of a reply of that size finds its arenas mapped."""
        if reply_bytes <= self._enough_for:
            return
        self._enough_for = reply_bytes
        wanted = min(_BYTES_A_REPLY_BYTE * reply_bytes, _KEPT_AT_MOST) // _ARENA + 1
        missing = wanted - len(self._kept)
        if missing > 0:
            fillers = [bytes(_FILLER) for _ in range(missing * _FILLERS_AN_ARENA)]
            self._kept += fillers[::_FILLERS_AN_ARENA]


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
