"""What an answer, or its absence, means: for the instance that was called, and for its gateway."""

from collections.abc import Callable
from time import perf_counter
from typing import Generic, TypeAlias

import msgspec

from wxcontacts_async._decoding.verdict import (
    DecodedReply,
    Initializing,
    Refused,
    Throttled,
    Unready,
)
from wxcontacts_async._dispatch.availability import Availability
from wxcontacts_async._dispatch.progress import CallAgain, InstanceProgress, retry_after_of
from wxcontacts_async._http.reply_body import ReplyBody
from wxcontacts_async._http.translation import (
    CERTIFICATE_ADVICE,
    SPEAKS_TLS,
    SPEAKS_TLS_ADVICE,
    WANTS_CERTIFICATE,
)
from wxcontacts_async.contacts import ContactT
from wxcontacts_async.errors import (
    GatewayConnectionError,
    GatewayHTTPError,
    GatewayRefusedError,
    GatewayTimeoutError,
    WxContactsError,
    own_error,
)
from wxcontacts_async.outcomes import Failed, Fetched


class Requeue(msgspec.Struct, frozen=True):
    """The step that says: call as soon as the gateway lets it, as if nothing had been sent."""


REQUEUE = Requeue()
# What follows for the instance.
Step: TypeAlias = CallAgain | Fetched[ContactT] | Failed | Requeue

_LONGEST_RETRY_AFTER = 3600.0
_BAD_REQUEST, _TOO_MANY_REQUESTS, _UNAVAILABLE = 400, 429, 503
# What a proxy answers in place of a gateway that is away; 52x and 530 are Cloudflare's, 598
# and 599 of no standard and in use all the same.
_OUTAGES = frozenset({502, 503, 504, *range(520, 528), 530, 598, 599})
# How many others are served for each that is refused, and how often an instance is refused in a
# row, where that is not for the gateway's load: by chance it would be once in 15,000.
_MANY_TIMES, _OFTEN = 4, 6
_FEW_TIMES = 3  # from then on its refusals do not slow the others
_THROTTLED_ADVICE = "It is told that its calls are too frequent: fetch this instance less often."
# What nginx, Tomcat and Apache write with their status 400.
_PLAIN_AT_TLS = (
    b"plain HTTP request was sent to HTTPS port",
    b"combination of host and port requires TLS",
    b"speaking plain HTTP to an SSL-enabled server port",
)
_NO_CERTIFICATE = (b"No required SSL certificate was sent", b"The SSL certificate error")


