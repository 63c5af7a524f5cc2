"""A blocking call in a worker thread, which a cancelled caller leaves done or not begun."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import Generic, TypeVar

from anyio import CapacityLimiter, Event, get_cancelled_exc_class, move_on_after, to_thread

ResultT = TypeVar("ResultT")


class BlockingCall(Generic[ResultT]):
    """A call that cancellation neither leaves half done nor waits for without bound.

    Arguments:
        work: The blocking call.
        patience: Seconds that a cancelled caller waits for it to end.
        discard: Called, in the thread, with what an abandoned call returns.

    Attributes:
        is_begun: Whether the call was begun; cancelled before that, it never is.
        result: What it returned, be the caller cancelled or not; None before, and if it raised
            or was abandoned.

    """

    def __init__(
        self,
        work: Callable[[], ResultT],
        *,
        patience: float,
        discard: Callable[[ResultT], None] = lambda _: None,
    ) -> None:
        self.is_begun = False
        self.result: ResultT | None = None
        self._work = work
        self._patience = patience
        self._discard = discard
        self._ended = Event()
        self._loop = asyncio.get_running_loop()
        # Guards what both threads read and write.
        self._lock = Lock()
        self._is_revoked = self._is_abandoned = self._is_done = False

    async def run(self, limiter: CapacityLimiter) -> ResultT:
        """Run it. Cancelled, it returns when the call or the patience has ended."""
        try:
            return await to_thread.run_sync(self._run, abandon_on_cancel=True, limiter=limiter)
        except get_cancelled_exc_class():
            with self._lock:
                self._is_revoked = not self.is_begun
            if not self._is_revoked:
                with move_on_after(self._patience, shield=True):
                    await self._ended.wait()
                with self._lock:
                    self._is_abandoned = not self._is_done
            raise

    def _run(self) -> ResultT:
        with self._lock:
            if self._is_revoked:
                msg = "revoked"
                raise RuntimeError(msg)  # the caller has been cancelled
            self.is_begun = True
        result = None
        try:
            result = self._work()
            return result
        finally:
            with self._lock:
                self._is_done = True
                if not self._is_abandoned:
                    self.result = result
            if self._is_abandoned and result is not None:
                self._discard(result)
            with suppress(RuntimeError):  # the loop may be closed by now
                self._loop.call_soon_threadsafe(self._ended.set)
