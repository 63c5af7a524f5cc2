"""Passes events on: to the observers, and to the standard `logging`, which is on by default.

Its records go wherever the application sends those of `wxcontacts_async`, and nowhere else.
"""

import inspect
import logging
from asyncio import CancelledError
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from contextvars import Context, copy_context
from typing import Any, Generic, TypeAlias, TypeVar

from wxcontacts_async.errors import InvalidArgumentError, shown_id
from wxcontacts_async.events import (
    CallEnded,
    CallSent,
    Event,
    GatewayDown,
    GatewayPaused,
    GatewayUp,
    InstanceEnded,
    InstanceRequested,
    InstanceWaiting,
    InstanceWithdrawn,
    Observer,
    ReplyReceived,
    RetryScheduled,
)
from wxcontacts_async.outcomes import Failed, Fetched

_logger = logging.getLogger("wxcontacts_async")
_logger.addHandler(logging.NullHandler())  # else Python would print warnings

EventT = TypeVar("EventT")
# What is logged for debugging alone, or not at all.
_ROUTINE = frozenset(
    {InstanceRequested, CallSent, CallEnded, ReplyReceived, InstanceWaiting, InstanceWithdrawn}
)
# Gives the further headers of a call.
HeaderSource: TypeAlias = Callable[[CallSent], Mapping[str, str]]


def _returns_a_coroutine(observer: Observer) -> bool:
    return inspect.iscoroutinefunction(observer) or inspect.iscoroutinefunction(
        getattr(observer, "__call__", None),  # noqa: B004  # the method itself
    )


class Observers(Generic[EventT]):
    """Tells every observer what happens; one that raises is logged once and disturbs no other."""

    def __init__(self) -> None:
        self._observers: tuple[Callable[[EventT], object], ...] = ()
        self._known_to_raise: set[int] = set()

    def __bool__(self) -> bool:
        return bool(self._observers)

    def add(self, observer: Callable[[EventT], object]) -> None:
        """Tell one more observer from now on."""
        self._observers = (*self._observers, observer)

    def tell(self, event: EventT, context: Context) -> None:
        """Tell them of one event, at once, in a context (contextvars)."""
        for observer in self._observers:
            self._run(observer, event, context)

    def _run(self, observer: Callable[[EventT], object], event: EventT, context: Context) -> None:
        # An observer's bug must not hurt a fetch. A CancelledError is such a bug here, since
        # nothing is awaited that could be cancelled.
        try:
            context.run(observer, event)
        except (Exception, CancelledError) as error:  # noqa: BLE001
            self._log_error(observer, error)

    def _log_error(self, observer: Callable[..., object], error: BaseException) -> None:
        """Log once that an observer raises."""
        if id(observer) in self._known_to_raise:
            return
        self._known_to_raise.add(id(observer))
        with suppress(Exception):  # of a logging filter
            # Its message and traceback may show the event, and with it a contact.
            _logger.error(
                "observer %s raised %s; it goes on, its errors are not logged again",
                getattr(observer, "__qualname__", type(observer).__qualname__),
                type(error).__name__,
            )


class Announcer(Observers[Event]):
    """Tells the observers of a pool, and the log.

    Arguments:
        observers: The caller's; the log is told before them.

    Raises:
        InvalidArgumentError: `observers` is not iterable, or one of them cannot be called, or
            is a coroutine function, which would not be awaited.

    """

    def __init__(self, observers: Iterable[Observer]) -> None:
        super().__init__()
        try:
            self._observers = tuple(observers)
        except TypeError:
            msg = f"observers must be an iterable of callables, not {observers!r}"
            raise InvalidArgumentError(msg, argument="observers") from None
        for observer in self._observers:
            if not callable(observer) or _returns_a_coroutine(observer):
                msg = f"observers must be plain callables, which {observer!r} is not"
                raise InvalidArgumentError(msg, argument="observers")
        self._header_sources: tuple[HeaderSource, ...] = ()
        self._context = copy_context()

    @property
    def tells_routine(self) -> bool:
        """Whether an observer wants routine events, which need not be made else."""
        return bool(self._observers) or _logger.isEnabledFor(logging.DEBUG)

    def add_headers(self, source: HeaderSource) -> None:
        """Send each call with further headers, asked for once observers have been told of it."""
        self._header_sources = (*self._header_sources, source)

    def __call__(self, event: Event, context: Context | None = None) -> None:
        """Tell them of one event, at once, in a context (contextvars).

        Arguments:
            event: The event.
            context: That of the caller who asked for the instance; None is that in which the pool
                was made. Else it would be that of the task that happens to read a stream.

        """
        context = context or self._context
        if type(event) not in _ROUTINE or _logs_routine():
            self._run(_log, event, context)
        self.tell(event, context)

    def headers(self, event: CallSent, context: Context | None) -> dict[str, str] | None:
        """Return the further headers of a call; None if there are none."""
        if not self._header_sources:
            return None
        context = context or self._context
        headers: dict[str, str] = {}
        for source in self._header_sources:
            try:
                headers.update(context.run(source, event))
            except (Exception, CancelledError) as error:  # noqa: BLE001  # as of an observer
                self._log_error(source, error)
        return headers


def _logs_routine() -> bool:
    return _logger.isEnabledFor(logging.DEBUG)


def _log(event: Event) -> None:  # noqa: C901  # one a kind of event
    """Log one event.

    What is routine at DEBUG, a retry or a pause at INFO, a failed instance or gateway at WARNING.
    """
    match event:
        case InstanceEnded(outcome=Fetched() as outcome):
            what = "fetched with %d calls in %.3f s"
            _log_routine(outcome, what, outcome.calls, outcome.elapsed)
        case InstanceEnded(outcome=Failed() as outcome):
            _logger.warning("%s", outcome.error)
        case GatewayDown():
            what = "gateway %r does not answer (%s); its instances wait until it does"
            _logger.warning(what, event.gateway, event.reason)
        case GatewayUp():
            _logger.warning("gateway %r is back after %.1f s", event.gateway, event.seconds)
        case GatewayPaused():
            _logger.info("gateway %r asks for a pause of %.1f s", event.gateway, event.delay)
        case RetryScheduled():
            _logger.info("calling again in %.1f s: %s", event.delay, event.error)
        case CallSent():
            _log_routine(event, "call %d", event.call)
        case CallEnded(error_type=str() as error_type):
            _log_routine(event, "call %d ended: %s", event.call, error_type)
        case ReplyReceived():
            what = "%s, %d bytes in %.3f s"
            _log_routine(event, what, event.reply, event.reply_bytes, event.seconds)
        case InstanceWaiting():
            _log_routine(event, "initializing, next call in %.1f s", event.delay)


def _log_routine(
    of: CallSent | CallEnded | ReplyReceived | InstanceWaiting | Fetched[Any],
    what: str,
    *values: object,
) -> None:
    if _logs_routine():
        message = f"wId %s at gateway %r: {what}"
        _logger.debug(message, shown_id(of.w_id), of.gateway, *values)
