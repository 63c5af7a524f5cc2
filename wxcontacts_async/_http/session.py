"""Sends calls to one gateway by aiohttp's session, a task a call: where connections of ours cannot.

That is where a proxy leads to the gateway, where the environment says so, and where aiohttp is not
as link.py expects it.
"""

import math
import ssl
from collections.abc import Callable, Mapping
from contextvars import copy_context
from functools import partial
from http.cookies import SimpleCookie

import aiohttp
from anyio import CancelScope
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint
from multidict import CIMultiDict
from yarl import URL

from wxcontacts_async._http.address import Address
from wxcontacts_async._http.calls import Call
from wxcontacts_async._http.connection import BROKEN, SOON
from wxcontacts_async._http.connector import TAP_OF_CALL, ConnectionTap, TappingConnector
from wxcontacts_async._http.link import LONGEST_LINE, Answer
from wxcontacts_async._http.reading import read_body
from wxcontacts_async._http.reply_body import ReplyBody
from wxcontacts_async._http.request import encode_request
from wxcontacts_async.settings import Gateway


class SessionClient:
    """The session for one gateway. Make it within a running event loop, and close it.

    Arguments:
        gateway: Its settings.
        address: Where its calls go.
        tasks: Where calls run.

    """

    def __init__(self, gateway: Gateway, address: Address, *, tasks: TaskGroup) -> None:
        self._gateway = gateway
        self._address = address
        self._tasks = tasks
        self._context = copy_context()
        self._is_open = True
        # As the operating system does it: other resolvers know no name of a local network.
        self._resolver = gateway.resolver or aiohttp.ThreadedResolver()
        # A session's own headers would go to a proxy as well, with its CONNECT. Those of each
        # call cost more.
        self._headers = None if address.proxy else address.headers
        self._headers_of_call = address.headers if address.proxy else None
        self._kept = self._client()
        # For a call that is sent again: on a new connection, whatever is kept.
        self._new: aiohttp.ClientSession | None = None

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
                ceil_threshold=math.inf,  # the seconds that are set, and not the next whole one
            ),
            max_line_size=LONGEST_LINE,
            max_field_size=LONGEST_LINE,
        )

    def send(self, call: Call) -> None:
        """Send a call in a task."""
        call.transfer = scope = CancelScope()
        # In the pool's context rather than that of the task that asks.
        _ = self._context.run(self._tasks.start_soon, self._send, scope, call)

    async def _send(self, scope: CancelScope, call: Call) -> None:
        end: Callable[[], None] = call.cancelled  # be it together with all that the pool does
        try:
            with scope:
                try:
                    body = await self.reply(
                        call.w_id,
                        may_resend=call.may_resend,
                        headers=call.headers,
                        on_resend=partial(setattr, call, "may_resend", False),  # noqa: FBT003
                    )
                    end = partial(call.answered, body)
                except Exception as error:  # noqa: BLE001
                    end = partial(call.failed, self._address.translated(error))
        finally:
            call.transfer = None
            if self._is_open:
                end()

    async def reply(
        self,
        w_id: str,
        *,
        may_resend: bool,
        headers: Mapping[str, str] | None = None,
        on_resend: Callable[[], object] = lambda: None,
    ) -> ReplyBody:
        """Send one call and return the reply's body. Cancelled, it closes the connection.

        A call on a connection that was kept alive may find that the gateway has closed it. Where
        that is what happened by all signs, the gateway has not read it, and it is sent once more.

        Raises:
            Exception: What aiohttp raises, or a WxContactsError.

        """
        body = encode_request(w_id)
        answer = await self._answer(self._kept, body, headers)
        if isinstance(answer, _NoReply) and may_resend and answer.was_unread:
            self._new = self._new or self._client(force_close=True)
            on_resend()
            answer = await self._answer(self._new, body, headers)
        if isinstance(answer, _NoReply):
            raise self._address.translated(answer.reason)
        return answer

    async def _answer(
        self,
        client: aiohttp.ClientSession,
        body: bytes,
        headers: Mapping[str, str] | None,
    ) -> "ReplyBody | _NoReply":
        """Send a call once. What went wrong is returned rather than raised.

        An error of aiohttp holds the request's headers, and one raised while it is handled would
        carry them along.
        """
        TAP_OF_CALL.set(None)
        try:
            # Not as a context manager, which costs two coroutines more.
            response = await client.post(
                self._address.url,
                data=body,
                headers=self._with_own(headers),
                allow_redirects=False,
                proxy=self._address.proxy,
            )
            self._address.has_replied = True
            try:
                answer = Answer(response.status, response.headers, response.content)
                return await read_body(answer, self._gateway.max_reply_bytes)
            finally:
                response.release()  # which closes the connection unless the body is read
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            failed = _NoReply(error, TAP_OF_CALL.get())
            if failed.is_not_yet_lost:
                await checkpoint()  # a loop closes a connection first, and says why later
            return failed

    def _with_own(self, headers: Mapping[str, str] | None) -> Mapping[str, str] | None:
        if not headers or self._headers_of_call is None:
            return headers or self._headers_of_call
        return CIMultiDict({**self._headers_of_call, **headers})

    def abandon(self) -> None:
        """Tell of calls no more. Their tasks are the group's to cancel."""
        self._is_open = False

    async def close(self) -> None:
        """Close all connections, once all calls have ended."""
        with CancelScope(shield=True):  # no socket may be left behind; it takes a tick or two
            for client in (self._kept, self._new):
                if client is not None:
                    connector = client.connector
                    await client.close()  # which takes the connector from it
                    if isinstance(connector, TappingConnector):
                        await connector.abort()
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
        is_alert = isinstance(because, ssl.SSLError) and isinstance(self.error, BROKEN)
        return because if is_alert and because is not None else self.error

    @property
    def was_unread(self) -> bool:
        """Whether the gateway cannot have read it, by all signs.

        The connection was kept alive, and broke at once, before any byte came back.
        """
        return (
            isinstance(self.error, BROKEN)
            and self._tap is not None
            and self._tap.is_reused
            and not self._tap.has_answered
            and self._tap.lost_at - self._tap.taken_at < SOON
        )
