"""Decodes replies and passes them on, for a few milliseconds a tick of the event loop."""

import asyncio
import math
from collections import deque
from collections.abc import Generator
from time import perf_counter
from typing import Generic, Protocol, TypeAlias

import msgspec

from wxcontacts_async._decoding.memory import ArenaKeeper, JoinBuffer
from wxcontacts_async._decoding.reply import ReplyDecoder
from wxcontacts_async._decoding.verdict import DecodedReply, Ready, Recognized
from wxcontacts_async._inflate import Inflater
from wxcontacts_async._recognition import Recognition
from wxcontacts_async.contacts import ContactT

# Bytes of a reply that is not divided; they take a millisecond.
_DECODED_AT_ONCE = 1024 * 1024
_HASHED_AT_ONCE = 4 * 1024 * 1024  # bytes; the digests of the store take 0.1 ms for them
_COPIED_AT_ONCE = 256 * 1024
_LEFT = 0.75  # of a tick's time, where a large reply is handed out in it


class UndecodedReply(Protocol[ContactT]):
    """A reply that waits to be decoded.

    Attributes:
        pieces: Its bytes, which are let go of once they are joined or decoded. If they are one
            memoryview that can be written, they may be decoded in it, and are this reply's alone
            until `decoded` is called or the queue is cleared.
        content_type: Its Content-Type.
        content_encoding: How its bytes are compressed: "gzip", "deflate" or "", that is not.
        w_id: Whose it is.

    """

    w_id: str
    pieces: list[bytes | memoryview]
    content_type: str
    content_encoding: str

    @property
    def max_bytes(self) -> int:
        """How large it may be; it is looked at only where its bytes are compressed."""

    @property
    def recognition(self) -> Recognition | None:
        """What recognises it, so that it need not be decoded, if anything."""

    def decoded(self, reply: DecodedReply[ContactT] | Exception, reply_bytes: int) -> None:
        """Take what it says, or why it cannot be decoded, and its length in bytes."""

    def wake_reader(self) -> None:
        """Let a reader of a stream that waits for it come and call `decode_next`."""


# What a reply says, or why it cannot be decoded, and its length in bytes.
_Steps: TypeAlias = Generator[
    None,
    None,
    tuple[DecodedReply[ContactT] | Exception, int],
]


