"""Code that we are given, an observer, a source, a predicate, may do what it likes."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from contextvars import ContextVar
from time import perf_counter
from typing import Any, Never

import anyio
import pytest

from tests.support.observing import Witness
from tests.support.raw_server import RawServer, http_reply, replying
from wxcontacts_async import (
    Event,
    Gateway,
    InitializationWait,
    InstanceEnded,
    InstanceWaiting,
    ReplyDecodeError,
    RetryPolicy,
    SessionPool,
    WxContactsError,
)
from wxcontacts_async.emulator import EmulatedInstance, GatewayEmulator

ERRORS: list[type[BaseException]] = [LookupError, asyncio.CancelledError, StopIteration]


@pytest.mark.parametrize("kind", ERRORS)
async def test_an_observer_that_raises_anything_hurts_nobody(kind: type[BaseException]) -> None:
    def broken(event: Event) -> Never:
        raise kind(event)

    async with (
        GatewayEmulator([f"w{i}" for i in range(10)], contacts=1) as emulator,
        SessionPool(emulator.url, observers=[broken]) as pool,
    ):
        assert len((await pool.fetch_all(emulator.w_ids)).contacts) == 10


@pytest.mark.parametrize("kind", ERRORS)
async def test_a_predicate_that_raises_anything_fails_its_instances(
    kind: type[BaseException],
) -> None:
    def broken(code: str, message: str) -> Never:  # noqa: ARG001  # a predicate's shape
        raise kind

    async with (
        GatewayEmulator([f"w{i}" for i in range(40)], contacts=1) as emulator,
        SessionPool(
            emulator.url,
            initialization=InitializationWait(is_initializing=broken),
        ) as pool,
    ):
        with anyio.fail_after(30):
            report = await pool.fetch_all(emulator.w_ids)
    assert len(report.errors) == 40
    assert {str(type(error.__cause__)) for error in report.errors.values()} == {str(kind)}


async def test_a_source_that_awaited_something_cancelled_is_an_error_and_no_cancellation() -> None:
    async def source() -> AsyncIterator[str]:
        yield "w"
        awaited = asyncio.get_running_loop().create_future()
        awaited.cancel()
        await awaited

    async with (
        GatewayEmulator({"w": EmulatedInstance(contacts=1)}) as emulator,
        SessionPool(emulator.url) as pool,
        pool.stream(source()) as outcomes,
    ):
        with pytest.raises(WxContactsError, match="the source of instances raised CancelledError"):
            async for _ in outcomes:
                pass


async def test_observers_run_in_the_context_of_the_caller() -> None:
    request: ContextVar[str] = ContextVar("request", default="none")
    seen: set[str] = set()

    def look(event: Event) -> None:  # noqa: ARG001  # an observer's shape
        seen.add(request.get())

    async with GatewayEmulator(["a", "b"], contacts=1) as emulator:
        request.set("pool")
        async with SessionPool(emulator.url, observers=[look]) as pool:
            request.set("caller")
            await pool.fetch_all(["a", "b"])
    assert seen == {"caller"}


async def test_every_outcome_of_a_stream_is_announced_also_of_what_was_never_called() -> None:
    witness = Witness()
    async with (
        GatewayEmulator(["a"], contacts=1) as emulator,
        SessionPool(emulator.url, observers=[witness]) as pool,
    ):
        report = await pool.fetch_all(["a", "", "unknown"])
    ended = [event.outcome for event in witness.of(InstanceEnded)]
    assert sorted(map(repr, ended)) == sorted(map(repr, report.outcomes))


async def test_a_wait_that_is_taken_up_again_is_announced() -> None:
    witness = Witness()
    async with (
        GatewayEmulator({"w": EmulatedInstance(contacts=1, initializing_calls=1)}) as emulator,
        SessionPool(
            emulator.url,
            initialization=InitializationWait(1.0),
            observers=[witness],
        ) as pool,
    ):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pool.fetch, "w")
            await witness.wait_for(lambda: bool(witness.of(InstanceWaiting)))
            tasks.cancel_scope.cancel()
        async with pool.stream(["w"]) as outcomes:
            outcome = await anext(outcomes)
    first, again = witness.of(InstanceWaiting)
    assert 0 < again.delay <= 1.0
    assert abs((again.until - first.until).total_seconds()) < 0.1
    assert 0 < outcome.waited <= 1.0


async def test_an_initializing_reply_is_heeded_though_nobody_wants_it_any_more() -> None:
    interval = 0.5
    all_asked, all_asked_again = anyio.Event(), anyio.Event()
    instances = [f"w{i}" for i in range(8)]

    decoding = anyio.Event()

    def slow(code: str, message: str) -> bool:  # noqa: ARG001  # a predicate's shape
        decoding.set()
        begun = perf_counter()
        while perf_counter() - begun < 0.005:  # so that the others wait in line
            pass
        return "初始化中" in message

    initializing = http_reply('{"code":1001,"msg":"初始化中"}'.encode())

    answered_at: dict[bytes, float] = {}
    waits: list[float] = []

    async def answer(stream: Any, request: bytes) -> None:  # noqa: ANN401
        w_id = request.rpartition(b"\r\n\r\n")[2]
        if w_id in answered_at:
            waits.append(perf_counter() - answered_at[w_id])
            if len(waits) == len(instances):
                all_asked_again.set()
        if len(server.requests) == len(instances):
            all_asked.set()
        await all_asked.wait()
        answered_at[w_id] = perf_counter()
        await stream.send(initializing)

    async with (
        RawServer(answer) as server,
        SessionPool(
            server.url,
            initialization=InitializationWait(interval, is_initializing=slow),
        ) as pool,
    ):
        async with pool.stream(instances):
            await decoding.wait()
        async with pool.stream(instances):
            await all_asked_again.wait()
    assert min(waits) >= interval


async def test_an_error_keeps_neither_the_reply_nor_the_headers_alive() -> None:
    page = b"<html>" + b"x" * 100_000
    async with (
        RawServer(replying(http_reply(page))) as server,
        SessionPool(
            Gateway(server.url, headers={"Authorization": "s3cret"}),
            retry=RetryPolicy(1),
        ) as pool,
    ):
        report = await pool.fetch_all(["a"])
        error: BaseException | None = report.errors["a"]
        assert isinstance(error, ReplyDecodeError)
        assert error.__traceback__ is None
        assert error.__context__ is None


async def test_a_failed_fetch_makes_no_reference_cycle() -> None:
    async def fetch() -> weakref.ref[WxContactsError]:
        try:
            await pool.fetch("w")
        except WxContactsError as error:
            return weakref.ref(error)
        pytest.fail("it must fail")

    async with GatewayEmulator({}) as emulator, SessionPool(emulator.url) as pool:
        gc.disable()
        try:
            assert (await fetch())() is None
        finally:
            gc.enable()


async def test_each_caller_gets_an_error_with_a_traceback_of_its_own() -> None:
    errors: list[BaseException] = []
    async with (
        RawServer(replying(http_reply(b"", status="404 No"))) as server,
        SessionPool(server.url) as pool,
    ):

        async def fetch() -> None:
            with pytest.raises(WxContactsError) as raised:
                await pool.fetch("w")
            errors.append(raised.value)

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(fetch)
        assert len(server.requests) == 1
    assert len({id(error) for error in errors}) == 3
    assert len({str(error) for error in errors}) == 1
    assert {vars(error)["status"] for error in errors} == {404}
