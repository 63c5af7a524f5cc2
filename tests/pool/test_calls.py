"""When instances are called: those that wait hold nothing, and none is called too soon."""

import math
from itertools import pairwise

import anyio
import pytest
from anyio.abc import SocketStream

from tests.support.leftovers import open_sockets_to, settle
from tests.support.observing import Witness
from tests.support.raw_server import RawServer, http_reply
from tests.support.scripted import INITIALIZING, READY
from wxcontacts_async import (
    ContactSet,
    Fetched,
    Gateway,
    InitializationTimeoutError,
    InitializationWait,
    InstanceWaiting,
    RetryPolicy,
    SessionPool,
)
from wxcontacts_async.emulator import EmulatedInstance, GatewayEmulator

LONG_WAIT = InitializationWait(3600, timeout=None)


# A waiting instance holds nothing.


async def test_waiting_instances_do_not_delay_one_that_is_ready() -> None:
    waiting = {f"w{i}": EmulatedInstance(initializing_calls=9, contacts=1) for i in range(2000)}
    ready = EmulatedInstance(contacts=3)
    witness = Witness()
    async with (
        GatewayEmulator({**waiting, "ready": ready}) as emulator,
        SessionPool(
            Gateway(emulator.url, max_concurrency=2),
            initialization=LONG_WAIT,
            observers=[witness],
        ) as pool,
        pool.stream(waiting),
    ):
        await witness.wait_for(lambda: len(witness.of(InstanceWaiting)) == len(waiting))
        await emulator.wait_until_idle()
        assert open_sockets_to(emulator.url) <= 2
        with anyio.fail_after(30):
            assert len(await pool.fetch("ready")) == 3


async def test_an_instance_that_backs_off_holds_no_slot() -> None:
    async def answer(stream: SocketStream, request: bytes) -> None:
        later = http_reply(b"", status="500 Later")
        await stream.send(later if b"busy" in request else http_reply())

    witness = Witness()
    async with (
        RawServer(answer) as server,
        SessionPool(
            Gateway(server.url, max_concurrency=1),
            retry=RetryPolicy(initial_delay=1e6, max_delay=1e6),
            observers=[witness],
        ) as pool,
        pool.stream(["busy"]),
    ):
        await witness.wait_for(lambda: len(witness.events) == 2)
        with anyio.fail_after(30):
            assert await pool.fetch("ready")


async def test_half_of_a_thousand_wait_twice_and_the_others_do_not_notice() -> None:
    interval = 0.5
    instances = {
        f"w{i}": EmulatedInstance(contacts=5, initializing_calls=2 if i % 2 else 0)
        for i in range(1000)
    }
    async with (
        GatewayEmulator(instances) as emulator,
        SessionPool(emulator.url, initialization=InitializationWait(interval)) as pool,
        pool.stream(instances) as outcomes,
    ):
        ended = [outcome async for outcome in outcomes]
    assert len(ended) == 1000
    assert all(isinstance(outcome, Fetched) for outcome in ended)
    # Whoever was ready at once is there before anybody who had to wait.
    assert [outcome.calls for outcome in ended] == [1] * 500 + [3] * 500
    for w_id in instances:
        calls = emulator.calls_of(w_id)
        for told, again in pairwise(calls):
            assert told.ended is not None
            assert again.began - told.ended >= interval
    assert emulator.max_under_way <= 32


# Never sooner, and never twice at once.


async def fetch_in_tasks(pool: SessionPool, w_id: str, number: int) -> list[ContactSet]:
    fetched: list[ContactSet] = []

    async def fetch() -> None:
        fetched.append(await pool.fetch(w_id))

    async with anyio.create_task_group() as tasks:
        for _ in range(number):
            tasks.start_soon(fetch)
    return fetched


async def test_ten_who_ask_for_one_instance_share_one_call() -> None:
    async with (
        GatewayEmulator({"w": EmulatedInstance(contacts=5, latency=0.05)}) as emulator,
        SessionPool(emulator.url) as pool,
    ):
        fetched = await fetch_in_tasks(pool, "w", 10)
        assert len(emulator.calls) == 1
    assert len(fetched) == 10
    assert all(contacts is fetched[0] for contacts in fetched)


