"""Sends calls to one gateway on connections of ours: by callbacks, with tasks only to connect."""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from time import perf_counter

import aiohttp
from anyio import CancelScope, move_on_after
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from wxcontacts_async._concurrency import Signal
from wxcontacts_async._http.address import Address
from wxcontacts_async._http.buffers import ReceiveBuffers
from wxcontacts_async._http.calls import Call
from wxcontacts_async._http.connection import Connection
from wxcontacts_async._http.connector import check_protocol
from wxcontacts_async._http.link import Link, head_of, request_for
from wxcontacts_async._http.reading import read_body
from wxcontacts_async._http.reply_body import ReplyBody
from wxcontacts_async._http.request import encode_headers, encode_request
from wxcontacts_async.errors import GatewayConnectionError
from wxcontacts_async.settings import Gateway

_KEPT_FOR = 15.0  # seconds without a call, after which a connection is closed, as aiohttp does
_SHORTEST_TIMER = 0.001


class DirectClient:
    """The connections to one gateway. Make it within a running event loop, and close it.

    Arguments:
        gateway: Its settings.
        address: Where its calls go.
        tasks: Where it connects, and where aiohttp reads what is unusual.
        buffers: What its connections read into.

    Attributes:
        longest_in_chunks: The size of the largest body yet that came in chunks.

    """

    def __init__(
        self,
        gateway: Gateway,
        address: Address,
        *,
        tasks: TaskGroup,
        buffers: ReceiveBuffers,
    ) -> None:
        self.longest_in_chunks = 0
        self._gateway = gateway
        self._address = address
        self._tasks = tasks
        self._buffers = buffers
        self._context = copy_context()
        self._loop = asyncio.get_running_loop()
        # As the operating system does it: other resolvers know no name of a local network.
        self._resolver = gateway.resolver or aiohttp.ThreadedResolver()
        # The slots limit it already.
        self._connector = aiohttp.TCPConnector(limit=0, ssl=gateway.ssl, resolver=self._resolver)
        self._request = request_for(address.url, address.headers)
        self._head = head_of(self._request)
        self._is_open = True
        self._connections: set[Connection[Call]] = set()
        self._calling: set[Connection[Call]] = set()
        self._idle: deque[Connection[Call]] = deque()  # the last one used is used first
        self._one_is_lost = Signal()
        # It runs no later than when the first of the calls under way fails.
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._idle_timer: asyncio.TimerHandle | None = None

    def send(self, call: Call) -> None:
        """Send a call on a connection that is kept, or else on a new one."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_alive():
                self._send_on(connection, call, perf_counter())
                return
            connection.abort()
        self._connect_for(call)

    def abandon(self) -> None:
        """End all calls at once, and tell of them no more."""
        self._is_open = False
        for timer in (self._timer, self._idle_timer):
            if timer is not None:
                timer.cancel()
        self._calling.clear()
        self._idle.clear()
        for connection in list(self._connections):
            connection.abort()

    async def close(self) -> None:
        """Close the connections, once all calls have ended."""
        self.abandon()
        with CancelScope(shield=True):  # no socket may be left behind; it takes a tick or two
            while self._connections:
                await self._one_is_lost.wait()
            await self._connector.close()
            if self._gateway.resolver is None:
                await self._resolver.close()
            await checkpoint()  # for those that aiohttp has closed
            await checkpoint()

    def _connect_for(self, call: Call) -> None:
        connecting = _Connecting()
        call.transfer = connecting
        # In the pool's context rather than that of the task that asks.
        _ = self._context.run(self._tasks.start_soon, self._connect, connecting.scope, call)

    async def _connect(self, scope: CancelScope, call: Call) -> None:
        begun = perf_counter()
        end: Callable[[], None] = call.cancelled  # be it together with all that the pool does
        try:
            with scope:
                try:
                    connection = await self._connected()
                except Exception as error:  # noqa: BLE001
                    end = partial(call.failed, self._address.translated(error))
                else:
                    if scope.cancel_called:
                        self._keep(connection)
                    else:
                        end = partial(self._send_on, connection, call, begun)
        finally:
            call.transfer = None
            if self._is_open:
                end()

    async def _connected(self) -> Connection[Call]:
        """Make a connection.

        Raises:
            aiohttp.ClientError, OSError, TimeoutError, GatewayConnectionError: There is none.

        """
        gateway = self._gateway
        seconds = min(gateway.connect_timeout, gateway.request_timeout)
        with move_on_after(seconds) as limit:
            link = await Link.opened(self._connector, self._request)
        if limit.cancelled_caught:
            late = gateway.connect_timeout <= gateway.request_timeout
            raise aiohttp.ConnectionTimeoutError if late else TimeoutError
        try:
            check_protocol(link.transport)
        except GatewayConnectionError:
            link.close()
            raise
        connection = Connection[Call](link, self, self._buffers, limit=gateway.max_reply_bytes)
        link.attach(connection)
        self._connections.add(connection)
        return connection

    def _send_on(self, connection: Connection[Call], call: Call, begun: float) -> None:
        call.transfer = connection
        self._calling.add(connection)
        deadline = begun + self._gateway.request_timeout
        if deadline < self._timer_at:
            self._come_back_at(deadline)
        body = encode_request(call.w_id)
        further = b"" if call.headers is None else encode_headers(call.headers)
        request = b"%b%d\r\n%b\r\n%b" % (self._head, len(body), further, body)
        connection.send(request, call, deadline)

    def _fail_the_late(self) -> None:
        """Fail the calls whose time is over; come back when that of the next one is."""
        self._timer_at = math.inf
        now = perf_counter()
        for connection in [each for each in self._calling if each.deadline <= now]:
            connection.expire()  # which may send others
        first = min((each.deadline for each in self._calling), default=math.inf)
        if first < self._timer_at:
            self._come_back_at(first)

    def _come_back_at(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = deadline
        left = max(deadline - perf_counter(), _SHORTEST_TIMER)
        self._timer = self._loop.call_later(left, self._fail_the_late)

    def cancel(self, connection: Connection[Call]) -> None:
        """End a call at once, and tell it so later."""
        call = self._ended(connection)
        connection.abort()
        # Not at once, as its canceller is about to wait for that.
        self._loop.call_soon(self._tell_cancelled, call)

    def _tell_cancelled(self, call: Call) -> None:
        if self._is_open:
            call.cancelled()

    def _ended(self, connection: Connection[Call]) -> Call:
        """Take the call of a connection on which it has ended."""
        call, connection.call = connection.call, None
        assert call is not None  # noqa: S101  # it tells of a call only
        call.transfer = None
        self._calling.discard(connection)
        return call

    def _keep(self, connection: Connection[Call]) -> None:
        self._idle.append(connection)
        if self._idle_timer is None:
            self._idle_timer = self._loop.call_later(_KEPT_FOR, self._close_the_idle)

    def _close_the_idle(self) -> None:
        self._idle_timer = None
        idle = self._idle
        until = perf_counter() - _KEPT_FOR
        while idle and (not idle[0].is_idle or idle[0].idle_since <= until):
            idle.popleft().abort()
        if idle:
            left = idle[0].idle_since - until
            self._idle_timer = self._loop.call_later(
                max(left, _SHORTEST_TIMER), self._close_the_idle
            )

    # What its connections tell.

    def replied(self, connection: Connection[Call], body: ReplyBody) -> None:
        """Pass on a reply."""
        self._address.has_replied = True
        call = self._ended(connection)
        if connection.is_idle:
            self._keep(connection)
        call.answered(body)

    def failed(self, connection: Connection[Call], error: Exception) -> None:
        """Send a call once more that the gateway cannot have read; else tell it what happened."""
        call = self._ended(connection)
        if call.may_resend and connection.was_unread(error):
            call.may_resend = False
            self._connect_for(call)
        else:
            call.failed(self._address.translated(error))

    def handed_over(self, connection: Connection[Call]) -> None:
        """Have aiohttp read a reply."""
        # With its call, which may have been cancelled when the task begins.
        call = connection.call
        _ = self._context.run(self._tasks.start_soon, self._read_by_aiohttp, connection, call)

    async def _read_by_aiohttp(self, connection: Connection[Call], call: Call | None) -> None:
        try:
            answer = await connection.link.answer()
            self._address.has_replied = True
            body = await read_body(answer, self._gateway.max_reply_bytes)
            if connection.is_late and body.is_success:
                raise TimeoutError  # noqa: TRY301  # one that the end of its connection ends
        except Exception as error:  # noqa: BLE001
            self._lost_by_aiohttp(connection)
            if connection.call is call:
                connection.fail(TimeoutError() if connection.is_late else error)
            return
        except BaseException:
            self._lost_by_aiohttp(connection)
            raise
        if connection.call is not call:
            self._lost_by_aiohttp(connection)
            return
        connection.release()
        if not connection.is_idle:
            self._lost_by_aiohttp(connection)
        self.replied(connection, body)

    def _lost_by_aiohttp(self, connection: Connection[Call]) -> None:
        connection.link.abort()
        self.lost(connection)

    def lost(self, connection: Connection[Call]) -> None:
        """Forget a connection whose socket is closed."""
        self._connections.discard(connection)
        self._one_is_lost.notify()


class _Connecting:
    """A call whose connection is being made."""

    def __init__(self) -> None:
        self.scope = CancelScope()

    def cancel(self) -> None:
        """End it when the task comes to it."""
        self.scope.cancel()
