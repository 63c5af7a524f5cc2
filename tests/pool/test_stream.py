"""Streams: where instances come from, how outcomes are read, and how it all ends."""

import math
from collections.abc import AsyncIterator, Iterator
from itertools import count, islice

import anyio
import pytest

from tests.support.leftovers import no_tasks_left, open_sockets_to, settle
from tests.support.observing import Witness
from wxcontacts_async import (
    CallSent,
    Failed,
    Fetched,
    Gateway,
    Instance,
    InvalidArgumentError,
    OutcomeStream,
    PoolClosedError,
    SessionPool,
    UnknownGatewayError,
)
from wxcontacts_async.emulator import EmulatedInstance, GatewayEmulator

SILENT = EmulatedInstance(latency=math.inf)


async def w_ids_of(outcomes: OutcomeStream) -> list[str]:
    return [outcome.w_id async for outcome in outcomes]


async def test_every_instance_of_a_list_comes_out_with_its_contacts() -> None:
    async with (
        GatewayEmulator(50, contacts=20) as emulator,
        SessionPool(emulator.url) as pool,
        pool.stream(emulator.w_ids) as outcomes,
    ):
        fetched = {}
        async for outcome in outcomes:
            assert isinstance(outcome, Fetched)
            assert (outcome.gateway, outcome.calls, outcome.waited) == (emulator.url, 1, 0)
            assert outcome.elapsed > 0
            assert outcome.reply_bytes == len(emulator.population.reply(outcome.w_id, 20))
            fetched[outcome.w_id] = outcome.contacts
        for w_id, contacts in fetched.items():
            assert contacts.lists() == emulator.contact_set(w_id).lists()
    assert set(fetched) == set(emulator.w_ids)


async def test_an_empty_source_ends_at_once() -> None:
    async with SessionPool("http://127.0.0.1:9") as pool, pool.stream([]) as outcomes:
        assert await w_ids_of(outcomes) == []
        with pytest.raises(StopAsyncIteration):
            await anext(outcomes)


async def test_an_async_source_is_read_as_it_comes() -> None:
    more = anyio.Event()

    async def source() -> AsyncIterator[str]:
        yield "a"
        await more.wait()
        yield "b"

    async with (
        GatewayEmulator(["a", "b"], contacts=1) as emulator,
        SessionPool(emulator.url) as pool,
        pool.stream(source()) as outcomes,
    ):
        assert (await anext(outcomes)).w_id == "a"
        more.set()
        assert await w_ids_of(outcomes) == ["b"]


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_an_endless_source_can_be_left(kind: str) -> None:
    async def endless() -> AsyncIterator[str]:
        for number in count():
            yield f"w{number % 7}"

    async with (
        GatewayEmulator([f"w{i}" for i in range(7)], contacts=1) as emulator,
        SessionPool(emulator.url) as pool,
    ):
        source = endless() if kind == "async" else (f"w{number % 7}" for number in count())
        async with pool.stream(source) as outcomes:
            for _ in range(100):
                assert isinstance(await anext(outcomes), Fetched)
        await settle()


