"""The observer that writes events to the standard `logging`; it is on by default.

Its records go wherever the application sends those of `wxcontacts_async`, and nowhere else.
"""

import logging

from wxcontacts_async.errors import shown_id
from wxcontacts_async.events import (
    CallSent,
    Event,
    GatewayDown,
    GatewayPaused,
    GatewayUp,
    InstanceEnded,
    InstanceWaiting,
    ReplyReceived,
    RetryScheduled,
)
from wxcontacts_async.outcomes import Fetched

_logger = logging.getLogger("wxcontacts_async")
_logger.addHandler(logging.NullHandler())  # else Python prints warnings nobody asked for


def logs_routine() -> bool:
    """Tell whether what is routine is logged at present."""
    return _logger.isEnabledFor(logging.DEBUG)


def log_event(event: Event) -> None:
    """Log one event.

    What is routine at DEBUG, a retry or a pause at INFO, a failed instance or gateway at WARNING.
    """
    match event:
        case GatewayDown():
            _logger.warning(
                "gateway %r does not answer (%s); its instances wait until it does",
                event.gateway,
                event.reason,
            )
            return
        case GatewayUp():
            _logger.warning("gateway %r is back after %.1f s", event.gateway, event.seconds)
            return
        case GatewayPaused():
            _logger.info("gateway %r asks for a pause of %.1f s", event.gateway, event.delay)
            return
        case RetryScheduled():
            _logger.info("calling again in %.1f s: %s", event.delay, event.error)
            return
        case InstanceEnded(outcome=outcome) if not isinstance(outcome, Fetched):
            _logger.warning("%s", outcome.error)
            return
    if logs_routine():
        _log_routine(event)


def _log_routine(event: Event) -> None:
    match event:
        case CallSent():
            _logger.debug(
                "wId %s at gateway %r: call %d",
                shown_id(event.w_id),
                event.gateway,
                event.call,
            )
        case ReplyReceived():
            _logger.debug(
                "wId %s at gateway %r: %s, %d bytes in %.3f s",
                shown_id(event.w_id),
                event.gateway,
                event.reply,
                event.reply_bytes,
                event.seconds,
            )
        case InstanceWaiting():
            _logger.debug(
                "wId %s at gateway %r: initializing, next call in %.1f s",
                shown_id(event.w_id),
                event.gateway,
                event.delay,
            )
        case InstanceEnded(outcome=Fetched() as outcome):
            _logger.debug(
                "wId %s at gateway %r: fetched with %d calls in %.3f s",
                shown_id(outcome.w_id),
                outcome.gateway,
                outcome.calls,
                outcome.elapsed,
            )
