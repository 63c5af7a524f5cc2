"""The spans and metrics of a pool: one span an instance, a child of it a call."""

from collections.abc import Callable
from time import time_ns
from typing import Any

from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from wxcontacts_async.events import (
    CallEnded,
    CallSent,
    Event,
    InstanceEnded,
    InstanceRequested,
    InstanceWaiting,
    InstanceWithdrawn,
    RetryScheduled,
)
from wxcontacts_async.instrumentation._opentelemetry.instruments import GATEWAY, Instruments
from wxcontacts_async.instrumentation._sources import counts_of, gateways_of, server_of
from wxcontacts_async.outcomes import Failed, Fetched
from wxcontacts_async.pool import SessionPool

_NANOSECONDS = 1_000_000_000
_METHOD = "POST"
_propagator = TraceContextTextMapPropagator()


class _Trace:
    """The spans of one instance that have not ended.

    Attributes:
        span: Its own.
        context: In which its calls are its children.
        call: That of the call under way; None if there is none, or if it is not recorded.
        call_context: In which that is the current span.

    """

    __slots__ = ("call", "call_context", "call_sent_at", "context", "span")

    def __init__(self, span: Span) -> None:
        self.span = span
        self.context = self.call_context = set_span_in_context(span)
        self.call: Span | None = None
        self.call_sent_at = 0


class PoolObserver:
    """Makes spans and measures of a pool's events.

    Arguments:
        pool: The pool.
        tracer: Makes the spans.
        instruments: Take the measures.

    """

    def __init__(self, pool: SessionPool[Any], tracer: Tracer, instruments: Instruments) -> None:
        self._tracer = tracer
        self._instruments = instruments
        # What does not change from call to call, by gateway.
        self._of_calls = {
            name: _attributes_of_calls(url) for name, url in gateways_of(pool).items()
        }
        self._of_metrics: dict[tuple[str, int | None, str | None], dict[str, Any]] = {}
        # By gateway and wId; a pool asks for one instance once at a time.
        self._traces: dict[tuple[str, str], _Trace] = {}
        self._take: dict[type[Event], Callable[[Any], None]] = {
            InstanceRequested: self._requested,
            CallSent: self._call_sent,
            CallEnded: self._call_ended,
            InstanceWaiting: self._waiting,
            RetryScheduled: self._retrying,
            InstanceEnded: self._ended,
            InstanceWithdrawn: self._withdrawn,
        }

    def __call__(self, event: Event) -> None:
        """Take an event."""
        take = self._take.get(type(event))
        if take is not None:
            take(event)

    def headers(self, event: CallSent) -> dict[str, str]:
        """Return the headers that tell the gateway which trace a call is of."""
        headers: dict[str, str] = {}
        followed = self._traces.get((event.gateway, event.w_id))
        if followed is not None:
            _propagator.inject(headers, followed.call_context)
        return headers

    def _requested(self, event: InstanceRequested) -> None:
        # The current span is that of the caller who asked.
        span = self._tracer.start_span(
            "fetch contacts",
            attributes={GATEWAY: event.gateway, "wxcontacts.instance.id": event.w_id},
        )
        self._traces[event.gateway, event.w_id] = _Trace(span)

    def _call_sent(self, event: CallSent) -> None:
        followed = self._traces.get((event.gateway, event.w_id))
        if followed is not None and followed.span.is_recording():
            followed.call_sent_at = time_ns()
            followed.call = self._tracer.start_span(
                _METHOD,
                followed.context,
                SpanKind.CLIENT,
                self._of_calls[event.gateway],
                start_time=followed.call_sent_at,
            )
            followed.call_context = set_span_in_context(followed.call, followed.context)

    def _call_ended(self, event: CallEnded) -> None:
        followed = self._traces.get((event.gateway, event.w_id))
        self._instruments.requests.record(
            event.seconds,
            self._attributes_of(event),
            None if followed is None else followed.call_context,
        )
        if followed is not None and followed.call is not None:
            span, followed.call = followed.call, None
            followed.call_context = followed.context
            if event.status is not None:
                span.set_attribute("http.response.status_code", event.status)
            if event.resend_count:
                span.set_attribute("http.request.resend_count", event.resend_count)
            if event.error_type is not None:
                span.set_attribute("error.type", event.error_type)
                span.set_status(StatusCode.ERROR)
            # So that its duration is that of the metric.
            span.end(followed.call_sent_at + int(event.seconds * _NANOSECONDS))

    def _attributes_of(self, event: CallEnded) -> dict[str, Any]:
        key = (event.gateway, event.status, event.error_type)
        attributes = self._of_metrics.get(key)
        if attributes is None:
            attributes = self._of_metrics[key] = {
                "http.request.method": event.method,
                "server.address": event.address,
                "server.port": event.port,
            }
            if event.status is not None:
                attributes["http.response.status_code"] = event.status
            if event.error_type is not None:
                attributes["error.type"] = event.error_type
        return attributes

    def _waiting(self, event: InstanceWaiting) -> None:
        followed = self._traces.get((event.gateway, event.w_id))
        if followed is not None:
            followed.span.add_event("initializing", {"wxcontacts.wait.duration": event.delay})

    def _retrying(self, event: RetryScheduled) -> None:
        followed = self._traces.get((event.gateway, event.w_id))
        if followed is not None:
            error_type = type(event.error).__name__
            followed.span.add_event(
                "retry", {"wxcontacts.wait.duration": event.delay, "error.type": error_type}
            )

    def _ended(self, event: InstanceEnded) -> None:
        outcome = event.outcome
        attributes = {GATEWAY: outcome.gateway}
        followed = self._traces.pop((outcome.gateway, outcome.w_id), None)
        if isinstance(outcome, Failed):
            attributes["error.type"] = type(outcome.error).__name__
        else:
            self._count(outcome)
        context = None if followed is None else followed.context
        self._instruments.instances.record(outcome.elapsed, attributes, context)
        if followed is not None:
            span = followed.span
            if isinstance(outcome, Failed):
                span.set_attribute("error.type", attributes["error.type"])
                span.set_status(StatusCode.ERROR, outcome.error.what)
            span.end()

    def _count(self, fetched: Fetched[Any]) -> None:
        counted = counts_of(fetched)
        if counted is None:
            self._instruments.undecoded.add((fetched.gateway, fetched.w_id))
        else:
            for kind, count in counted[0].items():
                self._instruments.contacts[fetched.gateway, kind] += count

    def _withdrawn(self, event: InstanceWithdrawn) -> None:
        followed = self._traces.pop((event.gateway, event.w_id), None)
        if followed is not None:
            if followed.call is not None:  # the pool was left
                followed.call.set_attribute("error.type", "cancelled")
                followed.call.set_status(StatusCode.ERROR)
                followed.call.end()
            followed.span.add_event("withdrawn")
            followed.span.end()


def _attributes_of_calls(base_url: str) -> dict[str, Any]:
    server = server_of(base_url)
    default = 443 if server.scheme == "https" else 80
    return {
        "http.request.method": _METHOD,
        "server.address": server.host,
        "server.port": server.port or default,
        "url.full": base_url.rstrip("/") + "/getAllContact",
    }
