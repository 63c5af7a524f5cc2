"""Whether a gateway may be called: not in an outage or a pause, less while it refuses calls."""

import asyncio
import math
import random
from collections.abc import Callable
from time import perf_counter

from wxcontacts_async._dispatch.circuit_breaker import Circuit, CircuitBreaker
from wxcontacts_async._dispatch.pace import Pace, Tally
from wxcontacts_async._observing import Announcer
from wxcontacts_async.errors import (
    GatewayConnectionError,
    GatewayHTTPError,
    GatewayRefusedError,
    GatewayTimeoutError,
    WxContactsError,
)
from wxcontacts_async.events import GatewayDown, GatewayPaused, GatewayUp
from wxcontacts_async.settings import RetryPolicy

# Seconds by which a pause must be longer than the one that was announced, to be another one: the
# calls that were under way when it began are refused as well, each a little later.
_SAME_PAUSE = 1.0
_SEVERAL = 3


class Availability:
    """Admits calls: all, or so many, or one probe at a time, or none.

    All its times are of `time.perf_counter`, which is as fine as calls are short.

    Arguments:
        name: The gateway's name.
        slots: How many calls may be under way.
        outage_timeout: Seconds that instances wait for a gateway that serves none.
        retry: Its delays are those between probes.
        announce: Told of outages and pauses.
        on_admit: Called when a call may be admitted again: any, or the next probe.
        on_lost: Called when no instance is to wait for the gateway any longer.

    Attributes:
        is_unlimited: Whether there is nothing to heed: any call may be sent.
        is_blocked: Whether there is an outage or a pause.
        refuses_for_good: Whether it has refused all calls for load for `outage_timeout`.
        is_probed: Whether a call is under way that was sent to see whether it still is lost.

    """

    def __init__(
        self,
        name: str,
        *,
        slots: int,
        outage_timeout: float,
        retry: RetryPolicy,
        announce: Announcer,
        on_admit: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> None:
        self.is_unlimited = True
        self.is_blocked = False
        self._blocked_at = 0.0
        self._was_blocked_for = 0.0  # seconds, until it was last opened
        self._name = name
        self._outage_timeout = outage_timeout
        self._announce = announce
        self._on_open = on_admit
        self._on_lost = on_lost
        self._breaker = CircuitBreaker(outage_timeout=outage_timeout, retry=retry)
        self._pace = Pace(
            slots=slots,
            first_delay=retry.initial_delay,
            longest_delay=retry.max_delay,
        )
        self._sent_at = self._pace.sent_at
        # The instance whose call is the probe; None unless the circuit is half open.
        self._probe: str | None = None
        self._paused_until = 0.0
        self._announced_until = 0.0
        self._answered_at = -math.inf
        self._last_failure: WxContactsError | None = None
        # When the first call was refused for load since one was served; None if none was. And
        # the instances that were told so in a message since then.
        self._refused_since: float | None = None
        self._throttled: set[str] = set()
        self._last_refusal: WxContactsError | None = None
        self.refuses_for_good = False
        self.is_probed = False
        self._served = self._refused = 0
        self._closed = False
        # Set while it is not unlimited and time alone changes something.
        self._timer: asyncio.TimerHandle | None = None

    @property
    def tally(self) -> Tally:
        """How many calls have been served and refused so far."""
        return Tally(self._served, self._refused)

    @property
    def may_be_busy(self) -> bool:
        """Whether an answer that may mean load does: one that nothing else is known of is not."""
        return self._breaker.has_answered or self._breaker.several_failing

    def admits(self, under_way: int) -> bool:
        """Tell whether one may call now beside the calls under way, be it as the probe."""
        if self.is_unlimited:
            return True
        now = perf_counter()
        if now < self._paused_until:
            return False
        match self._breaker.circuit:
            case Circuit.CLOSED:
                self._unblock(now)
                return self._pace.allows(now, under_way)
            case Circuit.OPEN:
                return now >= self._breaker.probe_at
            case Circuit.HALF_OPEN:
                return False

    def blocked_for(self) -> float:
        """Return for how many seconds it has been blocked so far, in all."""
        if not self.is_blocked:
            return self._was_blocked_for
        return self._was_blocked_for + perf_counter() - self._blocked_at

    def down_for(self) -> float | None:
        """Return for how many seconds the gateway has not answered; None in no outage."""
        if self._breaker.circuit is Circuit.CLOSED:
            return None
        return self._breaker.away_for(perf_counter())

    def paused_for(self) -> float:
        """Return for how many seconds it still asks not to be called."""
        return max(0.0, self._paused_until - perf_counter())

    def call_begins(self, w_id: str) -> None:
        """Take note of a call that was admitted while calls were limited."""
        self.is_probed = self.is_lost
        if self._breaker.circuit is Circuit.OPEN:
            self._breaker.probe_sent()
            self._probe = w_id
        elif self._pace.is_limited:
            self._pace.begun(perf_counter())
            self._set_timer()

    def call_is_sent(self, w_id: str, now: float) -> bool:
        """Take note of a call that is sent; False if it should not be after all, as it was paced.

        Arguments:
            w_id: The instance.
            now: The time, in seconds of `time.perf_counter`.

        """
        if self.is_blocked and not self._may_still(w_id, now):
            return False
        self._sent_at.append(now)
        return True

    def call_answered(self) -> None:
        """Take note that the gateway answered, whatever it was."""
        self.is_probed = False
        now = self._answered_at = perf_counter()
        if not self._breaker.failing:
            self._breaker.has_answered = True
            return
        away = self._breaker.answered(now)
        self._probe = None
        if away is not None:
            # What waits does not go all at once.
            self._pace.paused()
            self.is_unlimited = False
            self._announce(GatewayUp(self._name, away))
            self._look_again()

    def call_served(self) -> None:
        """Take note of an answer that is no refusal for load."""
        self._served += 1
        self.is_probed = False
        if self._refused_since is not None:
            self._refused_since = None
            self.refuses_for_good = False
        if self._throttled:
            self._throttled.clear()
        if not self.is_unlimited:
            self._pace.served(perf_counter())
            self._update_unlimited()

    def call_failed(
        self,
        w_id: str,
        error: WxContactsError,
        *,
        sent_at: float,
        first: bool,
        may_be_load: bool = False,
    ) -> bool:
        """Take note that there was no answer, or a proxy's in the gateway's place.

        A connection that broke or fell silent may be the fault of that instance alone. It counts
        for its first failure in a row only, and if nothing was answered since the call was sent.

        Arguments:
            w_id: The instance that was called.
            error: What became of the call.
            sent_at: When it was sent, in seconds of `time.perf_counter`.
            first: Whether it is the instance's first failure in a row.
            may_be_load: Whether it may as well be a refusal for load.

        Returns:
            Whether that is the gateway's outage rather than the instance's failure.

        """
        self._last_failure = error
        probe = w_id == self._probe
        by_proxy = not isinstance(error, GatewayConnectionError | GatewayTimeoutError)
        if probe or self.refuses_for_good:
            self.is_probed = False
        if probe:
            self._probe = None
        elif error.reached and not (sent_at > self._answered_at and (first or by_proxy)):
            return self._breaker.circuit is not Circuit.CLOSED
        begins = self._breaker.failed(
            w_id,
            probe=probe,
            now=perf_counter(),
            jitter=random.random(),  # noqa: S311  # spreads the load, guards no secret
            by_proxy=by_proxy,
            may_be_load=may_be_load,
        )
        if self._breaker.circuit is Circuit.CLOSED:
            return False
        self._block()
        if begins:
            self._announce(GatewayDown(self._name, error.what))
        return True

    def call_refused(
        self,
        w_id: str,
        error: WxContactsError,
        *,
        sent_at: float,
        under_way: int,
        retry_after: float | None,
        is_news: bool,
    ) -> None:
        """Take note of a call that was refused for load.

        It says nothing of an outage: a proxy may refuse for a gateway that is away.

        Arguments:
            w_id: The instance that was called.
            error: The refusal.
            sent_at: When the call was sent, in seconds of `time.perf_counter`.
            under_way: How many calls were under way, this one included.
            retry_after: Seconds for which the gateway asks not to be called, or None.
            is_news: Whether it is more than one instance that is refused again and again.

        """
        now = perf_counter()
        self._refused += 1
        self.is_probed = False
        if self._refused_since is None:
            self._refused_since = now
        self._last_refusal = error
        if w_id == self._probe:
            self._probe = None
            self._breaker.failed(w_id, probe=True, now=now, jitter=random.random(), by_proxy=True)  # noqa: S311
        if is_news:
            self._pace.refused(now, sent_at=sent_at, under_way=under_way, pause=retry_after or 0.0)
        if retry_after:
            self.pause(retry_after)
        self._update_unlimited()
        self._set_timer()
        if now - self._refused_since >= self._outage_timeout:
            self.refuses_for_good = True
            self._on_lost()

    def call_throttled(self, w_id: str) -> bool:
        """Take note of an instance that was told that its calls are too frequent.

        Returns:
            Whether several instances in a row were told so, so that it is the gateway's load.

        """
        if len(self._throttled) < _SEVERAL:
            self._throttled.add(w_id)
        return len(self._throttled) >= _SEVERAL

    def call_cancelled(self, w_id: str) -> None:
        """Take note that a call came to no end."""
        self.is_probed = False
        if w_id == self._probe:
            self._probe = None
            self._breaker.probe_given_up(perf_counter())
            self._look_again()

    @property
    def is_lost(self) -> bool:
        """Whether no instance is to wait for it any longer, as it has served none for so long."""
        return self._is_away_for_good or self.refuses_for_good

    def lost_error(self) -> WxContactsError:
        """Make the error of an instance that waited in vain."""
        if not self._is_away_for_good:
            return self._refused_error()
        seconds = self._breaker.away_for(perf_counter())
        last = self._last_failure
        reason = "no answer" if last is None else last.what
        what = f"the gateway has not answered for {seconds:.1f} s ({reason})"
        if isinstance(last, GatewayTimeoutError) and last.reached:
            return GatewayTimeoutError(what)
        advice = last.advice if isinstance(last, GatewayConnectionError | GatewayHTTPError) else ""
        return GatewayConnectionError(what, advice=advice)

    def close(self) -> None:
        """Wait for nothing any more, as the pool is left."""
        self._closed = True
        self._cancel_timer()

    @property
    def _is_away_for_good(self) -> bool:
        away = self._breaker.circuit is not Circuit.CLOSED
        return away and perf_counter() >= self._breaker.lost_at

    def _refused_error(self) -> WxContactsError:
        match self._last_refusal:
            case GatewayHTTPError(status=status, retry_after=retry_after):
                return GatewayHTTPError(status, retry_after=retry_after)
            case GatewayRefusedError() as last:
                error = GatewayRefusedError(
                    last.code, last.message, status=last.status, retry_after=last.retry_after
                )
                error.advice = last.advice
                return error
            case _:
                return GatewayConnectionError("the gateway refuses all calls for load")

    def _may_still(self, w_id: str, now: float) -> bool:
        """Tell whether a call that was admitted a while ago may be sent."""
        if now < self._paused_until:
            return False
        return w_id == self._probe or self._breaker.circuit is Circuit.CLOSED

    def pause(self, seconds: float) -> None:
        """Let no call through for so long, as the gateway asks by Retry-After."""
        until = perf_counter() + seconds
        if until <= self._paused_until:
            return
        self._paused_until = until
        self._pace.paused()
        self._block()
        if until > self._announced_until + _SAME_PAUSE:
            self._announced_until = until
            self._announce(GatewayPaused(self._name, seconds))

    def _update_unlimited(self) -> None:
        self.is_unlimited = not self.is_blocked and not self._pace.is_limited

    def _block(self) -> None:
        self.is_unlimited = False
        if not self.is_blocked:
            self.is_blocked = True
            self._blocked_at = perf_counter()
        self._set_timer()

    def _unblock(self, now: float) -> None:
        if self.is_blocked:
            self.is_blocked = False
            self._was_blocked_for += now - self._blocked_at
            self._update_unlimited()

    def _look_again(self) -> None:
        """Do what the time has come for, and see to it that the next time is not missed."""
        now = perf_counter()
        if now >= self._paused_until and self._breaker.circuit is Circuit.CLOSED:
            self._unblock(now)
        if self.is_lost:
            self._on_lost()
        self._on_open()
        # As of before that: what came due meanwhile has not been looked at.
        self._set_timer(now)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self, since: float | None = None) -> None:
        """Look again at the next moment after the present one, or after `since`."""
        self._cancel_timer()
        if self._closed:
            return
        now = perf_counter() if since is None else since
        to_come = [moment for moment in self._moments() if moment > now]
        if to_come:
            loop = asyncio.get_running_loop()
            # A loop's clock may be coarse; too early, it would look in vain and set this again.
            self._timer = loop.call_later(max(min(to_come) - now, 0.001), self._look_again)

    def _moments(self) -> list[float]:
        """Return when time alone may change something."""
        moments = [self._paused_until, max(self._pace.next_at, self._paused_until)]
        if self._breaker.circuit is not Circuit.CLOSED:
            moments.append(self._breaker.lost_at)
        if self._breaker.circuit is Circuit.OPEN:
            moments.append(max(self._breaker.probe_at, self._paused_until))
        return moments
