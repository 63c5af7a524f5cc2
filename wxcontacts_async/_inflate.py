"""Inflates compressed bodies step by step, with isal where it is installed, in half the time."""

import zlib
from collections import deque
from collections.abc import Callable
from typing import Protocol, cast

from wxcontacts_async.errors import GatewayConnectionError, reply_too_large

PIECE = 64 * 1024  # bytes, which take a tenth of a millisecond
_TAKEN_AT_ONCE = 16 * 1024  # what is left of it is copied in each step
# Of a body in several, as aiohttp bounds them; a member may be without any content.
_MOST_MEMBERS = 1024
_GZIP = 16 + zlib.MAX_WBITS
_ZLIB = zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS


class _Decompressor(Protocol):
    """What zlib and isal have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes | memoryview, max_length: int, /) -> bytes: ...


_decompressobj: Callable[..., _Decompressor]
_DAMAGED: tuple[type[Exception], ...]
try:
    from isal import isal_zlib
except ImportError:
    _decompressobj, _DAMAGED = zlib.decompressobj, (zlib.error,)
else:
    _decompressobj, _DAMAGED = isal_zlib.decompressobj, (cast("type[Exception]", isal_zlib.error),)


class Inflater:
    """Inflates one body, which may come bit by bit.

    Arguments:
        content_encoding: "gzip" or "deflate"; the latter is taken with and without zlib's header,
            as servers send both.
        max_bytes: How many bytes may come out.

    """

    def __init__(self, content_encoding: str, max_bytes: int) -> None:
        self._content_encoding = content_encoding
        self._max_bytes = max_bytes
        self._inflated = 0
        self._input: deque[bytes | memoryview] = deque()
        self._member: _Decompressor | None = None
        self._members = 0
        self._has_more = False  # whether the member may have output of what it has taken

    def feed(self, compressed: bytes | memoryview) -> None:
        """Take what comes next. It must stay as it is until `step` says that nothing is left."""
        whole = memoryview(compressed)
        for begin in range(0, len(whole), _TAKEN_AT_ONCE):
            self._input.append(whole[begin : begin + _TAKEN_AT_ONCE])

    def step(self) -> bytes | None:
        """Inflate at most a piece, which may be empty; None if nothing is left of what was fed.

        Raises:
            GatewayConnectionError: It cannot be inflated.
            ReplyTooLargeError: More than `max_bytes` have come out.

        """
        member = self._member
        if member is None or member.eof:
            if member is not None and member.unused_data:
                self._input.appendleft(member.unused_data)
            self._member = None
            if not self._input:
                return None
            member = self._member = self._next_member(self._input[0])
        taken: bytes | memoryview = member.unconsumed_tail
        if not taken:
            if self._input:
                taken = self._input.popleft()
            elif not self._has_more:
                return None
        try:
            piece = member.decompress(taken, PIECE)
        except _DAMAGED:
            raise _damaged() from None
        self._has_more = bool(piece)
        self._inflated += len(piece)
        if self._inflated > self._max_bytes:
            raise reply_too_large(self._max_bytes)
        return piece

    def finish(self) -> None:
        """Raise GatewayConnectionError if the body was cut off."""
        if self._member is not None and not self._member.eof:
            raise _damaged()

    def _next_member(self, first: bytes | memoryview) -> _Decompressor:
        self._members += 1
        if self._members > _MOST_MEMBERS:
            raise _damaged()
        if self._content_encoding == "gzip":
            return _decompressobj(wbits=_GZIP)
        has_header = first[0] & 0xF == zlib.DEFLATED
        return _decompressobj(wbits=_ZLIB if has_header else _RAW)


def _damaged() -> GatewayConnectionError:
    return GatewayConnectionError("the reply was cut off, or its encoding is damaged")


class InflationGuard:
    """Tells as soon as it can be told that a compressed reply is larger than it may be.

    What is inflated is thrown away, so that nothing but a piece is held. Whether the reply is
    sound is not its to say.

    Arguments:
        content_encoding: "gzip" or "deflate".
        max_bytes: How many bytes may come out.

    """

    def __init__(self, content_encoding: str, max_bytes: int) -> None:
        self._inflater = Inflater(content_encoding, max_bytes)
        self._is_damaged = False

    def feed(self, compressed: bytes | memoryview) -> None:
        """Take what has arrived; of a memoryview a copy, as its memory may be used again."""
        if not self._is_damaged:
            self._inflater.feed(bytes(compressed))

    def inflate_some(self) -> bool:
        """Inflate at most a piece; False if nothing is left of what was fed.

        Raises:
            ReplyTooLargeError: More than `max_bytes` have come out.

        """
        if self._is_damaged:
            return False
        try:
            return self._inflater.step() is not None
        except GatewayConnectionError:
            self._is_damaged = True
            return False
