"""One instance on its way to its outcome: what each answer means for it, and what comes next.

The decisions are pure. The dispatcher has the calls sent and waits the waits.
"""

import random
from datetime import UTC, datetime
from typing import Generic

import msgspec

from wxcontacts_async._decoding.verdict import Initializing, Ready, Recognized, Refused
from wxcontacts_async._dispatch.pace import Tally
from wxcontacts_async._recognition import Digested, Undecoded
from wxcontacts_async.contacts import ContactSet, ContactT
from wxcontacts_async.errors import (
    GatewayHTTPError,
    GatewayRefusedError,
    InitializationTimeoutError,
    WxContactsError,
    shown_message,
)
from wxcontacts_async.outcomes import Failed, Fetched
from wxcontacts_async.settings import InitializationWait, RetryPolicy

# Seconds before an instance is called again that is told that its calls are too frequent. They
# double up to one: an instance that is called too often is logged out.
_LEAST_SPARED = 0.05
_NONE_YET = Tally()


class CallAgain(msgspec.Struct, frozen=True):
    """The step that says: wait so many seconds, holding nothing, then call again.

    `error` is what went wrong; None means that the instance is initializing.
    """

    delay: float
    error: WxContactsError | None = None


class InstanceProgress(Generic[ContactT]):
    """What has happened to one instance so far.

    Arguments:
        w_id: The instance.
        gateway: The name of its gateway.
        asked_at: When it was first asked for, in seconds of `time.perf_counter`.
        initialization: How initializing instances are waited for.
        retry: How what may pass is tried again.

    """

    __slots__ = (
        "_answered_calls",
        "_asked_at",
        "_failures",
        "_initialization",
        "_initializing_since",
        "_refusals",
        "_refused_since",
        "_retry",
        "_tally",
        "calls",
        "gateway",
        "not_before",
        "w_id",
        "waited",
    )

    def __init__(
        self,
        w_id: str,
        gateway: str,
        *,
        asked_at: float,
        initialization: InitializationWait,
        retry: RetryPolicy,
    ) -> None:
        self.w_id = w_id
        self.gateway = gateway
        self.calls = 0
        self.waited = 0.0
        # The instance must not be called before this time, be it asked for anew: what it
        # was told, or would have been told to wait. It outlives the outcome.
        self.not_before = 0.0
        self._answered_calls = 0  # as of the last reply
        self._asked_at = asked_at
        self._initialization = initialization
        self._retry = retry
        self._failures = 0  # since the last reply
        # How often it has been told to come back later since any other reply, since when, and how
        # many calls the gateway had served and refused by then.
        self._refusals = 0
        self._refused_since = 0.0
        self._tally = _NONE_YET
        self._initializing_since: float | None = None

    def resume_wait(self, not_before: float, *, now: float) -> None:
        """Take up a wait of the instance's last job that is not over."""
        self.waited = not_before - now
        self.not_before = not_before

    def after_reply(
        self,
        reply: Ready[ContactT] | Recognized[ContactT] | Initializing | Refused,
        *,
        reply_bytes: int,
        now: float,
    ) -> CallAgain | Fetched[ContactT] | Failed:
        """Decide what comes after a reply; `now` is of the same clock as `asked_at`."""
        self._failures = self._refusals = 0
        self._answered_calls = self.calls
        match reply:
            case Ready():
                return self._fetched(reply, reply_bytes, now)
            case Recognized():
                return self._undecoded(reply, reply_bytes, now)
            case Refused():
                return self._failed(GatewayRefusedError(reply.code, reply.message), now)
            case Initializing():
                return self.after_initializing(reply, now=now)

    def _fetched(self, reply: Ready[ContactT], reply_bytes: int, now: float) -> Fetched[ContactT]:
        contacts = _contact_set(self.w_id, reply)
        where, elapsed = (self.w_id, self.gateway), now - self._asked_at
        if not reply.digest:
            return Fetched(*where, contacts, self.calls, self.waited, elapsed, reply_bytes)
        return Digested(
            *where,
            contacts,
            self.calls,
            self.waited,
            elapsed,
            reply_bytes,
            digest=reply.digest,
        )

    def _undecoded(
        self, reply: Recognized[ContactT], reply_bytes: int, now: float
    ) -> Undecoded[ContactT]:
        w_id, decode, at = self.w_id, reply.decode, datetime.now(UTC)
        return Undecoded(
            w_id,
            self.gateway,
            None,  # type: ignore[arg-type]  # a property hides it
            self.calls,
            self.waited,
            now - self._asked_at,
            reply_bytes,
            digest=reply.digest,
            fetched_at=at,
            decode=lambda: msgspec.structs.replace(_contact_set(w_id, decode()), fetched_at=at),
        )

    def after_error(
        self,
        error: WxContactsError,
        *,
        now: float,
    ) -> CallAgain | Failed:
        """Decide what comes after a call that brought no reply."""
        self._take(error)
        self._failures += 1
        retry_after = retry_after_of(error)
        if not error.transient:
            self.not_before = now + (retry_after or 0.0)
            return self._failed(error, now)
        if self._failures >= self._retry.attempts:
            self.not_before = now + (retry_after or 0.0)
            return self._failed(error, now)
        jitter = random.random()  # noqa: S311  # spreads the load, guards no secret
        return self._wait(
            self._retry.delay(self._failures, jitter=jitter, retry_after=retry_after),
            now,
            error,
        )

    def after_refusal(
        self,
        error: WxContactsError,
        *,
        now: float,
        tally: Tally,
        is_final: bool,
        spared: bool = False,
    ) -> CallAgain | Failed:
        """Decide what comes after a call that was refused for load, which costs no attempt.

        Arguments:
            error: The refusal.
            now: The time.
            tally: How many calls the gateway has served and refused so far, this one included.
            is_final: Whether it has waited for long enough.
            spared: Whether it is called with some delay even if the RetryPolicy has none.

        """
        self._take(error)
        if not self._refusals:
            self._refused_since, self._tally = now, tally
        self._refusals += 1
        jitter = random.random()  # noqa: S311  # spreads the load, guards no secret
        delay = self._retry.delay(self._refusals, jitter=jitter, retry_after=retry_after_of(error))
        if spared:
            delay = max(delay, min(_LEAST_SPARED * 2.0 ** min(self._refusals - 1, 64), 1.0))
        if is_final:
            self.not_before = now + delay
            return self._failed(error, now)
        return self._wait(delay, now, error)

    def is_refused_alone(self, tally: Tally, *, times: int = 1, often: int = 1) -> bool:
        """Tell whether it is refused again and again while the gateway serves others.

        Arguments:
            tally: How many calls the gateway has served and refused before its last one.
            times: How many others have been served for each that was refused, at least.
            often: How often it has been refused in a row, at least.

        """
        served = tally.served - self._tally.served
        refused = tally.refused - self._tally.refused - (self._refusals - 1)
        return self._refusals >= often and served >= times * max(refused, 1)

    def refused_for(self, now: float) -> float:
        """Return for how many seconds it has got nothing but refusals."""
        return now - self._refused_since if self._refusals else 0.0

    @property
    def is_failing(self) -> bool:
        """Whether its last call failed."""
        return bool(self._failures)

    @property
    def resend_count(self) -> int:
        """How often the last call had been sent before without a reply."""
        return max(self.calls - self._answered_calls - 1, 0)

    def give_up(self, error: WxContactsError, *, now: float) -> Failed:
        """End without another call."""
        return self._failed(error, now)

    def after_initializing(
        self,
        reply: Initializing,
        *,
        now: float,
        at_least: float = 0.0,
    ) -> CallAgain | Failed:
        """Decide what comes after an "initializing"; `at_least` are seconds that it asks for."""
        self._failures = self._refusals = 0
        self._answered_calls = self.calls
        if self._initializing_since is None:
            self._initializing_since = now
        elapsed = now - self._initializing_since
        wait = self._initialization
        delay = max(wait.interval, at_least)
        if wait.gives_up_after(elapsed + delay - wait.interval):
            self.not_before = now + delay
            what = f"still initializing after {elapsed:.1f} s of at most {wait.timeout:g} s"
            says = f"; the gateway says {shown_message(reply.message)}" if reply.message else ""
            return self._failed(InitializationTimeoutError(what + says), now)
        return self._wait(delay, now, None)

    def _wait(self, delay: float, now: float, error: WxContactsError | None) -> CallAgain:
        self.waited += delay
        self.not_before = now + delay
        return CallAgain(delay, error)

    def _take(self, error: WxContactsError) -> None:
        error.located(w_id=self.w_id, gateway=self.gateway, calls=self.calls)
        # The frames of its traceback hold the reply and the headers; an error outlives the call.
        error.__traceback__ = error.__context__ = None
        if error.__cause__ is not None:
            error.__cause__.__traceback__ = error.__cause__.__context__ = None

    def _failed(self, error: WxContactsError, now: float) -> Failed:
        error.located(w_id=self.w_id, gateway=self.gateway, calls=self.calls)
        return Failed(
            self.w_id,
            self.gateway,
            error,
            self.calls,
            self.waited,
            now - self._asked_at,
        )


def _contact_set(w_id: str, reply: Ready[ContactT]) -> ContactSet[ContactT]:
    return ContactSet(
        w_id,
        reply.official_accounts,
        reply.friends,
        reply.groups,
        reply.rejected,
        flawed=reply.flawed,
    )


def retry_after_of(error: WxContactsError) -> float | None:
    """Return the seconds that an answer asked to wait, or None."""
    if isinstance(error, GatewayHTTPError | GatewayRefusedError):
        return error.retry_after
    return None