async def test_nine_of_ten_are_cancelled_and_the_tenth_gets_its_contacts() -> None:
    async with (
        GatewayEmulator({"w": EmulatedInstance(contacts=5, latency=0.2)}) as emulator,
        SessionPool(emulator.url) as pool,
    ):
        fetched: list[ContactSet] = []

        async def fetch() -> None:
            fetched.append(await pool.fetch("w"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fetch)
            async with anyio.create_task_group() as cancelled:
                for _ in range(9):
                    cancelled.start_soon(fetch)
                await emulator.wait_for_calls(1)
                cancelled.cancel_scope.cancel()
        assert [call.reply for call in emulator.calls] == ["ready"]
    assert len(fetched) == 1


async def test_one_of_two_who_wait_for_a_slot_is_cancelled_and_the_other_is_served() -> None:
    async with (
        GatewayEmulator({"slow": EmulatedInstance(contacts=1, latency=0.2)}) as emulator,
        SessionPool(Gateway(emulator.url, max_concurrency=1)) as pool,
        anyio.create_task_group() as tasks,
    ):
        emulator.set_instance("w", EmulatedInstance(contacts=5))
        tasks.start_soon(pool.fetch, "slow")
        await emulator.wait_for_calls(1)
        async with anyio.create_task_group() as cancelled:
            cancelled.start_soon(pool.fetch, "w")
            tasks.start_soon(pool.fetch, "w")
            await settle()
            cancelled.cancel_scope.cancel()
        with anyio.fail_after(30):
            await emulator.wait_for_calls(2)


async def test_when_the_last_of_ten_is_cancelled_the_connection_goes() -> None:
    async with (
        GatewayEmulator({"w": EmulatedInstance(latency=math.inf)}) as emulator,
        SessionPool(emulator.url) as pool,
    ):
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(pool.fetch, "w")
            await emulator.wait_for_calls(1)
            tasks.cancel_scope.cancel()
        with anyio.fail_after(30):
            await emulator.wait_until_idle()
        assert [call.reply for call in emulator.calls] == ["gone"]
        await settle()
        assert open_sockets_to(emulator.url) == 0


async def test_streams_and_fetches_share_one_call_and_each_gets_its_outcome() -> None:
    async with (
        GatewayEmulator({"w": EmulatedInstance(contacts=5, latency=0.1)}) as emulator,
        SessionPool(emulator.url) as pool,
        pool.stream(["w"]) as one,
        pool.stream(["w", "w"]) as other,
    ):
        await emulator.wait_for_calls(1)
        assert len(await pool.fetch("w")) == 5
        assert [outcome.w_id async for outcome in one] == ["w"]
        assert [outcome.w_id async for outcome in other] == ["w", "w"]
        assert len(emulator.calls) == 1


async def test_who_asks_again_within_a_wait_that_was_cancelled_waits_for_the_rest_of_it() -> None:
    interval = 0.4
    witness = Witness()
    async with (
        GatewayEmulator({"w": EmulatedInstance(contacts=5, initializing_calls=1)}) as emulator,
        SessionPool(
            emulator.url,
            initialization=InitializationWait(interval),
            observers=[witness],
        ) as pool,
    ):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pool.fetch, "w")
            await witness.wait_for(lambda: bool(witness.of(InstanceWaiting)))
            tasks.cancel_scope.cancel()
        assert len(await pool.fetch("w")) == 5
        told, again = emulator.calls
    assert told.ended is not None
    assert again.began - told.ended >= interval


async def test_who_asks_again_after_an_initialization_timeout_waits_as_well() -> None:
    interval = 0.3
    async with (
        GatewayEmulator({"w": EmulatedInstance(contacts=5, initializing_calls=1)}) as emulator,
        SessionPool(
            emulator.url,
            initialization=InitializationWait(interval, timeout=0.1),
        ) as pool,
    ):
        with pytest.raises(InitializationTimeoutError):
            await pool.fetch("w")
        assert len(await pool.fetch("w")) == 5
        told, again = emulator.calls
    assert told.ended is not None
    assert again.began - told.ended >= interval


async def test_who_asks_while_a_cancelled_call_is_going_does_not_call_beside_it() -> None:
    async with (
        GatewayEmulator({"w": EmulatedInstance(contacts=5, latency=0.05)}) as emulator,
        SessionPool(emulator.url) as pool,
    ):
        for _ in range(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(pool.fetch, "w")
                await emulator.wait_for_calls(len(emulator.calls) + 1)
                tasks.cancel_scope.cancel()
            # No tick has passed since the call was cancelled.
            assert len(await pool.fetch("w")) == 5
        assert emulator.max_under_way == 1


async def test_an_instance_that_becomes_ready_for_several_is_called_once() -> None:
    under_way = most = 0

    async def answer(stream: SocketStream, request: bytes) -> None:  # noqa: ARG001
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await anyio.sleep(0.02)
        await stream.send(INITIALIZING if len(server.requests) < 3 else READY)
        under_way -= 1

    wait = InitializationWait(interval=0.01)
    async with RawServer(answer) as server, SessionPool(server.url, initialization=wait) as pool:
        async with (
            pool.stream(["w"]) as first,
            pool.stream(["w"]) as second,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(pool.fetch, "w")
            assert isinstance(await anext(first), Fetched)
            assert isinstance(await anext(second), Fetched)
        assert (most, len(server.requests)) == (1, 3)
