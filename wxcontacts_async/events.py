"""What happens, as small records, to whoever observes: logging, progress, metrics."""

import inspect
import logging
from asyncio import CancelledError
from collections.abc import Callable, Iterable
from contextlib import suppress
from contextvars import copy_context
from datetime import datetime
from typing import Any, Literal, TypeAlias

import msgspec

from wxcontacts_async.errors import InvalidArgumentError, WxContactsError
from wxcontacts_async.outcomes import Failed, Fetched

_logger = logging.getLogger("wxcontacts_async")


class CallSent(msgspec.Struct, frozen=True, gc=False):
    """A call is about to go out; `call` counts this instance's calls from 1."""

    w_id: str
    gateway: str
    call: int


class ReplyReceived(msgspec.Struct, frozen=True, gc=False):
    """A reply arrived and was decoded, `seconds` after the call, `reply_bytes` long."""

    w_id: str
    gateway: str
    call: int
    reply: Literal["ready", "initializing", "refused"]
    seconds: float
    reply_bytes: int


class InstanceWaiting(msgspec.Struct, frozen=True, gc=False):
    """The instance is initializing: it is called again in `delay` seconds, not before `until`."""

    w_id: str
    gateway: str
    call: int
    delay: float
    until: datetime


class RetryScheduled(msgspec.Struct, frozen=True):
    """A call failed with `error`: it is sent again in `delay` seconds, not before `until`."""

    w_id: str
    gateway: str
    call: int
    delay: float
    until: datetime
    error: WxContactsError


class InstanceEnded(msgspec.Struct, frozen=True):
    """The instance has its outcome."""

    outcome: Fetched[Any] | Failed


class GatewayDown(msgspec.Struct, frozen=True, gc=False):
    """The gateway does not answer; `reason` is what became of the last call.

    Its instances wait, their attempts unspent, while one probe at a time finds out when it is
    back.
    """

    gateway: str
    reason: str


class GatewayUp(msgspec.Struct, frozen=True, gc=False):
    """The gateway answers again, `seconds` after it ceased to; its instances go on."""

    gateway: str
    seconds: float


class GatewayPaused(msgspec.Struct, frozen=True, gc=False):
    """The gateway asks for a pause (429 or 503 with Retry-After): no call for `delay` seconds."""

    gateway: str
    delay: float


Event: TypeAlias = (  # `type` needs Python 3.12
    CallSent
    | ReplyReceived
    | InstanceWaiting
    | RetryScheduled
    | InstanceEnded
    | GatewayDown
    | GatewayUp
    | GatewayPaused
)
Observer: TypeAlias = Callable[[Event], object]


def _returns_a_coroutine(observer: Observer) -> bool:
    return inspect.iscoroutinefunction(observer) or inspect.iscoroutinefunction(
        getattr(observer, "__call__", None),  # noqa: B004  # the method itself
    )


class Announcer:
    """Tells every observer what happens; one that raises is logged once and hurts nobody.

    Arguments:
        observers: The caller's.
        log: The observer that is told before them.
        logs_routine: Tells whether `log` does anything with what is routine at the moment.

    Raises:
        InvalidArgumentError: `observers` is not iterable, or one of them cannot be called, or
            is a coroutine function, which nobody would await.

    """

    def __init__(
        self,
        observers: Iterable[Observer],
        *,
        log: Observer,
        logs_routine: Callable[[], bool],
    ) -> None:
        self._logs_routine = logs_routine
        try:
            self._observers = (log, *observers)
        except TypeError:
            msg = f"observers must be an iterable of callables, not {observers!r}"
            raise InvalidArgumentError(msg, argument="observers") from None
        for observer in self._observers:
            if not callable(observer) or _returns_a_coroutine(observer):
                msg = f"observers must be plain callables, which {observer!r} is not"
                raise InvalidArgumentError(msg, argument="observers")
        self._known_to_raise: set[int] = set()
        self._context = copy_context()

    @property
    def tells_routine(self) -> bool:
        """Whether anybody wants what happens at every call: those events need not be made else."""
        return len(self._observers) > 1 or self._logs_routine()

    def __call__(self, event: Event) -> None:
        """Tell them of one event, at once, in the context (contextvars) that the pool was made in.

        Else it would be that of whoever happens to read a stream.
        """
        for observer in self._observers:
            # An observer's bug must not hurt a fetch. A CancelledError is such a bug here, since
            # nothing is awaited that could be cancelled.
            try:
                self._context.run(observer, event)
            except (Exception, CancelledError) as error:  # noqa: BLE001
                if id(observer) in self._known_to_raise:
                    continue
                self._known_to_raise.add(id(observer))
                with suppress(Exception):  # of a logging filter
                    # Its message and traceback may show the event, and with it a contact.
                    _logger.error(  # noqa: TRY400
                        "observer %s raised %s; it goes on, its errors are not logged again",
                        getattr(observer, "__qualname__", type(observer).__qualname__),
                        type(error).__name__,
                    )
