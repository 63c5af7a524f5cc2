"""One gateway: its settings, and its session, which sends one call and brings back the body."""

import asyncio
import os
import re
import ssl as tls
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType

import aiohttp
import msgspec
from aiohttp.client_proto import ResponseHandler
from aiohttp.tracing import Trace
from aiolimiter import AsyncLimiter
from yarl import URL

from wxcontacts_async.arguments import check_number
from wxcontacts_async.backoff import parse_retry_after
from wxcontacts_async.errors import (
    GatewayConnectionError,
    GatewayHTTPError,
    GatewayTimeoutError,
    InvalidArgumentError,
    ReplyDecodeError,
    ReplyTooLargeError,
    WxContactsError,
)
from wxcontacts_async.wire import encode_request

_MEBIBYTE = 1024 * 1024
_OK, _REDIRECTION = 200, 300
_LONGEST_RETRY_AFTER = 3600.0
_LOWEST_RATE = 0.0001
# Compiled when a header is first checked: most gateways have none.
_HEADER_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_UNSAFE_IN_HEADER_VALUE = r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]"
# What becomes of a call on a connection that is closed. (A TimeoutError is an OSError, too.)
_BROKEN = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionError)
_OWN_HEADERS = frozenset({"content-type", "content-length", "transfer-encoding", "host"})


@dataclass(frozen=True, slots=True)
class Gateway:
    """Where the instances are: an HTTP server that answers `POST {base_url}/getAllContact`.

    Arguments:
        base_url: http or https, with or without a path prefix or a trailing slash; no query, no
            credentials (these belong into `headers`).
        headers: Sent with every call, to this gateway alone; never logged, never redirected.
        max_concurrency: Slots: how many calls may be under way at once, at least 1.
        max_rate: Calls a second at most, at least 0.0001; they are spread evenly. None is no
            limit.
        connect_timeout: Seconds to find the host, connect and shake hands, above 0.
        request_timeout: Seconds for one call in all, connecting and reading included, above 0.
        max_reply_bytes: The largest body that is read, after decompression, at least 1.
        outage_timeout: Seconds, at least 0: how long instances wait for a gateway that has ceased
            to answer, before they fail with GatewayConnectionError. Their attempts are not spent
            meanwhile, and one probe at a time finds out when it is back.
        ssl: True verifies certificates; an `ssl.SSLContext` does as it is made to; False
            verifies nothing.

    Raises:
        InvalidArgumentError: An argument is out of its bounds.

    """

    base_url: str
    _: KW_ONLY
    headers: Mapping[str, str] | None = field(default=None, repr=False, hash=False)
    max_concurrency: int = 32
    max_rate: float | None = None
    connect_timeout: float = 10.0
    request_timeout: float = 60.0
    max_reply_bytes: int = 64 * _MEBIBYTE
    outage_timeout: float = 120.0
    ssl: tls.SSLContext | bool = True

    def __post_init__(self) -> None:
        _check_base_url(self.base_url)
        check_number("max_concurrency", self.max_concurrency, at_least=1, whole=True)
        check_number("max_rate", self.max_rate, at_least=_LOWEST_RATE, optional=True)
        check_number("connect_timeout", self.connect_timeout, above=0)
        check_number("request_timeout", self.request_timeout, above=0)
        check_number("max_reply_bytes", self.max_reply_bytes, at_least=1, whole=True)
        check_number("outage_timeout", self.outage_timeout, at_least=0)
        if not isinstance(self.ssl, bool | tls.SSLContext):
            msg = f"ssl must be True, False or an ssl.SSLContext, not {self.ssl!r}"
            raise InvalidArgumentError(msg)
        if self.headers is not None:
            _check_headers(self.headers)
            # A copy, so that what was checked is what is sent.
            object.__setattr__(self, "headers", MappingProxyType(dict(self.headers)))


