"""When faults of the emulator strike, and how it goes down and comes back."""

import asyncio
import math
import socket
from collections import Counter

import aiohttp
import anyio
import pytest
from anyio.lowlevel import checkpoint

from tests.emulator.test_emulator import post
from tests.support.loops import on_asyncio
from wxcontacts_async import InvalidArgumentError, RetryPolicy, SessionPool
from wxcontacts_async.emulator import EmulatedInstance, Fault, FaultKind, GatewayEmulator


def port_of(emulator: GatewayEmulator) -> int:
    return int(emulator.url.rpartition(":")[2])


async def is_refused(emulator: GatewayEmulator) -> bool:
    try:
        stream = await anyio.connect_tcp("127.0.0.1", port_of(emulator))
    except OSError:
        return True
    await stream.aclose()
    return False


@on_asyncio
async def test_a_share_strikes_the_same_calls_for_the_same_seed() -> None:
    faults = (
        Fault(FaultKind.STATUS_503, share=0.2),
        Fault(FaultKind.EMPTY_BODY, share=0.1),
    )

    async def met(seed: int, *, backwards: bool) -> dict[str, list[FaultKind | None]]:
        w_ids = [f"w{number}" for number in range(20)]
        instances = dict.fromkeys(w_ids, EmulatedInstance(contacts=1))
        async with (
            GatewayEmulator(instances, seed=seed, faults=faults) as emulator,
            aiohttp.ClientSession() as session,
        ):
            for _ in range(20):
                for w_id in reversed(w_ids) if backwards else w_ids:
                    url = f"{emulator.url}/getAllContact"
                    await (await session.post(url, json={"wId": w_id})).read()
            counted = Counter(call.fault for call in emulator.calls if call.fault)
            assert emulator.faults_met == counted
            assert 50 < counted[FaultKind.STATUS_503] < 110
            assert 20 < counted[FaultKind.EMPTY_BODY] < 65
            return {w_id: [call.fault for call in emulator.calls_of(w_id)] for w_id in w_ids}

    first = await met(1, backwards=False)
    assert await met(1, backwards=True) == first
    assert await met(2, backwards=False) != first


@on_asyncio
async def test_an_instance_has_faults_of_its_own_and_they_go_first() -> None:
    instances = {
        "sound": EmulatedInstance(contacts=1),
        "faulty": EmulatedInstance(
            contacts=1,
            faults=(
                Fault(FaultKind.STATUS_503, first_calls=1),
                Fault(FaultKind.EMPTY_BODY, first_calls=2),
            ),
        ),
    }
    every = Fault(FaultKind.STATUS_502, first_calls=3)
    async with GatewayEmulator(instances, faults=[every]) as emulator:
        for w_id in ("faulty", "sound"):
            for _ in range(4):
                await post(emulator.url, {"wId": w_id})
        assert [call.fault for call in emulator.calls_of("faulty")] == [
            FaultKind.STATUS_503,
            FaultKind.EMPTY_BODY,
            FaultKind.STATUS_502,
            None,
        ]
        assert [call.fault for call in emulator.calls_of("sound")] == [
            *[FaultKind.STATUS_502] * 3,
            None,
        ]


@on_asyncio
async def test_a_fault_in_the_place_of_a_reply_leaves_the_initialization_as_it_was() -> None:
    once = Fault(FaultKind.STATUS_503, first_calls=1)
    instances = {"a": EmulatedInstance(contacts=1, initializing_calls=1, faults=(once,))}
    async with GatewayEmulator(instances) as emulator:
        for _ in range(3):
            await post(emulator.url, {"wId": "a"})
        assert [call.reply for call in emulator.calls] == ["fault", "initializing", "ready"]


@pytest.mark.parametrize(
    ("fault", "on", "off", "changes"),
    [
        (Fault(FaultKind.NULL), [0, 1e9], [], {0: None}),
        (Fault(FaultKind.NULL, after=2), [2, 99], [0, 1.9], {0: 2, 2: None}),
        (Fault(FaultKind.NULL, during=2), [0, 1.9], [2, 9], {0: 2, 2: None}),
        (
            Fault(FaultKind.NULL, after=1, during=2, every=5),
            [1, 2.9, 6, 7.9, 51],
            [0, 0.9, 3, 5.9, 8, 53],
            {0: 1, 1: 3, 3: 6, 6: 8, 8: 11},
        ),
    ],
)
def test_a_schedule_says_when_a_fault_is_on(
    fault: Fault,
    on: list[float],
    off: list[float],
    changes: dict[float, float | None],
) -> None:
    assert all(fault.is_on(seconds) for seconds in on)
    assert not any(fault.is_on(seconds) for seconds in off)
    assert {seconds: fault.next_change(seconds) for seconds in changes} == changes


