"""However a stream or a pool is left, everybody is told and nothing stays behind."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, cast

import anyio
import pytest
from anyio.abc import SocketStream

from tests.support.decoding import be_busy
from tests.support.leftovers import no_tasks_left, open_sockets_to, settle
from tests.support.raw_server import RawServer, http_reply
from wxcontacts_async import (
    ContactSet,
    Fetched,
    Gateway,
    InitializationWait,
    Instance,
    PoolClosedError,
    SessionPool,
)
from wxcontacts_async.emulator import EmulatedInstance, GatewayEmulator

SILENT = EmulatedInstance(latency=math.inf)


async def test_a_stream_left_at_once_calls_nobody_and_keeps_no_slot() -> None:
    async with (
        GatewayEmulator([f"w{i}" for i in range(40)], contacts=1) as emulator,
        SessionPool(Gateway(emulator.url, max_concurrency=4)) as pool,
    ):
        for _ in range(10):
            async with pool.stream(emulator.w_ids):
                pass
        await settle()
        assert emulator.calls == []
        with anyio.fail_after(30):
            assert len((await pool.fetch_all(emulator.w_ids)).contacts) == 40


async def test_what_a_source_gives_while_its_stream_is_left_is_not_called() -> None:
    give = anyio.Event()

    async def source() -> AsyncIterator[str]:
        await give.wait()
        yield "a"

    async with GatewayEmulator(["a"], contacts=1) as emulator, SessionPool(emulator.url) as pool:
        async with pool.stream(source()):
            await settle()
            give.set()
        await settle()
        assert emulator.calls == []


@pytest.mark.parametrize("ticks", range(6))
async def test_a_native_cancellation_while_leaving_leaves_nothing_behind(ticks: int) -> None:
    async with GatewayEmulator(dict.fromkeys("abcd", SILENT)) as emulator:
        emulator.set_instance("good", EmulatedInstance(contacts=1))
        with no_tasks_left():
            async with SessionPool(Gateway(emulator.url, max_concurrency=4)) as pool:
                left = asyncio.Event()

                async def read() -> None:
                    async with pool.stream([*"abcd"]):
                        await emulator.wait_for_calls(1)
                        left.set()

                with no_tasks_left():
                    reading: asyncio.Task[Any] = asyncio.ensure_future(read())
                    await left.wait()
                    for _ in range(ticks):
                        await asyncio.sleep(0)
                    reading.cancel()
                    await asyncio.wait([reading])
                with anyio.fail_after(30):
                    assert await pool.fetch("good")
        await emulator.wait_until_idle()
        await settle()
        assert open_sockets_to(emulator.url) == 0


@pytest.mark.parametrize("ticks", range(6))
async def test_a_native_cancellation_while_the_pool_is_left_closes_every_session(
    ticks: int,
) -> None:
    async with GatewayEmulator({"w": SILENT}) as emulator:
        left = asyncio.Event()

        async def use() -> None:
            gateways = {f"g{i}": emulator.url for i in range(4)}
            async with SessionPool(gateways) as pool, anyio.create_task_group() as tasks:
                async with pool.stream([Instance("w", gateway=name) for name in gateways]):
                    await emulator.wait_for_calls(4)
                tasks.cancel_scope.cancel()
                left.set()

        with no_tasks_left():
            using: asyncio.Task[Any] = asyncio.ensure_future(use())
            await left.wait()
            for _ in range(ticks):
                await asyncio.sleep(0)
            using.cancel()
            await asyncio.wait([using])
        await settle()
        assert open_sockets_to(emulator.url) == 0


async def test_a_reply_that_comes_at_any_tick_of_leaving_the_pool_is_let_go() -> None:
    fetched: list[ContactSet] = []

    async def fetch(pool: SessionPool) -> None:
        with suppress(PoolClosedError):
            fetched.append(await pool.fetch("w"))

    async def leave_after(ticks: int) -> None:
        reply = anyio.Event()

        async def answer(stream: SocketStream, request: bytes) -> None:  # noqa: ARG001
            await reply.wait()
            await stream.send(http_reply())

        async with (
            RawServer(answer) as server,
            anyio.create_task_group() as tasks,
            SessionPool(server.url) as pool,
        ):
            tasks.start_soon(fetch, pool)
            await server.wait_for(lambda: bool(server.requests))
            reply.set()
            for _ in range(ticks):
                await asyncio.sleep(0)
        await settle()  # a callback that fails fails the test

    ticks = 0
    while not fetched:  # until the reply comes before the pool is left
        await leave_after(ticks)
        ticks += 1
    assert ticks > 3


@asynccontextmanager
async def server_without_tasks() -> AsyncIterator[tuple[str, asyncio.Future[asyncio.Transport]]]:
    """Serve a port with no task that could be taken for ours; give its URL, and whoever calls."""
    called: asyncio.Future[asyncio.Transport] = asyncio.get_running_loop().create_future()

    class Connection(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self._transport = cast("asyncio.Transport", transport)

        def data_received(self, data: bytes) -> None:  # noqa: ARG002
            if not called.done():
                called.set_result(self._transport)

    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1")
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", called
        (await called).close()


# A call whose reply goes on just now is cancelled a tick later than others.


@pytest.mark.parametrize("ticks", range(6))
async def test_a_stream_left_while_a_reply_is_coming_returns_when_its_call_is_gone(
    ticks: int,
) -> None:
    async with (
        server_without_tasks() as (url, called),
        SessionPool(Gateway(url, max_concurrency=1)) as pool,
    ):
        with no_tasks_left():
            async with pool.stream(["w"]):
                (await called).write(http_reply()[:-1])
                for _ in range(ticks):
                    await asyncio.sleep(0)


@pytest.mark.parametrize("ticks", range(6))
async def test_a_source_that_breaks_while_a_reply_is_coming_says_so_when_its_call_is_gone(
    ticks: int,
) -> None:
    broken = anyio.Event()

    async def source() -> AsyncIterator[str]:
        yield "w"
        await broken.wait()
        msg = "the source broke"
        raise OSError(msg)

    async with (
        server_without_tasks() as (url, called),
        SessionPool(Gateway(url, max_concurrency=1)) as pool,
        AsyncExitStack() as left_later,
    ):
        with no_tasks_left():
            outcomes = await left_later.enter_async_context(pool.stream(source()))
            (await called).write(http_reply()[:-1])
            for _ in range(ticks):
                await asyncio.sleep(0)
            broken.set()
            with pytest.raises(OSError, match="the source broke"):
                await anext(outcomes)


async def test_a_stream_left_while_replies_wait_returns_when_they_are_decoded() -> None:
    all_asked, decoding = anyio.Event(), anyio.Event()
    decoded = 0

    async def answer(stream: SocketStream, request: bytes) -> None:  # noqa: ARG001
        if len(server.requests) == 4:
            all_asked.set()
        await all_asked.wait()
        await stream.send(http_reply())

    def slow_to_decode(code: str, message: str) -> bool:  # noqa: ARG001  # a predicate's shape
        nonlocal decoded
        decoded += 1
        decoding.set()
        be_busy(0.005)
        return False

    async with (
        RawServer(answer) as server,
        SessionPool(
            server.url,
            initialization=InitializationWait(is_initializing=slow_to_decode),
        ) as pool,
    ):
        async with pool.stream([*"abcd"]):
            await decoding.wait()
        decoded_then = decoded
        await settle()
        assert decoded == decoded_then > 1


async def test_every_reader_is_told_that_the_pool_was_left() -> None:
    told: list[str] = []

    async def read(pool: SessionPool, source: Any) -> None:  # noqa: ANN401  # either kind
        async with pool.stream(source) as outcomes:

            async def read_once() -> None:
                for _ in range(2):  # and told again when it asks again
                    with pytest.raises(PoolClosedError, match="the pool was left"):
                        await anext(outcomes)
                told.append("reader")

            async with anyio.create_task_group() as readers:
                readers.start_soon(read_once)
                readers.start_soon(read_once)

    async def quiet() -> AsyncIterator[str]:
        await anyio.sleep_forever()
        yield "never"

    async with (
        GatewayEmulator({"w": SILENT}) as emulator,
        anyio.create_task_group() as tasks,
        SessionPool(emulator.url) as pool,
    ):
        tasks.start_soon(read, pool, ["w"])
        tasks.start_soon(read, pool, quiet())
        await emulator.wait_for_calls(1)
        await settle()
    assert told == ["reader"] * 4


async def test_a_reader_is_told_that_the_stream_was_left_by_another_task() -> None:
    async with (
        GatewayEmulator({"w": SILENT}) as emulator,
        SessionPool(emulator.url) as pool,
        anyio.create_task_group() as tasks,
        pool.stream(["w"]) as outcomes,
    ):

        async def read() -> None:
            with pytest.raises(PoolClosedError, match="the stream is not open"):
                await anext(outcomes)

        tasks.start_soon(read)
        await emulator.wait_for_calls(1)
        await settle()


async def test_a_stream_that_is_entered_after_its_pool_was_left_says_so() -> None:
    async with GatewayEmulator(["a"], contacts=1) as emulator:
        async with SessionPool(emulator.url) as pool:
            stream = pool.stream(["a"])
        with no_tasks_left(), anyio.fail_after(30):
            async with stream as outcomes:
                with pytest.raises(PoolClosedError, match="the pool is not open"):
                    await anext(outcomes)
        assert emulator.calls == []


async def test_a_consumer_may_fetch_while_its_stream_is_full() -> None:
    async with (
        GatewayEmulator([f"w{i}" for i in range(100)], contacts=1) as emulator,
        SessionPool(Gateway(emulator.url, max_concurrency=4)) as pool,
        pool.stream(emulator.w_ids) as outcomes,
    ):
        await emulator.wait_for_calls(4)
        await settle()
        with anyio.fail_after(30):
            async for outcome in outcomes:
                assert isinstance(outcome, Fetched)
                await pool.fetch("w99")


async def test_two_streams_of_the_same_instances_may_be_read_one_after_the_other() -> None:
    async with (
        GatewayEmulator([f"w{i}" for i in range(100)], contacts=1) as emulator,
        SessionPool(Gateway(emulator.url, max_concurrency=4)) as pool,
        pool.stream(emulator.w_ids) as one,
        pool.stream(emulator.w_ids) as other,
    ):
        with anyio.fail_after(30):
            for outcomes in (one, other):
                read = [outcome.w_id async for outcome in outcomes]
                assert sorted(read) == sorted(emulator.w_ids)


async def test_a_long_stream_does_not_hold_up_a_single_fetch() -> None:
    async with (
        GatewayEmulator([f"w{i}" for i in range(1000)], contacts=1, latency=0.01) as emulator,
        SessionPool(Gateway(emulator.url, max_concurrency=2)) as pool,
        pool.stream(emulator.w_ids) as outcomes,
    ):
        await anext(outcomes)
        async with anyio.create_task_group() as tasks:

            async def read() -> None:
                async for _ in outcomes:
                    pass

            tasks.start_soon(read)
            await pool.fetch("w999")
            assert len(emulator.calls) < 20
            tasks.cancel_scope.cancel()


async def test_leaving_a_stream_early_leaves_nothing_behind() -> None:
    async with GatewayEmulator([f"w{i}" for i in range(10_000)], contacts=5) as emulator:
        with no_tasks_left():
            async with SessionPool(emulator.url) as pool:
                with no_tasks_left():
                    async with pool.stream(emulator.w_ids) as outcomes:
                        for _ in range(3):
                            await anext(outcomes)
                # What had been sent may still come in; nothing is sent any more.
                await settle()
                asked = len(emulator.calls)
                await settle()
                assert len(emulator.calls) == asked < 100
        await emulator.wait_until_idle()
        assert open_sockets_to(emulator.url) == 0