def _check_base_url(base_url: object) -> None:
    # The URL is not shown whole, since it may hold credentials.
    if not isinstance(base_url, str):
        msg = f"base_url must be a str, not {type(base_url).__name__}"
        raise InvalidArgumentError(msg)
    try:
        url = URL(base_url)
    except ValueError:
        msg = "base_url is no URL; it must be like 'http://localhost:18081'"
        raise InvalidArgumentError(msg) from None
    if url.scheme not in {"http", "https"} or not url.host:
        msg = "base_url must begin with http:// or https:// and name a host"
    elif url.user is not None or url.password is not None:
        msg = "base_url must hold no credentials; pass them as headers={'Authorization': ...}"
    elif url.query_string or url.fragment:
        msg = "base_url must have no query and no fragment"
    else:
        return
    raise InvalidArgumentError(msg)


def _check_headers(headers: object) -> None:
    if not isinstance(headers, Mapping):
        msg = f"headers must be a mapping of names to values, not {type(headers).__name__}"
        raise InvalidArgumentError(msg)
    for name, value in headers.items():
        if not isinstance(name, str) or not re.fullmatch(_HEADER_NAME, name):
            # Not shown, since it may be a whole header with its value.
            msg = "headers must have HTTP field names; one of them is not, or has a value in it"
        elif name.lower() in _OWN_HEADERS:
            msg = f"headers must not set {name}, which follows from the call"
        elif not isinstance(value, str) or re.search(_UNSAFE_IN_HEADER_VALUE, value):
            msg = f"headers[{name!r}] must be a str without control characters such as newlines"
        else:
            continue
        raise InvalidArgumentError(msg)


class ReplyBody(msgspec.Struct, gc=False):
    """The body of a reply as it came.

    Attributes:
        pieces: Its bytes. Joining large ones takes a while, so that is left to who decodes them.
        content_type: The Content-Type header. Its charset is for whoever cannot decode the body;
            nobody else pays for looking at it.

    """

    pieces: list[bytes]
    content_type: str


