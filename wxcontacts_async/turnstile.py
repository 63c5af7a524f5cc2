"""Lets one tick of the event loop decode for a few milliseconds only, then lets others run."""

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Generic, TypeVar

from anyio import CancelScope

_ReplyT = TypeVar("_ReplyT")


class DecodeTurnstile(Generic[_ReplyT]):
    """Spreads decoding over ticks: whoever comes when this tick's time is spent waits in line.

    Decoding holds the GIL, so a thread would not help: the loop would stand still all the same.
    A tick may decode for `seconds_a_tick`, and one reply is never divided, so that a tick ends
    at most one decode later than that.

    Arguments:
        decode: Decodes one body, synchronously.
        seconds_a_tick: How long one tick may begin to decode; above 0.

    """

    def __init__(
        self,
        decode: Callable[[bytes], _ReplyT],
        *,
        seconds_a_tick: float = 0.003,
    ) -> None:
        self._decode_now = decode
        self._seconds_a_tick = seconds_a_tick
        # Above 0 exactly while _next_tick is due in the next tick of the loop.
        self._spent = 0.0
        # Not empty only while _next_tick is due.
        self._line: deque[tuple[asyncio.Future[_ReplyT], bytes]] = deque()

    async def decode(self, body: bytes) -> _ReplyT:
        """Decode one body, now or in a later tick, also if it is cancelled meanwhile."""
        if not self._line and self._spent < self._seconds_a_tick:
            return self._decode_timed(body)
        turn: asyncio.Future[_ReplyT] = asyncio.get_running_loop().create_future()
        self._line.append((turn, body))
        # Shielded, for the reply may say to wait, which must be known even if it is not wanted
        # any more. The line is no longer than there are slots.
        with CancelScope(shield=True):
            await turn
        return turn.result()

    def _decode_timed(self, body: bytes) -> _ReplyT:
        if not self._spent:
            asyncio.get_running_loop().call_soon(self._next_tick)
        begun = perf_counter()
        try:
            return self._decode_now(body)
        finally:
            self._spent += max(perf_counter() - begun, 1e-9)

    def _next_tick(self) -> None:
        self._spent = 0.0
        while self._line and self._spent < self._seconds_a_tick:
            turn, body = self._line.popleft()
            if turn.cancelled():  # from outside anyio
                continue
            try:
                turn.set_result(self._decode_timed(body))
            except Exception as error:  # noqa: BLE001  # it belongs to whoever awaits the turn
                turn.set_exception(error)
                turn.exception()  # marks it as seen, should the awaiter be cancelled by now
