"""One connection to a gateway, which reads plain bodies in place and leaves the rest to aiohttp."""

import asyncio
import math
import select
import ssl
from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from time import perf_counter
from typing import Any, Generic, Protocol, TypeVar

import aiohttp

from wxcontacts_async._http.buffers import AT_ONCE, FIRST, Buffer, ReceiveBuffers
from wxcontacts_async._http.chunks import ChunkedBody, Progress
from wxcontacts_async._http.inflation_watch import InflationWatch
from wxcontacts_async._http.link import Head, Link, read_head
from wxcontacts_async._http.reply_body import ReplyBody
from wxcontacts_async.errors import reply_too_large

_END_OF_HEAD = b"\r\n\r\n"
# Seconds within which a connection breaks that the gateway had closed before the call reached it:
# as long as a packet takes there and back.
SOON = 0.075
_TLS_RECORD = 16 * 1024  # bytes at most that are decrypted and not read yet
_COPIED = 16 * 1024  # bytes, which are copied in less time than a buffer is changed
_SPARE = 4 * 1024  # bytes of a buffer behind a body, so that what stands behind it is seen, too
_FRAMING = 64 * 1024  # bytes of chunks' sizes and of what is not undone yet

CallT = TypeVar("CallT")


class State(Enum):
    """What a connection reads."""

    IDLE = auto()  # nothing, as no call is under way
    HEAD = auto()
    BODY = auto()  # of a known length
    CHUNKS = auto()
    WAITING = auto()  # for a buffer that is large enough
    HANDED_OVER = auto()  # aiohttp reads the reply
    GONE = auto()


# As an enumeration's own are looked up slowly, by Python 3.11, and there are some for each read.
_IDLE, _HEAD, _BODY, _CHUNKS, _WAITING, _HANDED_OVER, _GONE = State


class Owner(Protocol[CallT]):
    """What has the connections to a gateway.

    Attributes:
        longest_in_chunks: The size of the largest body yet that came in chunks.

    """

    longest_in_chunks: int

    def replied(self, connection: "Connection[CallT]", body: ReplyBody) -> None:
        """Take a reply. The connection is free, unless it is gone."""

    def failed(self, connection: "Connection[CallT]", error: Exception) -> None:
        """Take what became of a call without a reply. The connection is gone."""

    def cancel(self, connection: "Connection[CallT]") -> None:
        """End its call, as nothing asks for it any more."""

    def handed_over(self, connection: "Connection[CallT]") -> None:
        """Read a reply by `connection.link`."""

    def lost(self, connection: "Connection[CallT]") -> None:
        """Take note that the connection has ended, and its socket is closed."""


