"""One blocking call in a worker thread: who is cancelled waits for its end, but not for ever."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import Generic, TypeVar

from anyio import CapacityLimiter, Event, get_cancelled_exc_class, move_on_after, to_thread

ResultT = TypeVar("ResultT")


class Errand(Generic[ResultT]):
    """A call that must not be left half done by cancellation, nor hold it up for long.

    Arguments:
        work: The blocking call.
        patience: Seconds that a cancelled caller waits for it to end.

    Attributes:
        is_abandoned: Whether it still runs, with nobody waiting for it.

    """

    def __init__(self, work: Callable[[], ResultT], *, patience: float) -> None:
        self.is_abandoned = False
        self._work = work
        self._patience = patience
        self._ended = Event()
        self._loop = asyncio.get_running_loop()
        # Both change under the lock: a call that was revoked is not begun any more.
        self._lock = Lock()
        self._is_begun = self._is_revoked = False

    async def run(self, limiter: CapacityLimiter) -> ResultT:
        """Run it. Cancelled, it returns when the call has ended, or when patience has."""
        try:
            return await to_thread.run_sync(self._run, abandon_on_cancel=True, limiter=limiter)
        except get_cancelled_exc_class():
            with self._lock:
                self._is_revoked = not self._is_begun
            if not self._is_revoked:
                with move_on_after(self._patience, shield=True):
                    await self._ended.wait()
                self.is_abandoned = not self._ended.is_set()
            raise

    def _run(self) -> ResultT:
        with self._lock:
            if self._is_revoked:
                msg = "revoked"
                raise RuntimeError(msg)  # which nobody sees
            self._is_begun = True
        try:
            return self._work()
        finally:
            with suppress(RuntimeError):  # the loop may be closed by then
                self._loop.call_soon_threadsafe(self._ended.set)
