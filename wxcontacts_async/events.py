"""What happens, as small records, for observers: logging, progress, metrics."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal, TypeAlias

import msgspec

from wxcontacts_async.errors import WxContactsError
from wxcontacts_async.outcomes import Failed, Fetched


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