class Connection(asyncio.BufferedProtocol, Generic[CallT]):
    """A connection that is kept from one call to the next.

    Arguments:
        link: What aiohttp made.
        owner: Told of replies; it has made the connection.
        buffers: What it reads into.
        limit: The bytes that a body may have.

    Attributes:
        call: The call under way, which is its owner's; None if there is none.
        deadline: When that fails, in seconds of `time.perf_counter`.
        idle_since: When the last one ended.
        is_late: Whether the time of the call under way was over.
        link: Its connection of aiohttp.

    """

    __slots__ = (
        "_buffer",
        "_buffers",
        "_chunks",
        "_filled",
        "_first_call",
        "_has_answered",
        "_head",
        "_head_bytes",
        "_inflation",
        "_is_tls",
        "_length",
        "_limit",
        "_look",
        "_loop",
        "_owner",
        "_state",
        "_taken_at",
        "_view",
        "_waits_for",
        "_waits_in",
        "call",
        "deadline",
        "idle_since",
        "is_late",
        "link",
    )

    def __init__(
        self,
        link: Link,
        owner: Owner[CallT],
        buffers: ReceiveBuffers,
        *,
        limit: int,
    ) -> None:
        self.link = link
        self.call: CallT | None = None
        self.deadline = 0.0
        self.idle_since = perf_counter()
        self.is_late = False
        self._owner = owner
        self._buffers = buffers
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._is_tls = link.transport.get_extra_info("ssl_object") is not None
        self._look = reading_look(link.transport.get_extra_info("socket"))
        self._state = _IDLE
        self._first_call = True
        self._has_answered = False
        self._taken_at = 0.0
        self._head: Head = _NO_HEAD
        self._head_bytes = b""
        self._inflation = _NO_INFLATION
        # Of a body that did not come as a whole with its head.
        self._buffer = _NONE
        self._view = buffers.first_view
        self._filled = self._length = 0
        self._waits_for, self._waits_in = 0, _IDLE
        self._chunks: ChunkedBody = _NO_CHUNKS

    @property
    def is_idle(self) -> bool:
        """Whether it is free for a call."""
        return self._state is _IDLE

    def is_alive(self) -> bool:
        """Tell whether a free connection has not ended, even if the loop has yet to see it.

        Whatever has come between two calls is the end of a connection.
        """
        return self._state is _IDLE and not self._look()

    def send(self, request: bytes, call: CallT, deadline: float) -> None:
        """Send a call. Its reply, or what became of it, is told to the owner later."""
        self.call = call
        self.deadline = deadline
        self._has_answered = False
        self._taken_at = perf_counter()
        self._state = _HEAD
        if self.link.transport.is_closing():
            return  # which it will be told of
        self.link.transport.write(request)
        if self._first_call and self.link.has_spoken:
            self._hand_over(b"")  # aiohttp has got an answer to nothing

    def cancel(self) -> None:
        """End the call under way, which is told so later."""
        self._owner.cancel(self)

    def abort(self) -> None:
        """End it at once, and tell of a call under way no more."""
        self.call = None
        self._end(abort=True)

    def fail(self, error: Exception) -> None:
        """End it at once, as the call under way has failed."""
        self._end(abort=True)
        self._owner.failed(self, error)

    def expire(self) -> None:
        """Fail the call under way, as its time is over.

        Where aiohttp reads the reply it finds it cut off, and may make something of what has come.
        """
        self.is_late = True
        if self._state is _HANDED_OVER:
            self.deadline = math.inf
            self.link.transport.abort()
        else:
            self.fail(TimeoutError())

    def was_unread(self, error: Exception) -> bool:
        """Tell whether the gateway cannot have read the call that failed, by all signs.

        The connection was kept alive, and broke at once, before any byte came back.
        """
        return (
            isinstance(error, BROKEN)
            and not self._first_call
            and not self._has_answered
            and perf_counter() - self._taken_at < SOON
        )

    def release(self) -> None:
        """Become free again after a reply that aiohttp has read, if there may be another."""
        if self._state is not _HANDED_OVER:
            return
        if self.link.is_kept:
            self.link.attach(self)
            self._free()
        else:
            # The reply is whole. asyncio would not abort what aiohttp and we have both closed.
            self._end(abort=True)

    # What asyncio calls.

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where to read into.

        Arguments:
            sizehint: Over TLS, how many bytes have come that are not decrypted yet. A loop that
                comes to the end of the socket has the rest of them read once more and no further.

        """
        if self._state is _BODY or self._state is _CHUNKS:
            at = self._filled
            if not self._is_tls or sizehint <= AT_ONCE - _TLS_RECORD:
                return self._view[at : at + AT_ONCE]
            end = at + sizehint + _TLS_RECORD
            if self._state is _CHUNKS and end > len(self._buffer):
                self._move(max(end, 2 * len(self._buffer)) + AT_ONCE)
            return self._view[at:end]
        return self._buffers.first_view

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read."""
        state = self._state
        self._has_answered = True
        if state is _BODY:
            self._filled += nbytes
            if self._filled >= self._length:
                self._whole_body()
            elif self._head.encoding:
                self._inflation.watch(self._view[: self._filled])
        elif state is _HEAD:
            self._begin_reply(nbytes)
        elif state is _CHUNKS:
            self._filled += nbytes
            self._more_chunks()
        elif state is _WAITING:
            self.fail(aiohttp.ClientPayloadError())  # a transport that does not pause
        elif state is _IDLE:
            self._end(abort=True)  # an answer to nothing

    def eof_received(self) -> None:
        """Have the transport closed, which says what that means for a reply."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that it has ended."""
        state = self._state
        self._end(abort=False)
        self.link.lost(exc)
        self._owner.lost(self)
        if self.call is not None and state not in {_IDLE, _GONE}:
            self._owner.failed(self, _reason(exc, state))

    # A reply, from its head to its end.

    def _begin_reply(self, received: int) -> None:
        first, view = self._buffers.first, self._buffers.first_view
        end = first.find(_END_OF_HEAD, 0, received) + len(_END_OF_HEAD)
        head = read_head(view[:end], self._loop) if end >= len(_END_OF_HEAD) else None
        if head is None:
            self._hand_over(bytes(view[:received]))
            return
        self._head = head
        if head.encoding:
            self._inflation = InflationWatch(head.encoding, self._limit, on_too_large=self.fail)
        if head.length is None:
            self._begin_chunks(end, received)
        elif head.length > self._limit:
            self.fail(reply_too_large(self._limit))
        elif received - end >= head.length:
            self._reply_in_first(end, end + head.length, is_last=received - end > head.length)
        else:
            self._length = head.length
            self._read_on(_BODY, head.length, view[end:received])

    def _whole_body(self) -> None:
        stray = self._filled > self._length
        self._reply(self._view[: self._length], self._buffer, is_last=stray)

    def _begin_chunks(self, end: int, received: int) -> None:
        first, view = self._buffers.first, self._buffers.first_view
        self._head_bytes = bytes(view[:end])
        chunks = self._chunks = ChunkedBody(end)
        progress, filled = chunks.undo(first, view, received)
        if chunks.known > self._limit:
            self.fail(reply_too_large(self._limit))
        elif progress is Progress.WHOLE:
            self._reply_in_first(end, chunks.out, is_last=chunks.is_followed)
        elif progress is Progress.UNUSUAL:
            self._hand_over_chunks(view, filled)
        else:
            chunks.move(0)
            longest = self._owner.longest_in_chunks
            self._read_on(_CHUNKS, max(chunks.needed, longest), view[end:filled])

    def _more_chunks(self) -> None:
        buffer, view, chunks = self._buffer, self._view, self._chunks
        progress, self._filled = chunks.undo(buffer, view, self._filled)
        if chunks.known > self._limit:
            self.fail(reply_too_large(self._limit))
        elif progress is Progress.WHOLE:
            self._owner.longest_in_chunks = max(self._owner.longest_in_chunks, chunks.out)
            self._reply(view[: chunks.out], buffer, is_last=chunks.is_followed)
        elif progress is Progress.UNUSUAL:
            self._hand_over_chunks(view, self._filled)
        elif self._filled + _SPARE > len(buffer) or chunks.needed > len(buffer):
            twice = min(2 * len(buffer), self._limit + _FRAMING)
            self._make_room(max(chunks.needed, self._filled, twice) + AT_ONCE)
        if self._head.encoding and self._state in {_CHUNKS, _WAITING}:
            self._inflation.watch(self._view[: chunks.out])

    def _read_on(self, state: State, needed: int, beginning: memoryview) -> None:
        """Go on in a buffer of its own, which has room for as many bytes and what stands behind."""
        needed = max(needed, len(beginning)) + _SPARE
        enough = self._buffers.may_take(needed)
        self._buffer = self._buffers.take(needed if enough else FIRST)
        self._view = memoryview(self._buffer)
        self._filled = len(beginning)
        self._view[: self._filled] = beginning
        self._state = state
        if not enough:
            self._make_room(needed)

    def _make_room(self, needed: int) -> None:
        """Go on in a buffer that has room for as many bytes, once there is one."""
        if self._buffers.may_take(needed):
            self._move(needed)
            return
        self._waits_for, self._waits_in = needed, self._state
        self._state = _WAITING
        self.link.transport.pause_reading()
        self._buffers.wait(needed, self._granted)

    def _granted(self) -> None:
        self._state = self._waits_in
        self._move(self._waits_for)
        self.link.transport.resume_reading()

    def _move(self, needed: int) -> None:
        old, old_view = self._buffer, self._view
        self._buffer = self._buffers.take(needed)
        self._view = memoryview(self._buffer)
        self._view[: self._filled] = old_view[: self._filled]
        self._buffers.give(old)

    def _reply_in_first(self, begin: int, end: int, *, is_last: bool) -> None:
        """Pass on a reply that was read at once: a short one copied, or what it was read into."""
        view = self._buffers.first_view[begin:end]
        if end - begin <= _COPIED:
            self._reply(bytes(view), None, is_last=is_last)
        else:
            self._reply(view, self._buffers.lend_first(), is_last=is_last)

    def _reply(self, body: bytes | memoryview, buffer: Buffer | None, *, is_last: bool) -> None:
        head = self._head
        reply = ReplyBody([body], head.content_type, head.encoding)
        if buffer is not None:
            reply.lend(buffer, self._buffers)
            self._buffer, self._view = _NONE, self._buffers.first_view
        self._inflation.end()
        if is_last or head.is_last:
            self._end(abort=False)
        else:
            self._free()
        self._owner.replied(self, reply)

    def _free(self) -> None:
        self._state = _IDLE
        self._first_call = False
        self.idle_since = perf_counter()

    def _hand_over_chunks(self, view: memoryview, filled: int) -> None:
        """Let aiohttp read a body in chunks, of which those that are undone are one."""
        chunks = self._chunks
        body, rest = view[chunks.start : chunks.out], view[chunks.out : filled]
        before = (b"%x\r\n" % len(body), body, b"\r\n") if body else ()
        self._hand_over(b"".join((self._head_bytes, *before, rest)))
        self._give_back()

    def _hand_over(self, received: bytes) -> None:
        self._state = _HANDED_OVER
        self.link.hand_over(received)
        self._owner.handed_over(self)

    def _end(self, *, abort: bool) -> None:
        """Let go of everything; the loop closes the socket when it comes to it."""
        if self._state is _WAITING:
            self._buffers.withdraw(self._granted)
        self._state = _GONE
        self._give_back()
        if abort:
            self.link.transport.abort()
        else:
            self.link.transport.close()

    def _give_back(self) -> None:
        self._inflation.end()
        buffer, self._buffer = self._buffer, _NONE
        self._view = self._buffers.first_view
        if buffer:
            self._buffers.give(buffer)


