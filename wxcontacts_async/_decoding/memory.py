"""Memory that stays mapped from one reply to the next, so that none is taken page by page.

CPython takes memory for small objects from the system in arenas of 1 MiB and gives an arena back
as soon as nothing lives in it. When a contact set of 10,000 is dropped, that is some ten arenas,
taken again, page fault by page fault, for the next reply: a third of the time of its decoding. One
small object in an arena is enough to keep it.

A reply's bytes come from C's allocator. That of glibc maps each piece above 128 KiB by itself, as
the 256 KiB are that asyncio reads into, until such a piece of more has been freed once; from then
on it keeps pieces up to that size, and twice as much free memory. Pieces of a reply are joined in
memory that is kept, as a joined reply of 4 MB would be new memory each time. It is mapped, since
what is grown otherwise may be copied, tens of megabytes at once.
"""

import sys
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from mmap import mmap

from wxcontacts_async._mapped import giving_back, mapped

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
_COPIED_AT_ONCE = 256 * 1024
_RESERVED = 64 * 1024 * 1024


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
        if reply_bytes > self._enough_for:
            deque(self.preparing_for(reply_bytes), maxlen=0)

    def preparing_for(self, reply_bytes: int) -> Iterator[None]:
        """Do the same with a `yield` behind each arena."""
        if reply_bytes <= self._enough_for:
            return
        self._enough_for = reply_bytes
        wanted = min(_BYTES_A_REPLY_BYTE * reply_bytes, _KEPT_AT_MOST) // _ARENA + 1
        fillers: list[bytes] = []
        for _ in range(wanted - len(self._kept)):
            fillers += [bytes(_FILLER) for _ in range(_FILLERS_AN_ARENA)]
            yield
        self._kept += fillers[::_FILLERS_AN_ARENA]
        while fillers:
            del fillers[-_FILLERS_AN_ARENA:]
            yield


class JoinBuffer:
    """Memory for one reply at a time, of which at most 16 MiB are kept for the next one.

    What it returns is good until it is used again, so nothing may keep it.

    Arguments:
        reserved: For how many bytes it has addresses, unless a reply has more; they cost nothing.

    """

    def __init__(self, reserved: int = _RESERVED) -> None:
        self._reserved = reserved
        self._memory: mmap | None = None
        self._written = 0

    def joined(self, pieces: Sequence[bytes | memoryview]) -> bytes | memoryview:
        """Return the pieces as one."""
        if len(pieces) == 1:
            return pieces[0]
        size = sum(map(len, pieces))
        if not _SMALLEST_KEPT < size <= _LARGEST_KEPT:
            return b"".join(pieces)
        view = self._view(size)
        begin = 0
        for piece in pieces:
            end = begin + len(piece)
            view[begin:end] = piece
            begin = end
        return view[:size]

    def joining(
        self,
        pieces: list[bytes | memoryview],
    ) -> Generator[None, None, memoryview]:
        """Return the pieces as one that may be written in, with a `yield` now and then.

        From the last one to the first, each is let go of as soon as it is copied. In the other
        order, C's allocator gives all of them back to the system with the last one, which takes
        milliseconds.
        """
        size = sum(map(len, pieces))
        joined = self.first(size)
        end, copied = size, 0
        while pieces:
            with memoryview(pieces.pop()) as piece:
                begin = end - len(piece)
                for at in range(0, len(piece), _COPIED_AT_ONCE):
                    part = piece[at : at + _COPIED_AT_ONCE]
                    joined[begin + at : begin + at + len(part)] = part
                    copied += len(part)
                    if copied >= _COPIED_AT_ONCE:
                        copied = 0
                        yield
                end = begin
        return joined

    def write(self, part: bytes, at: int) -> int:
        """Write at the end of what was written from 0 to there; return where it ends now."""
        end = at + len(part)
        self._view(end, keep=at)[at:end] = part
        return end

    def first(self, size: int) -> memoryview:
        """Return the first bytes, which may be written in."""
        return self._view(size)[:size]

    def shrinking(self) -> Iterator[None]:
        """Give back what is more than is kept, with a `yield` now and then."""
        if self._memory is None or self._written <= _LARGEST_KEPT:
            return
        if sys.platform == "win32":
            self._memory = None
            return
        yield from giving_back(self._memory, _LARGEST_KEPT, self._written)
        self._written = _LARGEST_KEPT

    def _view(self, size: int, *, keep: int = 0) -> memoryview:
        memory = self._memory
        if memory is None or len(memory) < size:
            larger = mapped(max(self._reserved, 2 * size if keep else size))
            if memory is not None and keep:
                memoryview(larger)[:keep] = memoryview(memory)[:keep]
            self._memory = memory = larger
            self._written = 0
        self._written = max(self._written, size)
        return memoryview(memory)
