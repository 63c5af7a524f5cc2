"""Schedules periodic syncs of instances, spread evenly over an interval."""

from collections.abc import Collection, Mapping
from heapq import heapify, heappop, heappush
from math import inf
from typing import Self

from anyio import current_time, move_on_after

from wxcontacts_async._concurrency import Signal

_CATCH_UP_SECONDS = 0.1  # that a late event loop may make up for at once


class Schedule:
    """Yields each wId once an interval, evenly spaced, without an end.

    An instance that is still running is not yielded again. To be iterated over by one task, in the
    event loop in which it is made.

    Arguments:
        w_ids: The instances, each once, at least one.
        interval: Seconds from one start of an instance to the next, above 0.
        ages: Seconds since instances were last synced; the others are new, and yielded first.
        new_apart: Seconds between new ones at most, so that they start soon even over a long
            interval; they then take no turn of others.

    """

    def __init__(
        self,
        w_ids: Collection[str],
        interval: float,
        ages: Mapping[str, float],
        *,
        new_apart: float = 1.0,
    ) -> None:
        self._interval = interval
        self._new_apart = new_apart
        now = current_time()
        # When each is due, except those that are running. The heap may have stale entries, of
        # instances that were dropped or are due at another time.
        self._due = {w_id: now + interval - ages.get(w_id, inf) for w_id in w_ids}
        self._heap = [(due, w_id) for w_id, due in self._due.items()]
        heapify(self._heap)
        # When each running one was started. Those dropped meanwhile stay until they end.
        self._running: dict[str, float] = {}
        self._w_ids = set(w_ids)
        self._next_turn = now
        self._last_started_at = -inf
        self._changed = Signal()

    def ended(self, w_id: str) -> None:
        """Record that an instance is no longer running."""
        started_at = self._running.pop(w_id, None)
        if started_at is not None and w_id in self._w_ids:
            self._add(w_id, started_at + self._interval)

    def replace(self, w_ids: Collection[str]) -> tuple[int, int]:
        """Yield these from now on, new ones first; return how many are new and dropped."""
        before, self._w_ids = self._w_ids, set(w_ids)
        for w_id in before - self._w_ids:
            self._due.pop(w_id, None)
        self._next_turn = min(self._next_turn, current_time() + self._distance)
        for w_id in self._w_ids - before - self._running.keys():
            self._add(w_id, -inf)
        return len(self._w_ids - before), len(before - self._w_ids)

    def _add(self, w_id: str, due: float) -> None:
        self._due[w_id] = due
        heappush(self._heap, (due, w_id))
        self._changed.notify()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        while (delay := self._delay()) > 0:
            with move_on_after(delay):
                await self._changed.wait()
        _, w_id = heappop(self._heap)
        del self._due[w_id]
        self._running[w_id] = self._last_started_at = now = current_time()
        if now >= self._next_turn:
            self._next_turn = max(self._next_turn, now - _CATCH_UP_SECONDS) + self._distance
        return w_id

    @property
    def _distance(self) -> float:
        """Seconds from one turn to the next."""
        return self._interval / len(self._w_ids)

    def _delay(self) -> float:
        """Return the seconds until the next turn, as far as is known."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heappop(self._heap)
        if not self._heap:
            return inf
        due = self._heap[0][0]
        if due == -inf:
            return min(self._next_turn, self._last_started_at + self._new_apart) - current_time()
        return max(due, self._next_turn) - current_time()
