"""One gateway's session, which sends one call and brings back the body of its reply."""

import math
import ssl
from datetime import UTC, datetime
from http.cookies import SimpleCookie

import aiohttp
from aiolimiter import AsyncLimiter
from anyio.lowlevel import checkpoint
from multidict import CIMultiDict
from yarl import URL

from wxcontacts_async._http.connector import TAP_OF_CALL, ConnectionTap, TappingConnector
from wxcontacts_async._http.proxies import named_by_environment, proxy_for
from wxcontacts_async._http.reply_body import ReplyBody
from wxcontacts_async._http.request import encode_request
from wxcontacts_async._http.retry_after import parse_retry_after
from wxcontacts_async._http.translation import translated
from wxcontacts_async.errors import ReplyTooLargeError, WxContactsError
from wxcontacts_async.settings import Gateway

_OK, _REDIRECTION = 200, 300
_LONGEST_PROBLEM = 64 * 1024  # bytes, of the body of an answer that is no success
# What becomes of a call on a connection that is closed. (A TimeoutError is an OSError, too.)
_BROKEN = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionError)
# Seconds within which a connection breaks that the gateway had closed before the call reached it:
# as long as a packet takes there and back.
_AT_ONCE = 0.075
_PROXY_ADVICE = ' The environment names a proxy; Gateway(proxy="environment") goes by it.'
_TLS_ADVICE = " If TLS is spoken there, it must begin with https://."


def check_environment(gateway: Gateway) -> None:
    """Raise InvalidArgumentError if the environment's proxy is to be used, and is none."""
    proxy_for(URL(gateway.base_url), gateway.proxy)