@on_asyncio
async def test_a_scheduled_fault_strikes_in_its_time_only() -> None:
    late = Fault(FaultKind.STATUS_503, after=3600)
    now = Fault(FaultKind.STATUS_502, during=3600)
    async with GatewayEmulator({"a": EmulatedInstance()}, faults=[late, now]) as emulator:
        assert (await post(emulator.url, {"wId": "a"}))[0] == 502


async def test_a_port_that_is_refused_by_schedule_opens_again_with_its_number() -> None:
    outage = Fault(FaultKind.REFUSE_CONNECTIONS, after=0.4, during=1.0)
    async with GatewayEmulator({"a": EmulatedInstance(contacts=3)}, faults=[outage]) as emulator:
        port = port_of(emulator)
        stream = await anyio.connect_tcp("127.0.0.1", port)
        with pytest.raises(anyio.BrokenResourceError):
            await stream.receive()  # what was open is reset as the outage begins
        await stream.aclose()
        assert await is_refused(emulator)
        with anyio.fail_after(30):
            async with SessionPool(
                emulator.url,
                retry=RetryPolicy(1000, initial_delay=0.01, max_delay=0.01),
            ) as pool:
                assert len(await pool.fetch("a")) == 3
        assert port_of(emulator) == port
        assert emulator.faults_met == {FaultKind.REFUSE_CONNECTIONS: 1}


async def test_connections_that_are_reset_are_counted_with_their_times() -> None:
    away = Fault(FaultKind.RESET_CONNECTIONS, first_calls=3)
    async with GatewayEmulator({"a": EmulatedInstance(contacts=1)}, faults=[away]) as emulator:
        async with SessionPool(emulator.url, retry=RetryPolicy(9, initial_delay=0)) as pool:
            assert len(await pool.fetch("a")) == 1
        assert [one.turned_away for one in emulator.connections] == [True] * 3 + [False]
        times = [one.began for one in emulator.connections]
        assert times == sorted(times)
        assert emulator.faults_met == {FaultKind.RESET_CONNECTIONS: 3}
        assert len(emulator.calls) == 1


async def test_a_connection_from_before_a_period_of_resets_is_reset_when_it_is_called_on() -> None:
    away = Fault(FaultKind.RESET_CONNECTIONS, after=1.0)
    instances = {"a": EmulatedInstance(contacts=1)}
    async with (
        GatewayEmulator(instances, faults=[away]) as emulator,
        aiohttp.ClientSession() as session,
    ):
        url = f"{emulator.url}/getAllContact"
        async with session.post(url, json={"wId": "a"}) as response:
            await response.read()
        while emulator.faults_met[FaultKind.RESET_CONNECTIONS] == 0:
            stream = await anyio.connect_tcp("127.0.0.1", port_of(emulator))
            with anyio.move_on_after(0.02):
                with pytest.raises((anyio.BrokenResourceError, anyio.EndOfStream)):
                    await stream.receive()
            await stream.aclose()
        with pytest.raises(aiohttp.ClientError):
            await session.post(url, json={"wId": "a"})


async def test_while_it_is_down_connections_are_reset_and_refused_and_then_all_is_as_before() -> (
    None
):
    instances = {"slow": EmulatedInstance(latency=math.inf), "a": EmulatedInstance(contacts=2)}
    async with GatewayEmulator(instances) as emulator:
        url = emulator.url

        async def ask() -> None:
            with pytest.raises(aiohttp.ClientError):
                await post(url, {"wId": "slow"})

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await emulator.wait_for_calls(1)
            async with emulator.down():
                assert emulator.under_way == 0
                assert emulator.calls[0].reply == "gone"
                assert emulator.connections[0].ended is not None
                assert await is_refused(emulator)
                assert await is_refused(emulator)
        assert emulator.url == url
        assert (await post(url, {"wId": "a"}))[1]["code"] == "1000"
        assert len(emulator.connections) == 2


