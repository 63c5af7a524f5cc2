"""Until when instances must not be called for which no job is left."""

from time import perf_counter

_SWEPT_FROM = 1024


class Cooldowns:
    """The waits that outlive their jobs, by wId; those that are over are forgotten."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._sweep_at = _SWEPT_FROM

    def remember(self, w_id: str, until: float) -> None:
        """Remember a wait that ends at a time of `time.perf_counter`."""
        now = perf_counter()
        if until <= now:
            return
        if len(self._until) >= self._sweep_at:
            self._until = {other: end for other, end in self._until.items() if end > now}
            # Twice what is left, so that the sweeps cost a constant time each wait.
            self._sweep_at = max(_SWEPT_FROM, 2 * len(self._until))
        self._until[w_id] = until

    def take(self, w_id: str) -> float:
        """Return until when the instance must not be called, and forget it; 0 if it may be."""
        return self._until.pop(w_id, 0.0)