class GatewaySession:
    """The connections to one gateway. Make it within a running event loop, and close it.

    Slots are counted by the dispatcher's workers.

    Raises:
        InvalidArgumentError: The environment's proxy is to be used, and is none.

    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        # By hand, since URL's own / would encode a path prefix again.
        self._url = URL(gateway.base_url.rstrip("/") + "/getAllContact")
        self._proxy = proxy_for(self._url, gateway.proxy)
        self._limiter = None if gateway.max_rate is None else _even_limiter(gateway.max_rate)
        # As the operating system does it: other resolvers know no name of a local network.
        self._resolver = gateway.resolver or aiohttp.ThreadedResolver()
        headers = {**(gateway.headers or {}), "Content-Type": "application/json"}
        if "accept" not in map(str.lower, headers):
            headers["Accept"] = "application/json"
        # A session's own headers would go to a proxy as well, with its CONNECT. Those of each
        # call cost more.
        self._headers = None if self._proxy else headers
        self._headers_of_call = CIMultiDict(headers) if self._proxy else None
        self._kept = self._client()
        # For a call that is sent again: on a new connection, whatever is kept.
        self._new: aiohttp.ClientSession | None = None
        self._has_replied = False

    def _client(self, *, force_close: bool = False) -> aiohttp.ClientSession:
        gateway = self._gateway
        return aiohttp.ClientSession(
            connector=TappingConnector(
                ssl=gateway.ssl,
                resolver=self._resolver,
                force_close=force_close,
            ),
            cookie_jar=_NoCookies(),
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(
                total=gateway.request_timeout,
                connect=gateway.connect_timeout,
            ),
        )

    async def pace(self) -> None:
        """Wait until `max_rate` allows another call. Cancelled, it has used up nothing."""
        if self._limiter is not None:
            await self._limiter.acquire()

    async def call(self, w_id: str, *, may_resend: bool) -> ReplyBody:
        """Send one call and return the reply's body. Cancelled, it closes the connection.

        A call on a connection that was kept alive may find that the gateway has closed it. Where
        that is what happened by all signs, the gateway has not read it, and it is sent once more.

        Arguments:
            w_id: The instance.
            may_resend: Whether it may be sent once more, uncounted.

        Raises:
            WxContactsError: There is no reply; its `transient` tells whether there may be later.

        """
        body = encode_request(w_id)
        answer = await self._send(self._kept, body)
        if isinstance(answer, _NoReply) and may_resend and answer.was_unread:
            self._new = self._new or self._client(force_close=True)
            answer = await self._send(self._new, body)
        if isinstance(answer, _NoReply):
            raise self._translated(answer)
        return answer

    async def _send(self, client: aiohttp.ClientSession, body: bytes) -> "ReplyBody | _NoReply":
        """Send a call once. What went wrong is returned rather than raised.

        An error of aiohttp holds the request's headers, and one raised while it is handled would
        carry them along.
        """
        TAP_OF_CALL.set(None)
        try:
            # Not as a context manager, which costs two coroutines more.
            response = await client.post(
                self._url,
                data=body,
                headers=self._headers_of_call,
                allow_redirects=False,
                proxy=self._proxy,
            )
            self._has_replied = True
            try:
                if not _OK <= response.status < _REDIRECTION:
                    return await _problem(response)
                pieces = await self._read(response)
                return ReplyBody(pieces, response.headers.get("Content-Type", ""))
            finally:
                response.release()  # which closes the connection unless the body is read
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            failed = _NoReply(error, TAP_OF_CALL.get())
            if failed.is_not_yet_lost:
                await checkpoint()  # a loop closes a connection first, and says why later
            return failed

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

    def _translated(self, answer: "_NoReply") -> WxContactsError:
        gateway, error = self._gateway, answer.reason
        ours = translated(
            error,
            connect_timeout=gateway.connect_timeout,
            request_timeout=gateway.request_timeout,
        )
        if not ours.reached and self._proxy is None and named_by_environment(self._url):
            ours.advice += _PROXY_ADVICE
        closed = isinstance(error, aiohttp.ServerDisconnectedError | ConnectionResetError)
        if closed and not self._has_replied and self._url.scheme == "http":
            # Servers close a connection on which they get no TLS, and say nothing.
            ours.advice += _TLS_ADVICE
        return ours

    async def close(self) -> None:
        """Close all connections."""
        for client in (self._kept, self._new):
            if client is not None:
                await client.close()
        if self._gateway.resolver is None:
            await self._resolver.close()


class _NoCookies(aiohttp.DummyCookieJar):
    """Keeps no cookies, and does not make a new empty jar for each call."""

    def filter_cookies(self, request_url: URL) -> SimpleCookie:  # noqa: ARG002
        """Return none."""
        return _NONE


_NONE = SimpleCookie()


class _NoReply:
    """A call that brought no reply, and why."""

    __slots__ = ("_tap", "error")

    def __init__(self, error: Exception, tap: ConnectionTap | None) -> None:
        self.error = error
        self._tap = tap

    @property
    def is_not_yet_lost(self) -> bool:
        """Whether the connection has not ended, as far as is known."""
        return self._tap is not None and self._tap.lost_at == math.inf

    @property
    def reason(self) -> Exception:
        """What happened: the TLS alert that ended the connection, if it was one."""
        because = None if self._tap is None else self._tap.lost_because
        is_alert = isinstance(because, ssl.SSLError) and isinstance(self.error, _BROKEN)
        return because if is_alert and because is not None else self.error

    @property
    def was_unread(self) -> bool:
        """Whether the gateway cannot have read it, by all signs.

        The connection was kept alive, and broke at once, before any byte came back.
        """
        return (
            isinstance(self.error, _BROKEN)
            and self._tap is not None
            and self._tap.is_reused
            and not self._tap.has_answered
            and self._tap.lost_at - self._tap.taken_at < _AT_ONCE
        )


async def _problem(response: aiohttp.ClientResponse) -> ReplyBody:
    """Return an answer that is no success, with the beginning of its body, as far as it comes."""
    pieces: list[bytes] = []
    received = 0
    try:
        while received < _LONGEST_PROBLEM and not response.content.at_eof():
            pieces.append(await response.content.readany())
            received += len(pieces[-1])
    except (aiohttp.ClientError, TimeoutError, OSError):
        response.close()
    if not response.content.at_eof():
        response.close()
    return ReplyBody(
        pieces,
        response.headers.get("Content-Type", ""),
        response.status,
        parse_retry_after(response.headers.get("Retry-After"), now=datetime.now(UTC)),
    )


def _even_limiter(max_rate: float) -> AsyncLimiter:
    """Make a leaky bucket that spreads calls evenly; a second's worth must not go at once.

    It holds one call, or a fiftieth of a second's worth where that is more, since timers are not
    finer than that.
    """
    burst = max(1.0, max_rate / 50)
    return AsyncLimiter(burst, burst / max_rate)
