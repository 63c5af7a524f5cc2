"""The memory that replies are received in: kept, and lent to a few large ones at a time."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from mmap import mmap
from typing import TypeAlias

from wxcontacts_async._mapped import giving_back, mapped

FIRST = 128 * 1024  # bytes: the first read of a reply, and all of most
AT_ONCE = 128 * 1024  # bytes of one read after the first, as 32 of them may come in one tick
_SPARE = 9 / 8  # so that a slightly larger reply fits as well
_LENT_AT_ONCE = 12 * 1024 * 1024
_KEPT_AT_MOST = 16 * 1024 * 1024
_SMALL_KEPT = 32
_LOOK_EVERY = 0.002  # seconds

# Large ones are mapped, as a bytearray is filled with zeros at once, which takes 0.6 ms a MiB.
Buffer: TypeAlias = bytearray | mmap


class ReceiveBuffers:
    """The buffers of one pool's connections.

    A call that waits for its reply has none: every first read goes into one that all share. It is
    lent to a reply that is in it as a whole, as most are, until that is decoded; a larger one is
    lent one of its size. Where much is lent, the next reply waits in the system's buffers, and so
    in the gateway's; but only while there are replies to decode, so that slow ones come in beside
    each other.

    Attributes:
        first: What is read into first, and is of use until the next read.
        first_view: The same.
        lent: How many bytes are lent.
        undecoded: How many bytes of that are whole replies.

    """

    def __init__(self) -> None:
        self.first = bytearray(FIRST)
        self.first_view = memoryview(self.first)
        self.lent = 0
        self.undecoded = 0
        self._small: list[bytearray] = []
        self._large: list[mmap] = []  # the last one given back goes out first
        self._kept = 0
        self._waiting: deque[tuple[int, Callable[[], None]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def may_take(self, size: int) -> bool:
        """Tell whether a buffer of that size may be taken now."""
        return size <= FIRST or not self.lent or self.lent + size <= _LENT_AT_ONCE

    def lend_first(self) -> Buffer:
        """Lend what was read into first, and have another one to read into."""
        lent = self.first
        self.first = self._small.pop() if self._small else bytearray(FIRST)
        self.first_view = memoryview(self.first)
        self.lent += FIRST
        return lent

    def take(self, size: int) -> Buffer:
        """Take a buffer that has room for `size` bytes, to be given back."""
        buffer: Buffer
        if size <= FIRST:
            buffer = self._small.pop() if self._small else bytearray(FIRST)
        else:
            buffer = self._take_large(size)
        self.lent += len(buffer)
        return buffer

    def _take_large(self, size: int) -> mmap:
        while self._large:
            buffer = self._large.pop()
            self._kept -= len(buffer)
            if len(buffer) >= size:
                return buffer
        return mapped(-(-int(size * _SPARE) // AT_ONCE) * AT_ONCE)

    def give(self, buffer: Buffer) -> None:
        """Give a buffer back, of which no view is left."""
        size = len(buffer)
        self.lent -= size
        if isinstance(buffer, bytearray):
            if len(self._small) < _SMALL_KEPT:
                self._small.append(buffer)
        elif self._kept + size <= _KEPT_AT_MOST:
            self._kept += size
            self._large.append(buffer)
        else:
            _give_back(giving_back(buffer, 0, size))
        while self._waiting and self.may_take(self._waiting[0][0]):
            self._grant()

    def wait(self, size: int, granted: Callable[[], None]) -> None:
        """Have something called when a buffer of that size may be taken."""
        self._waiting.append((size, granted))
        self._look_later()

    def withdraw(self, granted: Callable[[], None]) -> None:
        """Call it no more."""
        self._waiting = deque(each for each in self._waiting if each[1] != granted)

    def clear(self) -> None:
        """Let go of what is kept."""
        self._small.clear()
        self._large.clear()
        self._waiting.clear()
        self._kept = 0
        if self._timer is not None:
            self._timer.cancel()

    def _grant(self) -> None:
        _, granted = self._waiting.popleft()
        granted()

    def _look_later(self) -> None:
        if self._waiting and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LOOK_EVERY, self._look)

    def _look(self) -> None:
        """Let one more reply in where nothing waits to be decoded: it is the network that is slow.

        It is also what ends the wait where all that is lent is lent to those that wait for more.
        """
        self._timer = None
        if self._waiting and not self.undecoded:
            self._grant()
        self._look_later()


def _give_back(parts: Iterator[None]) -> None:
    """Give back a part a tick."""
    if next(parts, _END) is not _END:
        asyncio.get_running_loop().call_soon(_give_back, parts)


_END = object()