class DecodeQueue(Generic[ContactT]):
    """Spreads decoding over ticks of the event loop: replies wait in the queue for their turn.

    Decoding holds the GIL, so a thread would not help: the loop would stand still all the same.
    A tick may decode for `budget`. A large reply is decoded in pieces, as a compressed one is
    inflated, with no other one in between. So a tick ends at most one piece, or one small reply,
    later than that.

    The reader of a stream decodes: it takes a reply out of the queue, has its outcome at once, and
    comes back for the next one while the memory of this one is still in the processor's cache.
    What no reader comes for is decoded at the end of the tick.

    Arguments:
        decoder: Decodes one body.
        budget: Seconds in which one tick may begin to decode, above 0.

    """

    def __init__(self, decoder: ReplyDecoder[ContactT], *, budget: float = 0.0015) -> None:
        self._decoder = decoder
        self._budget = budget
        self._joiner = JoinBuffer()
        self._arenas = ArenaKeeper()
        self._replies: deque[UndecodedReply[ContactT]] = deque()
        # The reply of which some is decoded, and how it goes on.
        self._half_done: tuple[UndecodedReply[ContactT], _Steps[ContactT]] | None = None
        # Until when this tick decodes: infinity until it has begun to. What its reader does between
        # two replies counts, too: a large set that is let go of takes as long as it took to decode.
        self._until = math.inf
        # Whether _end_tick or _begin_tick is due; always, while the queue is not empty.
        self._due = False

    def add(self, reply: UndecodedReply[ContactT]) -> None:
        """Let a reply wait for its turn."""
        self._replies.append(reply)
        if self._until == math.inf or perf_counter() < self._until:
            reply.wake_reader()
        if not self._due:
            self._due = True
            # After the reader that was just woken, so that it comes first.
            asyncio.get_running_loop().call_soon(self._end_tick)

    def decode_next(self) -> bool:
        """Decode the reply that has waited longest, or a piece of it.

        Returns:
            False if there is none, or this tick has decoded for long enough.

        """
        if not (self._replies or self._half_done):
            return False
        now = perf_counter()
        if self._until == math.inf:
            self._until = now + self._budget
        elif now >= self._until:
            return False
        if self._half_done is not None:
            self._go_on(*self._half_done)
        else:
            self._begin(self._replies.popleft())
        return True

    def _begin(self, received: UndecodedReply[ContactT]) -> None:
        pieces = received.pieces
        reply_bytes = len(pieces[0]) if len(pieces) == 1 else sum(map(len, pieces))
        if reply_bytes > _DECODED_AT_ONCE or received.content_encoding:
            steps = self._steps(received)
            self._half_done = received, steps
            self._go_on(received, steps)
        else:
            received.decoded(self._decode_at_once(received, reply_bytes), reply_bytes)

    def _decode_at_once(
        self,
        received: UndecodedReply[ContactT],
        reply_bytes: int,
    ) -> DecodedReply[ContactT] | Exception:
        decoder, pieces = self._decoder, received.pieces
        body = self._joiner.joined(pieces) if decoder.keeps_no_body else b"".join(pieces)
        pieces.clear()
        try:
            recognition = received.recognition
            if recognition is None:
                self._arenas.prepare_for(reply_bytes)
                return decoder.decode(body, received.content_type)
            digest = _digest(recognition, received, body)
            if recognition.knows(received.w_id, digest):
                return self._recognized(digest, [bytes(body)], received.content_type)
            self._arenas.prepare_for(reply_bytes)
            return _digested(decoder.decode(body, received.content_type), digest)
        except Exception as error:  # noqa: BLE001  # a contact type may raise what it likes
            return error

    def _recognized(
        self, digest: str, pieces: list[bytes], content_type: str
    ) -> Recognized[ContactT]:
        """Keep a reply that need not be decoded, so that it still can be."""
        decoder = self._decoder

        def decode() -> Ready[ContactT]:
            reply = decoder.decode(b"".join(pieces), content_type)
            # As a reply with these bytes has been decoded before.
            assert isinstance(reply, Ready)  # noqa: S101
            return reply

        return Recognized(digest, decode)

    def _go_on(self, received: UndecodedReply[ContactT], steps: "_Steps[ContactT]") -> None:
        """Take the next step of a reply that is not decoded at once."""
        is_done = True
        try:
            next(steps)
            is_done = False
        except StopIteration as done:
            reply, reply_bytes = done.value
        finally:
            if is_done:
                self._half_done = None
        if is_done:
            received.decoded(reply, reply_bytes)

    def _steps(self, received: UndecodedReply[ContactT]) -> "_Steps[ContactT]":
        """Inflate and decode a reply, with a `yield` behind each piece."""
        pieces = received.pieces
        reply_bytes = 0
        reply: DecodedReply[ContactT] | Exception
        try:
            if received.content_encoding:
                pieces.append((yield from self._inflate(received)))
            reply_bytes = sum(map(len, pieces))
            if reply_bytes <= _DECODED_AT_ONCE:
                reply = self._decode_at_once(received, reply_bytes)
            else:
                reply = yield from self._decode_in_pieces(received, reply_bytes)
        except Exception as error:  # noqa: BLE001  # a contact type may raise what it likes
            reply = error
        pieces.clear()
        yield from self._joiner.shrinking()
        if reply_bytes > _DECODED_AT_ONCE and perf_counter() > self._until - _LEFT * self._budget:
            # Its reader lets go of the last one now, which takes some milliseconds.
            self._until = 0.0
            yield
        return reply, reply_bytes

    def _inflate(self, received: UndecodedReply[ContactT]) -> Generator[None, None, memoryview]:
        """Inflate a reply into the memory that is kept, and let go of what was received."""
        inflater = Inflater(received.content_encoding, received.max_bytes)
        pieces = received.pieces
        pieces.reverse()
        size = 0
        while pieces:
            inflater.feed(pieces.pop())
            while (piece := inflater.step()) is not None:
                size = self._joiner.write(piece, size)
                yield
        inflater.finish()
        return self._joiner.first(size)

    def _decode_in_pieces(
        self,
        received: UndecodedReply[ContactT],
        reply_bytes: int,
    ) -> Generator[None, None, DecodedReply[ContactT]]:
        decoder, pieces = self._decoder, received.pieces
        if decoder.keeps_no_body and len(pieces) == 1 and not memoryview(pieces[0]).readonly:
            body = memoryview(pieces.pop())
        else:
            joiner = self._joiner if decoder.keeps_no_body else JoinBuffer(0)
            body = yield from joiner.joining(pieces)
        with body:
            recognition, digest = received.recognition, ""
            if recognition is not None:
                digest = yield from _digesting(recognition, received, body)
                if recognition.knows(received.w_id, digest):
                    kept = yield from _copying(body)
                    return self._recognized(digest, kept, received.content_type)
            yield from self._arenas.preparing_for(reply_bytes)
            reply = yield from decoder.decode_in_pieces(body, received.content_type)
            return _digested(reply, digest)

    def clear(self) -> None:
        """Decode nothing of what still waits, and give back all memory."""
        self._replies.clear()
        if self._half_done is not None:
            _, steps = self._half_done
            steps.close()
            self._half_done = None
        self._joiner = JoinBuffer()
        self._arenas = ArenaKeeper()

    def _end_tick(self) -> None:
        while self.decode_next():
            pass
        # The time is given anew a tick later, since some of this tick may be still to come.
        asyncio.get_running_loop().call_soon(self._begin_tick)

    def _begin_tick(self) -> None:
        self._until = math.inf
        self._due = bool(self._replies or self._half_done)
        if self._due:
            received = self._half_done[0] if self._half_done else self._replies[0]
            received.wake_reader()
            asyncio.get_running_loop().call_soon(self._end_tick)


def _digest(
    recognition: Recognition,
    received: UndecodedReply[ContactT],
    body: bytes | memoryview,
) -> str:
    hasher = recognition.hasher(received.w_id, received.content_type)
    hasher.update(body)
    return hasher.digest()


def _digesting(
    recognition: Recognition,
    received: UndecodedReply[ContactT],
    body: memoryview,
) -> Generator[None, None, str]:
    """Make the digest of a large reply, with a `yield` behind each piece of it."""
    hasher = recognition.hasher(received.w_id, received.content_type)
    for begin in range(0, len(body), _HASHED_AT_ONCE):
        hasher.update(body[begin : begin + _HASHED_AT_ONCE])
        yield
    return hasher.digest()


def _copying(body: memoryview) -> Generator[None, None, list[bytes]]:
    """Copy a large reply, with a `yield` behind each piece of it."""
    pieces: list[bytes] = []
    for begin in range(0, len(body), _COPIED_AT_ONCE):
        pieces.append(bytes(body[begin : begin + _COPIED_AT_ONCE]))
        yield
    return pieces


def _digested(reply: DecodedReply[ContactT], digest: str) -> DecodedReply[ContactT]:
    """Note the digest of a reply, if its contacts are all that it has."""
    if digest and isinstance(reply, Ready) and reply.is_whole:
        return msgspec.structs.replace(reply, digest=digest)
    return reply