_NONE: Buffer = bytearray()
_NO_HEAD = Head("", "", 0, is_last=True)
_NO_CHUNKS = ChunkedBody(0)
_NO_INFLATION = InflationWatch("", 0, on_too_large=lambda error: None)  # noqa: ARG005
# What becomes of a call on a connection that is closed. (A TimeoutError is an OSError, too.)
BROKEN = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionError)


def _reason(lost_because: Exception | None, state: State) -> Exception:
    """Return what aiohttp would raise for a connection that ended in the middle of a reply."""
    if state is not _HEAD:
        return aiohttp.ClientPayloadError()
    if isinstance(lost_because, ssl.SSLError):
        return lost_because  # a TLS alert tells more
    if isinstance(lost_because, OSError):
        return aiohttp.ClientOSError(*lost_because.args)
    return lost_because or aiohttp.ServerDisconnectedError()


def reading_look(socket: Any) -> Callable[[], object]:  # noqa: ANN401  # asyncio's, or uvloop's
    """Return what tells whether there is something to read from a socket, without waiting."""
    if not hasattr(select, "poll"):  # Windows
        return lambda: select.select([socket], [], [], 0)[0]
    poll = select.poll()
    poll.register(socket.fileno(), select.POLLIN)
    return partial(poll.poll, 0)
