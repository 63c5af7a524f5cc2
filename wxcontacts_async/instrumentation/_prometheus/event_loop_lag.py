"""How late an event loop comes to what is due."""

import asyncio
from collections.abc import Callable

_EVERY = 0.1  # seconds
_WINDOW = 15.0  # seconds: how long Prometheus usually waits between two scrapes


class EventLoopLag:
    """Measures the lag of event loops by timers, while something in them is to be measured."""

    def __init__(self) -> None:
        self._largest = self._largest_before = 0.0
        self._window_ends = 0.0
        self._loops: set[int] = set()

    def measure(self, is_needed: Callable[[], bool]) -> None:
        """Measure the running event loop, once, for as long as that is needed."""
        loop = asyncio.get_running_loop()
        if id(loop) not in self._loops:
            self._loops.add(id(loop))
            self._look_again(loop, is_needed)

    @property
    def seconds(self) -> float:
        """The largest lag of the last 15 to 30 seconds."""
        return max(self._largest, self._largest_before)

    def _look_again(self, loop: asyncio.AbstractEventLoop, is_needed: Callable[[], bool]) -> None:
        due = loop.time() + _EVERY
        loop.call_at(due, self._look, loop, is_needed, due)

    def _look(
        self, loop: asyncio.AbstractEventLoop, is_needed: Callable[[], bool], due: float
    ) -> None:
        now = loop.time()
        if now >= self._window_ends:
            self._window_ends = now + _WINDOW
            self._largest_before, self._largest = self._largest, 0.0
        self._largest = max(self._largest, now - due)
        if is_needed():
            self._look_again(loop, is_needed)
        else:
            self._loops.discard(id(loop))
