"""How fast a gateway that refuses calls for load is called: pure, with no clock.

Calls under way and calls a second each have a limit that is cut when the gateway refuses, and
grows again as CUBIC's congestion window does (RFC 9438, https://www.rfc-editor.org/rfc/rfc9438),
after a slow start (RFC 5681, 3.1). A refusal now and then is no reason for a cut, as in BBR
(https://datatracker.ietf.org/doc/draft-ietf-ccwg-bbr/, BBR.LossThresh). Calls are spread evenly,
as limiters that count them in short intervals refuse a burst however few there were before it.
"""

from collections import deque
from math import ceil, inf
from typing import NamedTuple

_KEPT = 0.7  # beta of CUBIC: what a cut leaves
_KEPT_OF_UNKNOWN = 0.5  # as in TCP, while it is not known what the gateway bears
_GROWTH = 0.4  # C of CUBIC
# How many times a pause a limit takes to grow back, so that the gateway does not mostly pause.
_PAUSES_TO_GROW = 5
_KEPT_AFTER_PAUSE = 0.8  # since the gateway has recovered by then
_NOW_AND_THEN = 0.02  # share of the calls
_LONGEST_GAP = 5.0  # seconds between two calls: as seldom as an outage is probed
_LOWEST_CONCURRENCY = 1.0
_CALLS_A_SLOT = 100  # a second; a limit above that is none
_REMEMBERED = 256
_SHORT_GAP = 0.005  # seconds; timers are not exact enough for shorter ones


class Tally(NamedTuple):
    """How many calls a gateway has served, and how many it has refused for load."""

    served: int = 0
    refused: int = 0


class CubicLimit:
    """A limit that is cut when it was too much, and grows again.

    Arguments:
        lowest: It is never less.
        lifted_at: Where it has grown to that, it is none any more.

    Attributes:
        is_set: Whether there is a limit.

    """

    def __init__(self, *, lowest: float, lifted_at: float) -> None:
        self.is_set = False
        self._lowest = lowest
        self._lifted_at = lifted_at
        self._value = inf
        # In slow start, which goes on up to a limit that was not too much, each call that is served
        # adds one. Then it grows by time, over a plateau; None is slow start.
        self._slow_until = inf
        self._plateau: float | None = None
        self._seconds_to_plateau = 0.0
        # When a call was first served since the last cut. Until then the limit does not grow.
        self._grows_since: float | None = None

    @property
    def was_served(self) -> bool:
        """Whether a call has been served since the last cut."""
        return self._grows_since is not None

    def start_slowly(self) -> None:
        """Begin with the least there is, and grow with each call that is served."""
        self._value = min(self._value, self._lowest)
        self._plateau = self._grows_since = None
        self.is_set = True

    def cut(self, used: float, *, at_least: float = 0.0, pause: float = 0.0) -> None:
        """Cut it, as what was used was too much.

        Arguments:
            used: How much of it was used.
            at_least: It is not cut to less the first time, for want of knowledge.
            pause: Seconds for which nothing is sent after it.

        """
        if self.is_set and self.was_served:
            # Slow start ends well above what was too much.
            kept = _KEPT_AFTER_PAUSE if pause and self._plateau is not None else _KEPT
            self._value = self._slow_until = max(used * kept, self._lowest)
            self._grow_over(used, kept, at_least=_PAUSES_TO_GROW * pause)
        else:
            least = self._lowest if self.is_set else max(at_least, self._lowest)
            self._value = max(used * _KEPT_OF_UNKNOWN, least)
            self._plateau = None
        self._grows_since = None
        self.is_set = True

    def served(self, now: float) -> None:
        """Take note of a call that was served."""
        if self._grows_since is None:
            self._grows_since = now
        if self._plateau is None:
            self._value += 1.0
            if self._value >= self._slow_until:
                self._value = self._slow_until
                self._grow_over(self._value / _KEPT, _KEPT)
                self._grows_since = now
        if self.at(now) >= self._lifted_at:
            self.is_set = False
            self._value = self._slow_until = inf
            self._plateau = self._grows_since = None

    def _grow_over(self, too_much: float, kept: float, *, at_least: float = 0.0) -> None:
        """Grow by time from now on, over a plateau that is a little less than was too much.

        That is CUBIC's fast convergence, at every cut.
        """
        self._plateau = max(too_much * (1 + kept) / 2, self._value)
        by_cubic = ((self._plateau - self._value) / _GROWTH) ** (1 / 3)
        self._seconds_to_plateau = max(by_cubic, at_least)

    def at(self, now: float) -> float:
        """Return the limit at a time."""
        if self._plateau is None or self._grows_since is None:
            return self._value
        missing = self._plateau - self._value
        to_go = self._seconds_to_plateau - (now - self._grows_since)
        if to_go >= 0:
            return self._plateau - missing * (to_go / max(self._seconds_to_plateau, 1e-9)) ** 3
        return self._plateau + _GROWTH * (-to_go) ** 3


