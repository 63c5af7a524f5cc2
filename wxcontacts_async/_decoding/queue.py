"""Joins, decodes and passes on replies, for a few milliseconds a tick of the event loop."""

import asyncio
from collections import deque
from time import perf_counter
from typing import Generic, Protocol

from wxcontacts_async._decoding.memory import ArenaKeeper, JoinBuffer
from wxcontacts_async._decoding.reply import ReplyDecoder
from wxcontacts_async._decoding.verdict import Ready, Unready
from wxcontacts_async.contacts import ContactT


class UndecodedReply(Protocol[ContactT]):
    """A reply that waits to be decoded.

    Attributes:
        pieces: Its bytes, which are let go of once they are joined.
        content_type: Its Content-Type.

    """

    pieces: list[bytes]
    content_type: str

    def decoded(self, reply: Ready[ContactT] | Unready | Exception, reply_bytes: int) -> None:
        """Take what it says, or why it cannot be decoded, and its length in bytes."""

    def wake_reader(self) -> None:
        """Let a reader of a stream that waits for it come and call `decode_next`."""


class DecodeQueue(Generic[ContactT]):
    """Spreads decoding over ticks of the event loop: replies wait in the queue for their turn.

    Decoding holds the GIL, so a thread would not help: the loop would stand still all the same.
    A tick may decode for `budget`, and one reply is never divided, so that a tick ends
    at most one decode later than that.

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
        # How long was decoded since _begin_tick last ran.
        self._spent = 0.0
        # Whether _end_tick or _begin_tick is due; always, while the queue is not empty.
        self._due = False

    def add(self, reply: UndecodedReply[ContactT]) -> None:
        """Let a reply wait for its turn."""
        self._replies.append(reply)
        if self._spent < self._budget:
            reply.wake_reader()
        if not self._due:
            self._due = True
            # After the reader that was just woken, so that it comes first.
            asyncio.get_running_loop().call_soon(self._end_tick)

    def decode_next(self) -> bool:
        """Decode the reply that has waited longest.

        Returns:
            False if there is none, or this tick has decoded for long enough.

        """
        if not self._replies or self._spent >= self._budget:
            return False
        begun = perf_counter()
        self._decode(self._replies.popleft())
        self._spent += perf_counter() - begun
        return True

    def _decode(self, received: UndecodedReply[ContactT]) -> None:
        decoder, pieces = self._decoder, received.pieces
        body = self._joiner.joined(pieces) if decoder.keeps_no_body else b"".join(pieces)
        pieces.clear()
        reply_bytes = len(body)
        self._arenas.prepare_for(reply_bytes)
        reply: Ready[ContactT] | Unready | Exception
        try:
            reply = decoder.decode(body, received.content_type)
        except Exception as error:  # noqa: BLE001  # a contact type may raise what it likes
            reply = error
        received.decoded(reply, reply_bytes)

    def clear(self) -> None:
        """Decode nothing of what still waits."""
        self._replies.clear()

    def _end_tick(self) -> None:
        while self.decode_next():
            pass
        # The time is given anew a tick later, since some of this tick may be still to come.
        asyncio.get_running_loop().call_soon(self._begin_tick)

    def _begin_tick(self) -> None:
        self._spent = 0.0
        self._due = bool(self._replies)
        if self._replies:
            self._replies[0].wake_reader()
            asyncio.get_running_loop().call_soon(self._end_tick)
