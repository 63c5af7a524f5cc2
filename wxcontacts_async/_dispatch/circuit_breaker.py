"""Whether a gateway answers: a circuit breaker with half-open probes, pure, with no clock.

The algorithm is the circuit breaker of M. Nygard's "Release It!"; see
https://martinfowler.com/bliki/CircuitBreaker.html.
"""

from enum import Enum, auto

from wxcontacts_async.settings import RetryPolicy

FAILURES_IN_A_ROW = 5
# So that a gateway that comes back is noticed soon, and one that is away sees few calls.
_SHORTEST_BETWEEN_PROBES, _LONGEST_BETWEEN_PROBES = 0.2, 5.0

_LONGER_THAN_A_BURST = 0.2  # seconds


class Circuit(Enum):
    """Which calls the breaker admits."""

    CLOSED = auto()  # the gateway answers; all calls are admitted
    OPEN = auto()  # it does not; no call is admitted until `probe_at`
    HALF_OPEN = auto()  # one call, the probe, is under way to see whether it does again


class CircuitBreaker:
    """Opens after a few failed calls in a row, and closes with the first answer.

    A gateway that has never answered must fail two instances: one alone is left to its
    RetryPolicy. So must one for which a proxy answers, as it may do so for one instance.

    Arguments:
        outage_timeout: Seconds from the first failure in the row until the gateway counts as
            gone. One that has never answered counts as gone after `retry.attempts` probes, since
            most likely its base_url is wrong, unless a proxy answers there.
        retry: Its delays are those between probes, within bounds.

    Attributes:
        circuit: Which calls it admits.
        probe_at: While it is OPEN, when the next probe may be sent.
        has_answered: Whether it has ever answered.

    All times are of one monotonic clock, in seconds.
    """

    def __init__(self, *, outage_timeout: float, retry: RetryPolicy) -> None:
        self.circuit = Circuit.CLOSED
        self.probe_at = 0.0
        self._outage_timeout = outage_timeout
        self._retry = retry
        self.has_answered = False
        self._failing_since = 0.0
        self._failures = 0
        self._failed_instances: set[str] = set()
        self._probes_failed = 0
        self._has_proxy = False

    @property
    def failing(self) -> bool:
        """Whether the last call that counts failed."""
        return bool(self._failed_instances)

    @property
    def several_failing(self) -> bool:
        """Whether several instances have failed in a row."""
        return len(self._failed_instances) > 1

    def answered(self, now: float) -> float | None:
        """Take note of an answer, of any kind.

        Returns:
            How long the gateway was away, if this ends an outage; else None.

        """
        self.has_answered = True
        was_away = self.circuit is not Circuit.CLOSED
        self.circuit = Circuit.CLOSED
        self._failed_instances.clear()
        self._failures = self._probes_failed = 0
        return now - self._failing_since if was_away else None

    def failed(
        self,
        w_id: str,
        *,
        probe: bool,
        now: float,
        jitter: float,
        by_proxy: bool = False,
        may_be_load: bool = False,
    ) -> bool:
        """Take note of a failed call.

        Arguments:
            w_id: The instance that was called.
            probe: Whether it was the probe.
            now: The time.
            jitter: A random number in [0, 1).
            by_proxy: Whether a proxy answered in the gateway's place.
            may_be_load: Whether the answer may as well mean that the gateway is busy. Then it is
                an outage only if nothing else has been answered for a while.

        Returns:
            Whether this begins an outage.

        """
        self._has_proxy = self._has_proxy or by_proxy
        if probe:
            self._probes_failed += 1
            self._open(now, jitter)
        if self.circuit is not Circuit.CLOSED:
            return False
        if not self._failed_instances:
            self._failing_since = now
        self._failures += 1
        self._failed_instances.add(w_id)
        if self._failures < FAILURES_IN_A_ROW:
            return False
        if (by_proxy or not self.has_answered) and len(self._failed_instances) == 1:
            return False
        if may_be_load and now - self._failing_since < _LONGER_THAN_A_BURST:
            return False
        self._open(now, jitter)
        return True

    def probe_sent(self) -> None:
        """Take note that one call is sent although the circuit is open."""
        self.circuit = Circuit.HALF_OPEN

    def probe_given_up(self, now: float) -> None:
        """Take note that the probe was cancelled: another may be sent at once."""
        if self.circuit is Circuit.HALF_OPEN:
            self.circuit = Circuit.OPEN
            self.probe_at = now

    @property
    def lost_at(self) -> float:
        """When the gateway counts as gone, if it does not answer until then."""
        was_ever_there = self.has_answered or self._has_proxy
        if not was_ever_there and self._probes_failed >= self._retry.attempts:
            return self._failing_since
        return self._failing_since + self._outage_timeout

    def away_for(self, now: float) -> float:
        """Return for how many seconds it has not answered."""
        return now - self._failing_since

    def _open(self, now: float, jitter: float) -> None:
        delay = self._retry.delay(self._probes_failed + 1, jitter=jitter)
        self.circuit = Circuit.OPEN
        self.probe_at = now + min(max(delay, _SHORTEST_BETWEEN_PROBES), _LONGEST_BETWEEN_PROBES)
