"""The event loop's lag, seen by a 1 ms ticker in the same loop."""

import asyncio
from time import perf_counter
from types import TracebackType
from typing import Self

from benchmarks.measured import Lag

_TICK = 0.001


class LagTicker:
    """Measures within `with`, once or several times, by how much each tick comes late.

    A tick that is late is one sample, however many ticks it swallowed.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._late: list[float] = []
        self._due = 0.0

    def __enter__(self) -> Self:
        self._wait()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        overdue = perf_counter() - self._due
        if overdue > 0:  # the loop was held until now
            self._late.append(overdue)

    def _wait(self) -> None:
        self._due = perf_counter() + _TICK
        self._timer = self._loop.call_later(_TICK, self._tick)

    def _tick(self) -> None:
        self._late.append(max(0.0, perf_counter() - self._due))
        self._wait()

    def lag(self) -> Lag:
        """Sum it up; the percentiles are samples, by nearest rank."""
        late = sorted(self._late) or [0.0]

        def percentile(percent: int) -> float:
            return late[-(-len(late) * percent // 100) - 1]

        return Lag(percentile(50), percentile(99), late[-1], len(late))
