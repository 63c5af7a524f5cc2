"""What happens, as small records, for observers: logging, progress, metrics."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal, TypeAlias

import msgspec

from wxcontacts_async.errors import WxContactsError
from wxcontacts_async.outcomes import Failed, Fetched


class InstanceRequested(msgspec.Struct, frozen=True, gc=False):
    """The instance is asked for; all that ask for it until it ends share its calls."""

    w_id: str
    gateway: str


class CallSent(msgspec.Struct, frozen=True, gc=False):
    """A call is about to go out; `call` counts this instance's calls from 1."""

    w_id: str
    gateway: str
    call: int


class CallEnded(msgspec.Struct, frozen=True, gc=False):
    """A call has its answer, which is not decoded yet, or there will be none.

    Each `CallSent` has one, unless the pool is left meanwhile.

    Attributes:
        w_id: The instance.
        gateway: The name of its gateway.
        call: Which of the instance's calls, from 1.
        seconds: How long it took.
        status: The HTTP status; None if no answer came.
        reply_bytes: How large the body was as it came, before decompression.
        resend_count: How often it had been sent before and was not answered as it should be.
        error_type: None if the status is a success; else the status as text, "cancelled", or the
            name of the error's class, such as "GatewayTimeoutError".
        address: The gateway's host, a name or an IP address.
        port: Its port.
        method: The HTTP method.

    """

    w_id: str
    gateway: str
    call: int
    seconds: float
    status: int | None
    reply_bytes: int
    resend_count: int
    error_type: str | None
    address: str
    port: int
    method: str = "POST"


class ReplyReceived(msgspec.Struct, frozen=True, gc=False):
    """A reply was decoded, or could not be, `seconds` after the call, `reply_bytes` long."""

    w_id: str
    gateway: str
    call: int
    reply: Literal["ready", "initializing", "refused", "undecodable"]
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


class InstanceWithdrawn(msgspec.Struct, frozen=True, gc=False):
    """The instance has no outcome: all that asked for it are gone, or the pool was left."""

    w_id: str
    gateway: str


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
    InstanceRequested
    | CallSent
    | CallEnded
    | ReplyReceived
    | InstanceWaiting
    | RetryScheduled
    | InstanceEnded
    | InstanceWithdrawn
    | GatewayDown
    | GatewayUp
    | GatewayPaused
)
Observer: TypeAlias = Callable[[Event], object]