async def test_while_it_is_down_and_listening_attempts_are_counted() -> None:
    async with GatewayEmulator({"a": EmulatedInstance(contacts=2)}) as emulator:
        async with SessionPool(
            emulator.url,
            retry=RetryPolicy(1000, initial_delay=0.01, max_delay=0.01),
        ) as pool:
            await emulator.go_down(listening=True)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(pool.fetch, "a")
                await emulator.wait_for_connections(3)
                assert emulator.calls == []
                await emulator.come_back()
        assert [call.reply for call in emulator.calls] == ["ready"]
        assert [one.turned_away for one in emulator.connections[:3]] == [True] * 3
        assert not emulator.connections[-1].turned_away


async def test_a_connection_that_comes_just_as_it_goes_down_is_reset() -> None:
    loop = asyncio.get_running_loop()
    async with GatewayEmulator(1) as emulator:
        for ticks in range(10):  # on its way from the port to who answers on it
            with socket.create_connection(("127.0.0.1", port_of(emulator))) as client:
                client.settimeout(0)
                for _ in range(ticks):
                    await checkpoint()
                async with emulator.down():
                    with anyio.fail_after(30), pytest.raises(ConnectionResetError):
                        await loop.sock_recv(client, 1)
        assert await is_refused(emulator) is False


async def test_a_restart_cuts_what_is_under_way_and_loses_no_instance() -> None:
    silent_at_first = EmulatedInstance(
        contacts=20,
        faults=(Fault(FaultKind.SILENCE, first_calls=1),),
    )
    instances = {f"w{number}": EmulatedInstance(contacts=20) for number in range(20)}
    instances |= {f"silent{number}": silent_at_first for number in range(5)}
    async with (
        GatewayEmulator(instances) as emulator,
        SessionPool(emulator.url, retry=RetryPolicy(9, initial_delay=0)) as pool,
        pool.stream(emulator.w_ids) as outcomes,
    ):
        fetched = [(await anext(outcomes)).w_id for _ in range(20)]
        await emulator.wait_for_calls(25)
        await emulator.go_down()
        assert [call.reply for call in emulator.calls].count("gone") == 5
        await emulator.come_back()
        fetched += [outcome.w_id async for outcome in outcomes]
    assert sorted(fetched) == sorted(instances)
    assert [call.reply for call in emulator.calls_of("silent0")] == ["gone", "ready"]


async def test_it_can_be_left_while_it_is_down_and_its_port_is_free_then() -> None:
    async with GatewayEmulator(1) as emulator:
        port = port_of(emulator)
        await emulator.go_down()
    async with GatewayEmulator(1, port=port) as emulator:
        assert not await is_refused(emulator)


async def test_going_down_needs_an_emulator_that_is_entered() -> None:
    with pytest.raises(InvalidArgumentError, match="has been entered"):
        await GatewayEmulator(1).go_down()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"kind": "status-503"}, "kind must be a FaultKind"),
        ({"share": 0}, "share must be a number above 0 and at most 1"),
        ({"share": 1.5}, "share must be"),
        ({"first_calls": 0}, "first_calls must be a whole number of at least 1"),
        ({"after": -1}, "after must be"),
        ({"during": 0}, "during must be a number above 0"),
        ({"during": 5, "every": 3}, "every must be a number of at least 5"),
        ({"every": 3}, "every needs during"),
        ({"retry_after": 1}, "retry_after is for the kinds status-"),
        ({"kind": FaultKind.STATUS_429, "retry_after": 0.5}, "retry_after must be a whole"),
        ({"bytes_per_second": 0}, "bytes_per_second must be"),
        ({"contacts": 0}, "contacts must be"),
        ({"kind": FaultKind.REFUSE_CONNECTIONS, "share": 0.5}, "share must be 1"),
        ({"kind": FaultKind.REFUSE_CONNECTIONS, "first_calls": 1}, "first_calls must be None"),
    ],
)
def test_a_wrong_fault_is_refused_where_it_is_made(
    arguments: dict[str, object],
    words: str,
) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        Fault(**{"kind": FaultKind.NULL, **arguments})  # type: ignore[arg-type]  # on purpose


def test_faults_are_refused_that_are_none_or_not_for_an_instance() -> None:
    with pytest.raises(InvalidArgumentError, match="must be of type Fault"):
        GatewayEmulator(1, faults=["null"])  # type: ignore[list-item]
    with pytest.raises(InvalidArgumentError, match="must be an iterable of Fault"):
        GatewayEmulator(1, faults=FaultKind.NULL)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="cannot be reset-connections"):
        EmulatedInstance(faults=(Fault(FaultKind.RESET_CONNECTIONS),))