class GatewaySession:
    """The connections to one gateway. Make it within a running event loop, and close it.

    Slots are not counted here: that is the lane's (lane.py).
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        # By hand, since URL's own / would encode a path prefix again.
        self._url = URL(gateway.base_url.rstrip("/") + "/getAllContact")
        self._limiter = None if gateway.max_rate is None else _even_limiter(gateway.max_rate)
        self._connector = _Connector(ssl=gateway.ssl)
        self._http = aiohttp.ClientSession(
            connector=self._connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={**(gateway.headers or {}), "Content-Type": "application/json"},
            timeout=aiohttp.ClientTimeout(
                total=gateway.request_timeout,
                connect=gateway.connect_timeout,
            ),
        )

    async def pace(self) -> None:
        """Wait until `max_rate` allows another call. Cancelled, it has used up nothing."""
        if self._limiter is not None:
            await self._limiter.acquire()

    async def call(self, w_id: str) -> ReplyBody:
        """Send one call and return the reply's body. Cancelled, it closes the connection.

        Raises:
            WxContactsError: There is no reply; its `transient` tells whether there may be later.

        """
        body = encode_request(w_id)
        while True:
            replied = False
            try:
                async with self._http.post(
                    self._url,
                    data=body,
                    allow_redirects=False,
                ) as response:
                    replied = True
                    if not _OK <= response.status < _REDIRECTION:
                        response.close()  # its body is of no interest, so neither is the connection
                        raise self._status_error(response)
                    pieces = await self._read(response)
                    return ReplyBody(pieces, response.headers.get("Content-Type", ""))
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                broke = isinstance(error, _BROKEN)
                if broke and not replied and self._connector.was_kept_alive():
                    # The gateway had closed a connection while nobody used it, as it may. That
                    # is no failure. Only so many are kept alive, then a new one is made.
                    continue
                translated = self._translated(error)
            finally:
                self._connector.forget_call()
            # Not raised within the except block: aiohttp's errors hold the request's headers, and
            # a chained exception would carry them along.
            raise translated

    async def _read(self, response: aiohttp.ClientResponse) -> list[bytes]:
        """Read the body, stopping as soon as it is larger than allowed."""
        limit = self._gateway.max_reply_bytes
        received = 0
        pieces: list[bytes] = []
        if (response.content_length or 0) <= limit:
            while received <= limit:
                if response.content.at_eof():
                    return pieces
                pieces.append(await response.content.readany())
                received += len(pieces[-1])
        response.close()
        msg = f"the reply is larger than max_reply_bytes, {limit} bytes"
        raise ReplyTooLargeError(msg)

    def _status_error(self, response: aiohttp.ClientResponse) -> GatewayHTTPError:
        retry_after = parse_retry_after(
            response.headers.get("Retry-After"),
            now=datetime.now(UTC),
        )
        error = GatewayHTTPError(response.status, retry_after=retry_after)
        if error.transient and (retry_after or 0.0) > _LONGEST_RETRY_AFTER:
            error.transient = False
            error.advice = f"The gateway asks to come back in {retry_after:.0f} s; do so then."
        return error

    def _translated(self, error: Exception) -> WxContactsError:  # noqa: PLR0911  # one a cause
        match error:
            case aiohttp.ConnectionTimeoutError():
                return GatewayTimeoutError(
                    f"no connection within {self._gateway.connect_timeout:g} s",
                    reached=False,
                )
            case TimeoutError():
                return GatewayTimeoutError(
                    f"no complete reply within {self._gateway.request_timeout:g} s",
                )
            case aiohttp.ClientSSLError():
                return GatewayConnectionError(
                    f"no TLS connection: {_tls_reason(error)}",
                    advice="Check the gateway's certificate, or pass Gateway(ssl=...).",
                    transient=False,
                )
            case aiohttp.ClientConnectorDNSError():
                return GatewayConnectionError(
                    "the host's name could not be resolved",
                    reached=False,
                )
            case aiohttp.ClientConnectorError():
                return GatewayConnectionError(
                    f"no connection: {_os_reason(error.os_error)}",
                    reached=False,
                )
            case aiohttp.ClientPayloadError():
                return GatewayConnectionError("the reply was cut off, or its encoding is damaged")
            case aiohttp.ClientResponseError():
                return ReplyDecodeError("the reply is not HTTP")
            case aiohttp.ServerDisconnectedError():
                return GatewayConnectionError("the gateway closed the connection with no reply")
            case _:
                return GatewayConnectionError(f"the connection broke: {type(error).__name__}")

    async def close(self) -> None:
        """Close all connections."""
        await self._http.close()


class _Connector(aiohttp.TCPConnector):
    """Knows whether a call got a new connection or one that was kept alive."""

    def __init__(self, *, ssl: tls.SSLContext | bool) -> None:
        # The slots limit it already; a second queue here would count as time of the call.
        super().__init__(limit=0, ssl=ssl)
        self._made_for: set[asyncio.Task[object] | None] = set()

    async def _create_connection(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  # it is aiohttp's
    ) -> ResponseHandler:
        self._made_for.add(asyncio.current_task())
        return await super()._create_connection(req, traces, timeout)

    def was_kept_alive(self) -> bool:
        """Tell whether this task's call did without a new connection."""
        return asyncio.current_task() not in self._made_for

    def forget_call(self) -> None:
        """Take note that this task's call is over."""
        self._made_for.discard(asyncio.current_task())


def _even_limiter(max_rate: float) -> AsyncLimiter:
    """Make a leaky bucket that spreads calls evenly; a second's worth must not go at once.

    It holds one call, or a fiftieth of a second's worth where that is more, since timers are not
    finer than that.
    """
    burst = max(1.0, max_rate / 50)
    return AsyncLimiter(burst, burst / max_rate)


def _os_reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else type(error).__name__


def _tls_reason(error: aiohttp.ClientSSLError) -> str:
    inner = getattr(error, "certificate_error", None) or error.os_error
    return getattr(inner, "verify_message", "") or getattr(inner, "reason", "") or "no handshake"
