"""What is counted of one gateway: plain numbers, as they cost less than the client's metrics."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from math import inf

from wxcontacts_async.contacts import ContactKind

_CALL_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_INSTANCE_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60, 120, 300, 600)


class Durations:
    """A histogram of seconds.

    Attributes:
        total: Their sum.

    """

    __slots__ = ("_bounds", "_counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self.total += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Return how many were no longer than each bound, as they are exported."""
        buckets, count = [], 0
        for bound, here in zip((*self._bounds, inf), list(self._counts), strict=True):
            count += here
            buckets.append(("+Inf" if bound == inf else str(float(bound)), float(count)))
        return buckets


class GatewayCounts:
    """The counts of one gateway, written by the event loop and read by whichever thread exports.

    Attributes:
        calls: How many calls came to which end.
        contacts: How many contacts were in replies, by kind.
        rejected: How many of these could not be decoded.
        call_seconds: How long calls took.
        instance_seconds: How long instances took.

    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter({"ready": 0})
        self.contacts: Counter[str] = Counter({str(kind): 0 for kind in ContactKind})
        self.rejected = 0
        self.call_seconds = Durations(_CALL_BUCKETS)
        self.instance_seconds = Durations(_INSTANCE_BUCKETS)