async def test_a_source_that_never_yields_to_the_loop_does_not_stop_it() -> None:
    ticks = 0
    exhausted = anyio.Event()

    def source() -> Iterator[str]:
        yield from map(str, range(5000))
        exhausted.set()

    async def tick() -> None:
        nonlocal ticks
        while not exhausted.is_set():
            ticks += 1
            await anyio.lowlevel.checkpoint()

    async with (
        GatewayEmulator({}) as emulator,
        SessionPool(emulator.url) as pool,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(tick)
        async with pool.stream(source()):
            await exhausted.wait()
        assert ticks >= 50


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_an_exception_in_the_source_comes_out_after_the_calls_are_cancelled(
    kind: str,
) -> None:
    witness = Witness()
    asked = anyio.Event()

    def broken() -> Iterator[str]:
        yield from ("a", "b", "c")
        raise LookupError("the database is gone")

    async def broken_later() -> AsyncIterator[str]:
        for w_id in ("a", "b", "c"):
            yield w_id
        await asked.wait()
        raise LookupError("the database is gone")

    async with (
        GatewayEmulator(dict.fromkeys("abc", SILENT)) as emulator,
        SessionPool(emulator.url, observers=[witness]) as pool,
    ):
        with no_tasks_left():
            async with pool.stream(broken() if kind == "sync" else broken_later()) as outcomes:
                if kind == "async":
                    await emulator.wait_for_calls(3)
                    asked.set()
                with pytest.raises(LookupError, match="the database is gone"):
                    await anext(outcomes)
                await settle()
                assert open_sockets_to(emulator.url) == 0
                with pytest.raises(StopAsyncIteration):
                    await anext(outcomes)
        await emulator.wait_until_idle()
        assert {call.reply for call in emulator.calls} <= {"gone"}


async def test_what_had_arrived_before_the_source_broke_is_still_read() -> None:
    proceed = anyio.Event()

    async def source() -> AsyncIterator[str]:
        yield "a"
        await proceed.wait()
        raise LookupError

    async with (
        GatewayEmulator(["a"], contacts=1) as emulator,
        SessionPool(emulator.url) as pool,
        pool.stream(source()) as outcomes,
    ):
        await emulator.wait_for_calls(1)
        await settle()
        proceed.set()
        await settle()
        assert (await anext(outcomes)).w_id == "a"
        with pytest.raises(LookupError):
            await anext(outcomes)


async def test_an_exception_in_the_body_goes_out_as_it_is() -> None:
    async with (
        GatewayEmulator({"a": SILENT}) as emulator,
        SessionPool(emulator.url) as pool,
    ):
        with no_tasks_left():

            async def break_off() -> None:
                async with pool.stream(["a"]):
                    await emulator.wait_for_calls(1)
                    raise LookupError("mine")

            with pytest.raises(LookupError, match="^mine$"):
                await break_off()
            await settle()
            assert open_sockets_to(emulator.url) == 0


@pytest.mark.parametrize("how", ["exhausted", "left", "cancelled", "broken"])
async def test_an_async_generator_is_closed_however_the_stream_ends(how: str) -> None:
    closed = False

    async def source() -> AsyncIterator[str]:
        nonlocal closed
        try:
            for number in range(3 if how == "exhausted" else 10**6):
                if number == 5 and how == "broken":
                    raise LookupError
                yield f"w{number}"
        finally:
            await anyio.lowlevel.checkpoint()
            closed = True

    async with GatewayEmulator({}) as emulator, SessionPool(emulator.url) as pool:
        with anyio.CancelScope() as scope:
            async with pool.stream(source(), max_pending=10) as outcomes:
                if how == "broken":
                    with pytest.raises(LookupError):
                        await w_ids_of(outcomes)
                elif how == "exhausted":
                    await w_ids_of(outcomes)
                else:
                    await anext(outcomes)
                if how == "cancelled":
                    scope.cancel()
                    await w_ids_of(outcomes)
        assert closed


async def test_cancelling_a_read_loses_no_outcome() -> None:
    async with (
        GatewayEmulator([f"w{i}" for i in range(30)], contacts=1, latency=0.002) as emulator,
        SessionPool(Gateway(emulator.url, max_concurrency=2)) as pool,
        pool.stream(emulator.w_ids) as outcomes,
    ):
        read: list[str] = []
        while len(read) < 30:
            with anyio.move_on_after(0.001):
                read.append((await anext(outcomes)).w_id)
        assert sorted(read) == sorted(emulator.w_ids)


async def test_several_readers_share_the_outcomes() -> None:
    read: list[list[str]] = [[], [], []]
    async with (
        GatewayEmulator([f"w{i}" for i in range(60)], contacts=1) as emulator,
        SessionPool(Gateway(emulator.url, max_concurrency=8)) as pool,
        pool.stream(emulator.w_ids) as outcomes,
    ):

        async def read_into(own: list[str]) -> None:
            async for outcome in outcomes:
                own.append(outcome.w_id)
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as tasks:
            for own in read:
                tasks.start_soon(read_into, own)
    assert sorted(w_id for own in read for w_id in own) == sorted(emulator.w_ids)
    assert all(read)


async def test_a_wrong_instance_fails_alone_and_the_others_arrive() -> None:
    async with (
        GatewayEmulator(["a", "b"], contacts=1) as emulator,
        SessionPool({"east": emulator.url, "west": emulator.url}) as pool,
    ):
        report = await pool.fetch_all(
            [
                Instance("a", gateway="east"),
                "no-gateway",
                "",
                Instance("b", gateway="north"),
                "\ud83d",
                Instance("b", gateway="west"),
            ],
        )
    assert {w_id: set(map(str, contacts.w_id)) for w_id, contacts in report.contacts.items()} == {
        "a": {"a"},
        "b": {"b"},
    }
    failed = [outcome for outcome in report.outcomes if isinstance(outcome, Failed)]
    assert [(outcome.w_id, type(outcome.error)) for outcome in failed] == [
        ("no-gateway", UnknownGatewayError),
        ("", InvalidArgumentError),
        ("b", UnknownGatewayError),
        ("\ud83d", InvalidArgumentError),
    ]
    assert "no gateway is called 'north'; name one of 'east', 'west'" in str(failed[2].error)
    with pytest.raises(ExceptionGroup, match=r"4 of 6 instances failed") as raised:
        report.raise_for_errors()
    assert len(raised.value.exceptions) == 4


async def test_something_that_is_no_instance_ends_the_stream_and_says_what_may_be() -> None:
    async with (
        GatewayEmulator({"a": SILENT}) as emulator,
        SessionPool(emulator.url) as pool,
        pool.stream(["a", 7]) as outcomes,  # type: ignore[list-item]
    ):
        with pytest.raises(InvalidArgumentError, match="^instances must be str or Instance"):
            await anext(outcomes)


async def test_a_slow_gateway_does_not_hold_up_a_fast_one() -> None:
    async with (
        GatewayEmulator([f"s{i}" for i in range(50)], latency=math.inf) as slow,
        GatewayEmulator([f"f{i}" for i in range(200)], contacts=1) as fast,
        SessionPool({"slow": Gateway(slow.url, max_concurrency=2), "fast": fast.url}) as pool,
    ):
        instances = [
            *(Instance(w_id, gateway="slow") for w_id in slow.w_ids),
            *(Instance(w_id, gateway="fast") for w_id in fast.w_ids),
        ]
        async with pool.stream(instances) as outcomes:
            read = [(await anext(outcomes)).w_id for _ in range(200)]
            assert slow.under_way == 2
    assert sorted(read) == sorted(fast.w_ids)


async def test_each_gateway_has_slots_of_its_own() -> None:
    async with (
        GatewayEmulator([f"a{i}" for i in range(60)], contacts=1, latency=0.01) as east,
        GatewayEmulator([f"b{i}" for i in range(60)], contacts=1, latency=0.01) as west,
        SessionPool(
            {
                "east": Gateway(east.url, max_concurrency=3),
                "west": Gateway(west.url, max_concurrency=7),
            },
        ) as pool,
    ):
        report = await pool.fetch_all(
            [Instance(f"a{i}", gateway="east") for i in range(60)]
            + [Instance(f"b{i}", gateway="west") for i in range(60)],
        )
        assert (east.max_under_way, west.max_under_way) == (3, 7)
    assert len(report.contacts) == 120


async def test_the_same_w_id_twice_gives_two_outcomes() -> None:
    async with (
        GatewayEmulator(["a"], contacts=1) as emulator,
        SessionPool(emulator.url) as pool,
        pool.stream(["a", "a", "a"]) as outcomes,
    ):
        assert await w_ids_of(outcomes) == ["a", "a", "a"]


async def test_a_stream_is_read_within_its_block_only() -> None:
    async with SessionPool("http://127.0.0.1:9") as pool:
        stream = pool.stream(["a"])
        with pytest.raises(PoolClosedError, match="not open"):
            await anext(stream)
        async with pool.stream([]) as left:
            pass
        with pytest.raises(PoolClosedError, match="not open"):
            await anext(left)
        with pytest.raises(PoolClosedError, match="entered once"):
            await left.__aenter__()


async def test_a_consumer_that_stops_reading_does_not_disturb_the_other_stream() -> None:
    witness = Witness()
    async with (
        GatewayEmulator([f"w{i}" for i in range(20)], contacts=1) as emulator,
        SessionPool(Gateway(emulator.url, max_concurrency=4), observers=[witness]) as pool,
        pool.stream(list(islice(emulator.w_ids, 2))),
        pool.stream(emulator.w_ids[2:]) as read,
    ):
        # Two of the four slots hold outcomes that nobody takes; the others go on.
        with anyio.fail_after(30):
            assert len(await w_ids_of(read)) == 18
    assert len(witness.of(CallSent)) == 20
