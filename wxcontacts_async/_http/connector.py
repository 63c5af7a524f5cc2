"""aiohttp's connectors: as they are set here, and one that knows what became of each connection."""

import asyncio
import math
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

import aiohttp
from aiohttp.tracing import Trace
from anyio.lowlevel import checkpoint

from wxcontacts_async._http.connection import reading_look
from wxcontacts_async.errors import GatewayConnectionError

if TYPE_CHECKING:
    from aiohttp.connector import Connection

_TICKS_TO_CLOSE = 5
_SPOKEN = frozenset({None, "http/1.1", "http/1.0"})  # None: nothing was negotiated


class ConnectionTap(asyncio.Protocol):
    """Stands between a connection and aiohttp's protocol for it, and passes everything on.

    Arguments:
        inner: aiohttp's.
        socket: The connection's.
        forget: Called when it has ended.

    Attributes:
        is_reused: Whether the call that has the connection is not its first one.
        has_answered: Whether a byte has come back since that call got the connection.
        lost_because: What ended the connection; None if it has not ended, or in order.
        taken_at: When that call got it, in seconds of `time.perf_counter`.
        lost_at: When the connection ended; infinity if it has not.

    """

    __slots__ = (
        "_forget",
        "_inner",
        "_look",
        "has_answered",
        "is_reused",
        "lost_at",
        "lost_because",
        "taken_at",
    )

    def __init__(self, inner: asyncio.Protocol, socket: object, forget: Callable[[], None]) -> None:
        self._inner = inner
        self._look = reading_look(socket)
        self._forget = forget
        self.is_reused = False
        self.has_answered = False
        self.lost_because: Exception | None = None
        self.taken_at = perf_counter()
        self.lost_at = math.inf

    def has_something_to_read(self) -> bool:
        """Tell whether bytes or the end have come that the loop has not seen yet."""
        return bool(self._look())

    def take_again(self) -> None:
        """Take note that another call gets the connection."""
        self.is_reused = True
        self.has_answered = False
        self.taken_at = perf_counter()

    def data_received(self, data: bytes) -> None:
        """Take note that a byte came."""
        self.has_answered = True
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass it on."""
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note of what ended it."""
        self.lost_because = exc
        self.lost_at = perf_counter()
        self._forget()
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass it on."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self._inner.resume_writing()


# Of the connection that the call under way in this task has got.
TAP_OF_CALL: ContextVar[ConnectionTap | None] = ContextVar("tap_of_call", default=None)


class TappingConnector(aiohttp.TCPConnector):
    """Gives each call a connection that is alive, and leaves its tap in TAP_OF_CALL."""

    def __init__(
        self,
        *,
        ssl: aiohttp.Fingerprint | object,
        resolver: aiohttp.abc.AbstractResolver,
        force_close: bool = False,
    ) -> None:
        # The slots limit it already; a second queue here would count as time of the call.
        super().__init__(limit=0, ssl=ssl, resolver=resolver, force_close=force_close)  # type: ignore[arg-type]
        self._transports: set[asyncio.Transport] = set()  # of the connections that have not ended

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  # it is aiohttp's
    ) -> "Connection":
        """Return a connection; one that was kept alive only if the gateway has not closed it."""
        while True:
            connection = await super().connect(req, traces, timeout)
            transport = connection.transport
            if transport is None:
                return connection
            tap = transport.get_protocol()
            if not isinstance(tap, ConnectionTap):
                tap = self._tapped(transport)
                try:
                    check_protocol(transport)
                except GatewayConnectionError:
                    connection.close()
                    raise
            elif tap.has_something_to_read():
                # Between two calls that is the end of the connection, which the loop has yet to
                # see. Each that is closed is one less that is kept, so this ends.
                connection.close()
                continue
            else:
                tap.take_again()
            TAP_OF_CALL.set(tap)
            return connection

    def _tapped(self, transport: asyncio.Transport) -> ConnectionTap:
        tap = ConnectionTap(
            transport.get_protocol(),  # type: ignore[arg-type]  # it is one
            transport.get_extra_info("socket"),
            partial(self._transports.discard, transport),
        )
        self._transports.add(transport)
        # uvloop wants a transport that does not read meanwhile.
        transport.pause_reading()
        transport.set_protocol(tap)
        transport.resume_reading()
        return tap

    async def abort(self) -> None:
        """End what aiohttp closes in order: TLS would wait for a gateway that says nothing more."""
        for transport in list(self._transports):
            transport.abort()
        # That takes a few ticks. asyncio has no way to abort what was closed twice.
        for _ in range(_TICKS_TO_CLOSE):
            if self._transports:
                await checkpoint()


def check_protocol(transport: asyncio.BaseTransport | None) -> None:
    """Raise GatewayConnectionError if the gateway chose a protocol that is not spoken here."""
    tls = None if transport is None else transport.get_extra_info("ssl_object")
    chosen = None if tls is None else tls.selected_alpn_protocol()
    if chosen in _SPOKEN:
        return
    name = "HTTP/2" if chosen == "h2" else repr(chosen)
    what = f"the gateway chose {name}, which the ssl context of the Gateway offers it by ALPN"
    advice = "Offer 'http/1.1' alone: context.set_alpn_protocols(['http/1.1'])."
    raise GatewayConnectionError(what, advice=advice, transient=False)
