"""What sends calls to one gateway: connections of ours, or aiohttp's session."""

import logging
import os
from typing import Protocol

from anyio.abc import TaskGroup

from wxcontacts_async._http.address import Address
from wxcontacts_async._http.buffers import ReceiveBuffers
from wxcontacts_async._http.calls import Call
from wxcontacts_async._http.direct import DirectClient
from wxcontacts_async._http.link import why_not
from wxcontacts_async._http.session import SessionClient
from wxcontacts_async.errors import InvalidArgumentError
from wxcontacts_async.settings import Gateway

_VARIABLE = "WXCONTACTS_HTTP"
_logger = logging.getLogger("wxcontacts_async")
_told: set[str] = set()


class Client(Protocol):
    """What sends calls to one gateway, and tells each call what becomes of it."""

    def send(self, call: Call) -> None:
        """Send a call, whose `answered`, `failed` or `cancelled` is called later."""

    def abandon(self) -> None:
        """End all calls at once, and tell of them no more."""

    async def close(self) -> None:
        """Close the connections, once all calls have ended."""


def check_environment(gateway: Gateway) -> None:
    """Raise InvalidArgumentError if what the environment says of HTTP cannot be heeded."""
    Address.of(gateway)
    chosen = os.environ.get(_VARIABLE, "")
    if chosen not in {"", "aiohttp"}:
        msg = f"{_VARIABLE} must be 'aiohttp' or not set, not {chosen!r}"
        raise InvalidArgumentError(msg)


def client_of(gateway: Gateway, *, tasks: TaskGroup, buffers: ReceiveBuffers) -> Client:
    """Make the client of a gateway, within a running event loop."""
    address = Address.of(gateway)
    why = _why_by_session(address)
    if why is None:
        return DirectClient(gateway, address, tasks=tasks, buffers=buffers)
    if why not in _told:
        _told.add(why)
        _logger.info("calls are sent by aiohttp's session, as %s", why)
    return SessionClient(gateway, address, tasks=tasks)


def _why_by_session(address: Address) -> str | None:
    if os.environ.get(_VARIABLE) == "aiohttp":
        return f"{_VARIABLE} says so"
    if address.proxy is not None:
        return "a gateway has a proxy"
    return why_not()