class Pace:
    """The pace of the calls to one gateway. All times are of one clock, in seconds.

    Arguments:
        slots: How many calls may be under way at most.
        first_delay: Seconds from the first refusal to the next call, at most, where little is
            known of the gateway. It doubles while none is served.
        longest_delay: Seconds between two calls at most, or 5 where that is less.

    Attributes:
        sent_at: When the last calls were sent, to be added to at each call.

    """

    def __init__(self, *, slots: int, first_delay: float, longest_delay: float) -> None:
        self._first_rate = 1 / max(first_delay, 1 / _CALLS_A_SLOT)
        self._rate = CubicLimit(
            lowest=1 / min(max(longest_delay, 1 / _CALLS_A_SLOT), _LONGEST_GAP),
            lifted_at=slots * _CALLS_A_SLOT,
        )
        self._concurrency = CubicLimit(lowest=_LOWEST_CONCURRENCY, lifted_at=slots)
        self.sent_at: deque[float] = deque(maxlen=_REMEMBERED)
        self._refused: deque[float] = deque(maxlen=_REMEMBERED)
        self._cut_at = -inf
        self._next_at = -inf
        # Whether a call has had to wait for its turn since the last cut.
        self._holds_back = False

    @property
    def is_limited(self) -> bool:
        """Whether there is any limit but the slots."""
        return self._rate.is_set or self._concurrency.is_set

    def allows(self, now: float, under_way: int) -> bool:
        """Tell whether one more call may be begun beside those that are under way."""
        if self._concurrency.is_set and under_way >= ceil(self._concurrency.at(now)):
            return False
        if not self._rate.is_set or now >= self._next_at:
            return True
        self._holds_back = True
        return False

    @property
    def next_at(self) -> float:
        """When the next call may be begun, as far as calls a second are concerned."""
        return self._next_at if self._rate.is_set else -inf

    def begun(self, now: float) -> None:
        """Take note of a call that is begun while there is a limit."""
        if not self._rate.is_set:
            return
        gap = 1 / self._rate.at(now)
        # Where gaps are shorter than a timer can be late, what was missed is made up for.
        from_when = now if gap > _SHORT_GAP else max(self._next_at, now - _SHORT_GAP)
        self._next_at = from_when + gap

    def served(self, now: float) -> None:
        """Take note of a call that was not refused."""
        if self._rate.is_set:
            self._rate.served(now)
        if self._concurrency.is_set:
            self._concurrency.served(now)

    def refused(self, now: float, *, sent_at: float, under_way: int, pause: float = 0.0) -> None:
        """Take note of a call that was refused for load.

        Those that were sent before the last cut say nothing new.

        Arguments:
            now: The time.
            sent_at: When it was sent.
            under_way: How many calls were under way, this one included.
            pause: Seconds for which the gateway is not called at all.

        """
        self._refused.append(now)
        if sent_at <= self._cut_at or (not pause and self._is_rare()):
            return
        self._rate.cut(self._used(now), at_least=self._first_rate, pause=pause)
        self._concurrency.cut(
            min(self._concurrency.at(now), float(max(under_way, 1))),
            pause=pause,
        )
        self._cut_at = now
        self._holds_back = False
        self._next_at = now + 1 / self._rate.at(now)

    def paused(self) -> None:
        """Take note that the gateway was not called for a while: calls do not all go at once."""
        self._concurrency.start_slowly()

    def _is_rare(self) -> bool:
        """Tell whether a refusal is one now and then, by the calls since the last cut."""
        since = max(self._cut_at, self.sent_at[0] if self.sent_at else -inf)
        sent = sum(at >= since for at in self.sent_at)
        return sum(at >= since for at in self._refused) < _NOW_AND_THEN * sent

    def _used(self, now: float) -> float:
        """Return how many calls a second were too many."""
        if self._rate.is_set and (self._holds_back or not self._rate.was_served):
            return self._rate.at(now)
        # What was allowed has not been tried.
        return min(self._rate.at(now), _a_second(self.sent_at, now))


def _a_second(times: deque[float], now: float) -> float:
    """Return how often something was a second, by the last second or by the last times."""
    if len(times) == _REMEMBERED and now - times[0] < 1:
        return _REMEMBERED / max(now - times[0], 1e-3)
    return max(1.0, sum(now - time < 1 for time in times))
