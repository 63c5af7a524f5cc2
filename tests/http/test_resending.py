"""A call whose connection broke is sent again uncounted once, and only if it cannot be read."""

import socket
import struct
from collections.abc import Awaitable, Callable

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from tests.support.raw_server import RawServer, http_reply
from wxcontacts_async import (
    Failed,
    Fetched,
    Gateway,
    GatewayConnectionError,
    RetryPolicy,
    SessionPool,
)

SLOTS = 32
BAD = b'{"wId":"bad"}'


async def close(stream: SocketStream) -> None:
    await stream.aclose()


async def reset(stream: SocketStream) -> None:
    raw = stream.extra(SocketAttribute.raw_socket)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await stream.aclose()


async def half_a_head_and_reset(stream: SocketStream) -> None:
    await stream.send(b"HTTP/1.1 200 OK\r\nContent-Le")
    # So that the client has read it; what a reset overtakes never arrives.
    await anyio.wait_all_tasks_blocked()
    await reset(stream)


class Closing:
    """Answers all but one instance, whose calls it reads and breaks off."""

    def __init__(self, break_off: Callable[[SocketStream], Awaitable[None]]) -> None:
        self.break_off = break_off
        self.all_here = anyio.Event()
        self.waiting = 0
        self.bad_calls = 0

    async def __call__(self, stream: SocketStream, request: bytes) -> None:
        if request.endswith(BAD):
            self.bad_calls += 1
            await self.break_off(stream)
            return
        self.waiting += 1
        if self.waiting == SLOTS:
            self.all_here.set()
        await self.all_here.wait()  # so that each has a connection of its own
        await stream.send(http_reply())


async def idle_connections(pool: SessionPool) -> None:
    report = await pool.fetch_all(f"w{n}" for n in range(SLOTS))
    report.raise_for_errors()


@pytest.mark.parametrize("break_off", [close, reset, half_a_head_and_reset])
async def test_one_who_is_read_and_broken_off_is_called_once_more_than_is_counted(
    break_off: Callable[[SocketStream], Awaitable[None]],
) -> None:
    answer = Closing(break_off)
    async with (
        RawServer(answer) as server,
        SessionPool(
            Gateway(server.url, max_concurrency=SLOTS),
            retry=RetryPolicy(5, initial_delay=0.01),
        ) as pool,
    ):
        await idle_connections(pool)
        async with pool.stream(["bad"]) as outcomes:
            outcome = await anext(outcomes)
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, GatewayConnectionError)
    assert outcome.calls == 5
    assert answer.bad_calls == (5 if break_off is half_a_head_and_reset else 6)


async def test_what_is_sent_again_goes_by_a_new_connection() -> None:
    answer = Closing(close)
    async with (
        RawServer(answer) as server,
        SessionPool(Gateway(server.url, max_concurrency=SLOTS), retry=RetryPolicy(1)) as pool,
    ):
        await idle_connections(pool)
        assert server.connections == SLOTS
        async with pool.stream(["bad"]) as outcomes:
            await anext(outcomes)
        assert answer.bad_calls == 2
        assert server.connections == SLOTS + 1


async def test_connections_that_were_closed_while_idle_are_not_called_on() -> None:
    answer = Closing(close)
    streams: list[SocketStream] = []

    async def remembering(stream: SocketStream, request: bytes) -> None:
        streams.append(stream)
        await answer(stream, request)

    async with (
        RawServer(remembering) as server,
        SessionPool(Gateway(server.url, max_concurrency=SLOTS), retry=RetryPolicy(1)) as pool,
    ):
        await idle_connections(pool)
        for stream in streams:
            await stream.aclose()
        # In the very tick in which they were closed, so that the client's loop knows nothing.
        report = await pool.fetch_all(f"again{n}" for n in range(SLOTS))
        report.raise_for_errors()
        assert all(isinstance(each, Fetched) and each.calls == 1 for each in report.outcomes)
        assert len(server.requests) == 2 * SLOTS
