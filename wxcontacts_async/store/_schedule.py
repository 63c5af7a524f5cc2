"""Schedules periodic syncs of instances, spread evenly over an interval."""

from collections.abc import AsyncIterable, Iterable, Mapping
from heapq import heapify, heappop, heappush
from math import inf
from typing import Self

from anyio import current_time, move_on_after

from wxcontacts_async._concurrency import Signal
from wxcontacts_async.errors import InvalidArgumentError, shown_id
from wxcontacts_async.instance import Instance
from wxcontacts_async.validation import check_w_id

_CATCH_UP_SECONDS = 0.1  # that a late event loop may make up for at once


class Schedule:
    """Yields each instance once an interval, evenly spaced, without an end.

    An instance that is still running is not yielded again. To be iterated over by one task, once
    it has begun. Where there is no instance, it waits for one.

    Arguments:
        instances: wIds or Instances.
        interval: Seconds from one start of an instance to the next, above 0.
        new_apart: Seconds between new ones at most, so that they start soon even over a long
            interval; they then take no turn of others.

    Raises:
        InvalidArgumentError: They are no instances, or a wId is on two gateways.

    """

    def __init__(
        self,
        instances: Iterable[str | Instance],
        interval: float,
        *,
        new_apart: float = 1.0,
    ) -> None:
        self._interval = interval
        self._new_apart = new_apart
        self._instances = _by_w_id(instances)
        # When each is due, except those that are running. The heap may have stale entries, of
        # instances that were dropped or are due at another time.
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        # When each running one was started. Those dropped meanwhile stay until they end.
        self._running: dict[str, float] = {}
        self._next_turn = self._last_started_at = -inf
        self._changed = Signal()

    def begin(self, ages: Mapping[str, float]) -> None:
        """Begin, in the event loop; others than those with an age are new, and yielded first.

        Arguments:
            ages: Seconds since instances were last asked for, by wId.

        """
        now = self._next_turn = current_time()
        self._due = {w_id: now + self._interval - ages.get(w_id, inf) for w_id in self._instances}
        self._heap = [(due, w_id) for w_id, due in self._due.items()]
        heapify(self._heap)

    def ended(self, w_id: str) -> None:
        """Record that an instance is no longer running."""
        started_at = self._running.pop(w_id, None)
        if started_at is not None and w_id in self._instances:
            self._add(w_id, started_at + self._interval)

    def replace(self, instances: Iterable[str | Instance]) -> tuple[int, int]:
        """Yield these from now on, new ones first; return how many are new and dropped."""
        before, self._instances = self._instances, _by_w_id(instances)
        now = self._instances
        new, dropped = now.keys() - before.keys(), before.keys() - now.keys()
        for w_id in dropped:
            self._due.pop(w_id, None)
        self._next_turn = min(self._next_turn, current_time() + self._distance)
        for w_id in now:  # in their order
            if w_id in new and w_id not in self._running:
                self._add(w_id, -inf)
        return len(new), len(dropped)

    def _add(self, w_id: str, due: float) -> None:
        self._due[w_id] = due
        heappush(self._heap, (due, w_id))
        self._changed.notify()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str | Instance:
        while (delay := self._delay()) > 0:
            with move_on_after(delay):
                await self._changed.wait()
        _, w_id = heappop(self._heap)
        del self._due[w_id]
        self._running[w_id] = self._last_started_at = now = current_time()
        if now >= self._next_turn:
            self._next_turn = max(self._next_turn, now - _CATCH_UP_SECONDS) + self._distance
        return self._instances[w_id]

    @property
    def _distance(self) -> float:
        """Seconds from one turn to the next."""
        return self._interval / max(len(self._instances), 1)

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


def _by_w_id(instances: object) -> dict[str, str | Instance]:
    if isinstance(instances, str | bytes | AsyncIterable) or not isinstance(instances, Iterable):
        msg = f"instances must be an iterable of wIds, not one {type(instances).__name__}"
        raise InvalidArgumentError(msg, argument="instances")
    found: dict[str, str | Instance] = {}
    for instance in instances:
        if not isinstance(instance, str | Instance):
            msg = f"instances must be str or Instance, not {type(instance).__name__}"
            raise InvalidArgumentError(msg, argument="instances")
        w_id = instance if isinstance(instance, str) else instance.w_id
        check_w_id(w_id)
        if _gateway_of(found.setdefault(w_id, instance)) != _gateway_of(instance):
            msg = f"instances must have each wId on one gateway, unlike {shown_id(w_id)}"
            raise InvalidArgumentError(msg, argument="instances")
    return found


def _gateway_of(instance: str | Instance) -> str | None:
    return None if isinstance(instance, str) else instance.gateway
