"""A call may be cancelled, and the pool left, in the very tick in which something comes back."""

import asyncio
import fcntl
import socket
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import anyio
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from tests.support.leftovers import settle
from tests.support.one_call import ONCE, W_ID
from tests.support.raw_server import RawServer, http_reply, replying
from wxcontacts_async import CallSent, Event, Gateway, SessionPool, WxContactsError

BUSY = http_reply(status="503 Busy")


class Answering:
    """Answers each connection with the same bytes, at once or when it is told to."""

    def __init__(self, *, early: bool) -> None:
        self._early = early
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        self._asked = threading.Event()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve in a thread."""
        thread = threading.Thread(target=self._accept)
        thread.start()
        try:
            yield
        finally:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            thread.join()
            for connection in self._connections:
                connection.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                if self._early:
                    connection.sendall(BUSY)
                else:
                    connection.recv(1000)
                    self._asked.set()

    async def asked(self) -> None:
        """Wait for the first request."""
        await asyncio.to_thread(self._asked.wait)

    def answer(self) -> None:
        """Answer while the event loop stands still."""
        connection = self._connections[0]
        connection.sendall(BUSY)
        while unacknowledged(connection):
            time.sleep(0)


def unacknowledged(connection: socket.socket) -> int:
    """Return how many bytes have not reached the other end, by its system."""
    written = fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4))
    return int.from_bytes(written, sys.byteorder)


async def all_ended(pool: SessionPool) -> None:
    while any(each.calling for each in pool.statistics().values()):  # noqa: ASYNC110  # of ours
        await asyncio.sleep(0)


async def test_a_call_is_cancelled_in_the_tick_of_a_reply_that_aiohttp_reads() -> None:
    server = Answering(early=False)
    with server.serving():
        async with SessionPool(server.url, retry=ONCE) as pool:
            call = asyncio.ensure_future(pool.fetch(W_ID))
            await server.asked()
            server.answer()
            call.cancel()
            with suppress(asyncio.CancelledError, WxContactsError):
                await call
            await all_ended(pool)


@pytest.mark.parametrize("is_left", [False, True])
async def test_a_call_may_end_in_any_tick_of_one_that_is_answered_before_it_is_sent(
    *, is_left: bool
) -> None:
    server = Answering(early=True)
    with server.serving():
        for ticks in range(25):
            async with SessionPool(server.url, retry=ONCE) as pool:
                call = asyncio.ensure_future(pool.fetch(W_ID))
                for _ in range(ticks):
                    await asyncio.sleep(0)
                if not is_left:
                    call.cancel()
                    with suppress(asyncio.CancelledError, WxContactsError):
                        await call
                    await all_ended(pool)
            with suppress(asyncio.CancelledError, WxContactsError):
                await call


async def test_a_call_is_not_sent_that_is_cancelled_as_its_turn_comes() -> None:
    async with (
        RawServer(replying(http_reply())) as server,
        SessionPool(Gateway(server.url, max_rate=5), retry=ONCE) as pool,
    ):
        await pool.fetch("first")
        second = asyncio.ensure_future(pool.fetch("second"))
        await settle()  # so that it waits for its turn
        asyncio.get_running_loop().call_later(0.05, second.cancel)
        time.sleep(0.3)  # noqa: ASYNC251  # so that its turn comes in the same tick
        with pytest.raises(asyncio.CancelledError):
            await second
        await all_ended(pool)
        await pool.fetch("third")
        assert len(server.requests) == 2


async def test_nothing_is_called_while_the_pool_is_cancelled_and_not_left_yet() -> None:
    connecting = anyio.Event()

    class Resolver(AbstractResolver):
        async def resolve(self, *_: object, **__: object) -> list[ResolveResult]:
            connecting.set()
            await anyio.sleep_forever()
            raise AssertionError

        async def close(self) -> None:
            pass

    sent = 0

    def observe(event: Event) -> None:
        nonlocal sent
        sent += isinstance(event, CallSent)

    gateway = Gateway("http://gateway.example", resolver=Resolver())
    with anyio.CancelScope() as scope:
        async with (
            SessionPool(gateway, observers=[observe]) as pool,
            pool.stream(["one", "two"]),
        ):
            with anyio.fail_after(30):
                await connecting.wait()
            scope.cancel()
            with anyio.CancelScope(shield=True):
                for _ in range(100):
                    await asyncio.sleep(0)
    assert sent <= 2
