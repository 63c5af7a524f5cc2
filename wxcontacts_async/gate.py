"""The gate to one gateway: shut during an outage, and while the gateway asks for a pause."""

import asyncio
import math
import random
from collections.abc import Callable
from time import monotonic, perf_counter

from wxcontacts_async.backoff import RetryPolicy
from wxcontacts_async.breaker import Circuit, CircuitBreaker
from wxcontacts_async.errors import GatewayConnectionError, WxContactsError
from wxcontacts_async.events import Announcer, GatewayDown, GatewayPaused, GatewayUp


class GatewayGate:
    """Lets calls through, or one probe at a time, or none.

    Arguments:
        name: The gateway's name.
        outage_timeout: Seconds that instances wait for a gateway that does not answer.
        retry: Its delays are those between probes.
        announce: Told of outages and pauses.
        on_open: Called when somebody may call again: everybody, or the next probe.
        on_gone: Called when whoever waits for the gateway is to wait no longer.

    Attributes:
        shut: Whether there is anything to heed: if not, everybody may call.

    """

    def __init__(
        self,
        name: str,
        *,
        outage_timeout: float,
        retry: RetryPolicy,
        announce: Announcer,
        on_open: Callable[[], None],
        on_gone: Callable[[], None],
    ) -> None:
        self.shut = False
        self._shut_at = 0.0
        self._was_shut_for = 0.0  # seconds, until it was last opened
        self._name = name
        self._announce = announce
        self._on_open = on_open
        self._on_gone = on_gone
        self._breaker = CircuitBreaker(outage_timeout=outage_timeout, retry=retry)
        # The instance whose call is the probe; None unless the circuit is half open.
        self._probe: str | None = None
        self._paused_until = 0.0
        self._answered_at = -math.inf
        self._last_failure = ""
        self._closed = False
        # Set while it is shut and time alone changes something.
        self._timer: asyncio.TimerHandle | None = None

    def lets_call(self) -> bool:
        """Tell whether one may call now, be it as the probe."""
        if not self.shut:
            return True
        now = monotonic()
        if now < self._paused_until:
            return False
        match self._breaker.circuit:
            case Circuit.CLOSED:
                self.shut = False
                self._was_shut_for += now - self._shut_at
                return True
            case Circuit.OPEN:
                return now >= self._breaker.probe_at
            case Circuit.HALF_OPEN:
                return False

    def shut_for(self) -> float:
        """Return for how many seconds it has been shut so far, in all."""
        if not self.shut:
            return self._was_shut_for
        return self._was_shut_for + monotonic() - self._shut_at

    def call_begins(self, w_id: str) -> None:
        """Take note of a call that was let through."""
        if self._breaker.circuit is Circuit.OPEN:
            self._breaker.probe_sent()
            self._probe = w_id

    def holds_back(self, w_id: str) -> bool:
        """Tell whether a call that was let through a while ago should not be sent after all."""
        return self.shut and w_id != self._probe and not self.lets_call()

    def call_answered(self) -> None:
        """Take note that the gateway answered, whatever it was."""
        self._answered_at = perf_counter()
        if not self._breaker.failing:
            self._breaker.has_answered = True
            return
        away = self._breaker.answered(monotonic())
        self._probe = None
        if away is not None:
            self._announce(GatewayUp(self._name, away))
            self._look_again()

    def call_failed(
        self,
        w_id: str,
        error: WxContactsError,
        *,
        sent_at: float,
        first: bool,
    ) -> bool:
        """Take note that there was no answer.

        A connection that broke or fell silent may be the fault of that instance alone. It counts
        for its first failure in a row only, and if nobody was answered since the call was sent.

        Arguments:
            w_id: The instance that was called.
            error: What became of the call.
            sent_at: When it was sent, in seconds of `time.perf_counter`.
            first: Whether it is the instance's first failure in a row.

        Returns:
            Whether that is the gateway's outage rather than the instance's failure.

        """
        self._last_failure = error.what
        probe = w_id == self._probe
        if probe:
            self._probe = None
        elif error.reached and not (first and sent_at > self._answered_at):
            return self._breaker.circuit is not Circuit.CLOSED
        begins = self._breaker.failed(
            w_id,
            probe=probe,
            now=monotonic(),
            jitter=random.random(),  # noqa: S311  # spreads the load, guards no secret
        )
        if self._breaker.circuit is Circuit.CLOSED:
            return False
        self._shut()
        if begins:
            self._announce(GatewayDown(self._name, error.what))
        return True

    def call_cancelled(self, w_id: str) -> None:
        """Take note that a call came to no end."""
        if w_id == self._probe:
            self._probe = None
            self._breaker.probe_given_up(monotonic())
            self._look_again()

    def pause(self, seconds: float) -> None:
        """Let nobody call for so long, as the gateway asks (429 or 503 with Retry-After)."""
        until = monotonic() + seconds
        if until <= self._paused_until:
            return
        self._paused_until = until
        self._shut()
        self._announce(GatewayPaused(self._name, seconds))

    @property
    def gone(self) -> bool:
        """Whether the outage has lasted for so long that nobody is to wait for its end."""
        return self._breaker.circuit is not Circuit.CLOSED and monotonic() >= self._breaker.gone_at

    def gone_error(self) -> GatewayConnectionError:
        """Make the error of an instance that waited in vain."""
        seconds = self._breaker.away_for(monotonic())
        what = f"the gateway has not answered for {seconds:.1f} s ({self._last_failure})"
        return GatewayConnectionError(what)

    def close(self) -> None:
        """Wait for nothing any more, as the pool is left."""
        self._closed = True
        self._cancel_timer()

    def _shut(self) -> None:
        if not self.shut:
            self.shut = True
            self._shut_at = monotonic()
        self._set_timer()

    def _look_again(self) -> None:
        """Do what the time has come for, and see to it that the next time is not missed."""
        if self.gone:
            self._on_gone()
        if self.lets_call():
            self._on_open()
        self._set_timer()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self) -> None:
        self._cancel_timer()
        if self._closed or not self.shut:
            return
        now = monotonic()
        moments = [self._paused_until]
        if self._breaker.circuit is not Circuit.CLOSED:
            moments.append(self._breaker.gone_at)
        if self._breaker.circuit is Circuit.OPEN:
            moments.append(max(self._breaker.probe_at, self._paused_until))
        to_come = [moment for moment in moments if moment > now]
        if to_come:
            loop = asyncio.get_running_loop()
            # A loop's clock may be coarse; too early, it would look in vain and set this again.
            self._timer = loop.call_later(max(min(to_come) - now, 0.001), self._look_again)