class Answers(Generic[ContactT]):
    """Tells what follows from the answers of one gateway.

    Arguments:
        availability: Told what each says of the gateway.
        outage_timeout: Seconds that an instance waits, being refused again and again.
        under_way: Tells how many calls are under way.
        verdict: Tells what the body of an answer says that is no success.

    """

    def __init__(
        self,
        availability: Availability,
        *,
        outage_timeout: float,
        under_way: Callable[[], int],
        verdict: Callable[[bytes, str], Unready | None],
    ) -> None:
        self._availability = availability
        self._outage_timeout = outage_timeout
        self._under_way = under_way
        self._verdict = verdict

    def after_reply(
        self,
        progress: InstanceProgress[ContactT],
        reply: DecodedReply[ContactT],
        *,
        sent_at: float,
        reply_bytes: int,
    ) -> Step[ContactT]:
        """Tell what follows from a reply with a status of success.

        Arguments:
            progress: The instance's.
            reply: What it was answered.
            sent_at: When the call was sent, in seconds of `time.perf_counter`.
            reply_bytes: The size of the body.

        """
        if isinstance(reply, Throttled):
            error = GatewayRefusedError(reply.code, reply.message)
            return self._after_throttled(progress, error, sent_at)
        self._availability.call_served()
        return progress.after_reply(reply, reply_bytes=reply_bytes, now=perf_counter())

    def after_problem(  # noqa: PLR0911  # one a cause
        self,
        progress: InstanceProgress[ContactT],
        body: ReplyBody,
        sent_at: float,
    ) -> Step[ContactT]:
        """Tell what follows from an answer with another status; its body counts first."""
        text = b"".join(body.pieces)
        try:
            verdict = self._verdict(text, body.content_type)
        except WxContactsError as raised:  # by a predicate that the caller gave
            return self._after_answer(progress, raised)
        if isinstance(verdict, Initializing):
            self._availability.call_answered()
            self._availability.call_served()
            return progress.after_initializing(
                verdict, now=perf_counter(), at_least=body.retry_after or 0.0
            )
        error = _problem(body, text, verdict)
        status = body.status
        if status in _OUTAGES and self._is_outage(progress, error, sent_at, status):
            if error.transient and body.retry_after:
                self._availability.pause(body.retry_after)
            return self._while_away(progress)
        if isinstance(verdict, Throttled):
            self._availability.call_answered()
            return self._after_throttled(progress, error, sent_at)
        if error.transient and self._is_for_load(status):
            return self._after_load(progress, error, sent_at)
        if status not in _OUTAGES:
            return self._after_answer(progress, error)
        return progress.after_error(error, now=perf_counter())

    def _after_answer(
        self,
        progress: InstanceProgress[ContactT],
        error: WxContactsError,
    ) -> CallAgain | Failed:
        """Tell what follows from an answer that is that instance's alone."""
        self._availability.call_answered()
        self._availability.call_served()
        return progress.after_error(error, now=perf_counter())

    def after_failure(
        self,
        progress: InstanceProgress[ContactT],
        error: Exception,
        sent_at: float,
    ) -> Step[ContactT]:
        """Tell what follows from a call that brought no answer, or none that can be read."""
        match error:
            case GatewayConnectionError() | GatewayTimeoutError() if error.transient:
                if self._is_outage(progress, error, sent_at):
                    return self._while_away(progress)
            case GatewayHTTPError(transient=True):  # a proxy's, to its CONNECT
                if self._is_outage(progress, error, sent_at):
                    return self._while_away(progress)
            case WxContactsError():
                return self._after_answer(progress, error)
            case _:  # nothing is known of the gateway
                self._availability.call_cancelled(progress.w_id)
        return progress.after_error(own_error(error), now=perf_counter())

    def _is_outage(
        self,
        progress: InstanceProgress[ContactT],
        error: WxContactsError,
        sent_at: float,
        status: int | None = None,
    ) -> bool:
        return self._availability.call_failed(
            progress.w_id,
            error,
            sent_at=sent_at,
            first=not progress.is_failing,
            may_be_load=status == _UNAVAILABLE,
        )

    def _while_away(self, progress: InstanceProgress[ContactT]) -> Failed | Requeue:
        if not self._availability.is_lost:
            return REQUEUE
        return progress.give_up(self._availability.lost_error(), now=perf_counter())

    def _is_for_load(self, status: int) -> bool:
        busy = status == _UNAVAILABLE and self._availability.may_be_busy
        return status == _TOO_MANY_REQUESTS or busy

    def _after_throttled(
        self,
        progress: InstanceProgress[ContactT],
        error: WxContactsError,
        sent_at: float,
    ) -> Step[ContactT]:
        """Tell what follows from a message that calls are too frequent.

        It is about that instance, unless several in a row are told so.
        """
        error.advice = _THROTTLED_ADVICE
        error.transient = True
        if self._availability.call_throttled(progress.w_id):
            return self._after_load(progress, error, sent_at)
        now = perf_counter()
        return progress.after_refusal(
            error,
            now=now,
            tally=self._availability.tally,
            is_final=progress.refused_for(now) >= self._outage_timeout,
            spared=True,
        )

    def _after_load(
        self,
        progress: InstanceProgress[ContactT],
        error: WxContactsError,
        sent_at: float,
    ) -> Step[ContactT]:
        """Tell what follows from a refusal for load, which is the gateway's and not the instance's.

        One that is refused again and again while all others are served does not slow these down,
        nor does it wait for ever.
        """
        now = perf_counter()
        tally = self._availability.tally
        self._availability.call_refused(
            progress.w_id,
            error,
            sent_at=sent_at,
            under_way=self._under_way(),
            retry_after=retry_after_of(error),
            is_news=not progress.is_refused_alone(tally, often=_FEW_TIMES),
        )
        has_waited = progress.refused_for(now) >= self._outage_timeout
        is_alone = progress.is_refused_alone(tally, times=_MANY_TIMES, often=_OFTEN)
        return progress.after_refusal(
            error,
            now=now,
            tally=self._availability.tally,
            is_final=(has_waited and is_alone) or self._availability.refuses_for_good,
        )


def _problem(body: ReplyBody, text: bytes, verdict: Unready | None) -> WxContactsError:
    """Make the error of an answer that is no success."""
    error: GatewayHTTPError | GatewayRefusedError
    if isinstance(verdict, Refused | Throttled):
        error = GatewayRefusedError(
            verdict.code,
            verdict.message,
            status=body.status,
            retry_after=body.retry_after,
        )
    elif body.status == _BAD_REQUEST and (tls_error := _tls_error(text)):
        return tls_error
    else:
        error = GatewayHTTPError(body.status, retry_after=body.retry_after)
    if error.transient and (body.retry_after or 0.0) > _LONGEST_RETRY_AFTER:
        error.transient = False
        error.advice = f"The gateway asks to come back in {body.retry_after:.0f} s; do so then."
    return error


def _tls_error(text: bytes) -> GatewayConnectionError | None:
    """Return what a server means that speaks of TLS in the body of its answer."""
    if any(said in text for said in _PLAIN_AT_TLS):
        what, advice = SPEAKS_TLS, SPEAKS_TLS_ADVICE
    elif any(said in text for said in _NO_CERTIFICATE):
        what, advice = WANTS_CERTIFICATE, CERTIFICATE_ADVICE
    else:
        return None
    return GatewayConnectionError(
        f"HTTP status {_BAD_REQUEST}: {what}", advice=advice, transient=False
    )
