"""One blocking call in a worker thread: who is cancelled waits for its end, but not for ever."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import Generic, TypeVar

from anyio import CapacityLimiter, Event, get_cancelled_exc_class, move_on_after, to_thread

ResultT = TypeVar("ResultT")


class BlockingCall(Generic[ResultT]):
    """A call that must not be left half done by cancellation, nor hold it up for long.

    Arguments:
        work: The blocking call.
        patience: Seconds that a cancelled caller waits for it to end.
        discard: Called, in the thread, with what the call returns when nobody waits any more.

    Attributes:
        is_begun: Whether the call was begun. One that is revoked before never is.
        result: What it returned, also to a caller who was cancelled but waited for its end;
            None before, and if it raised or was abandoned.

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
        # What both threads read and write, they do under the lock.
        self._lock = Lock()
        self._is_revoked = self._is_abandoned = self._is_done = False

    async def run(self, limiter: CapacityLimiter) -> ResultT:
        """Run it. Cancelled, it returns when the call has ended, or when patience has."""
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
                raise RuntimeError(msg)  # which nobody sees
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
            with suppress(RuntimeError):  # the loop may be closed by then
                self._loop.call_soon_threadsafe(self._ended.set)
