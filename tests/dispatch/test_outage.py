"""A gateway that goes away: its instances wait for it, and it is not hammered meanwhile."""

import asyncio
import logging
from contextlib import suppress
from time import monotonic

import anyio
import pytest
from anyio.abc import SocketStream

from tests.support.leftovers import no_tasks_left
from tests.support.observing import Witness
from tests.support.raw_server import RawServer, http_reply
from wxcontacts_async import (
    CallSent,
    Failed,
    Fetched,
    Gateway,
    GatewayConnectionError,
    GatewayDown,
    GatewayPaused,
    GatewayTimeoutError,
    GatewayUp,
    Instance,
    PoolClosedError,
    RetryPolicy,
    SessionPool,
)
from wxcontacts_async.emulator import EmulatedInstance, Fault, FaultKind, GatewayEmulator

SOON = RetryPolicy(2, initial_delay=0.01, max_delay=0.01)


async def test_a_restart_amid_2000_instances_fails_none_and_is_not_hammered() -> None:
    witness = Witness()
    ended: list[str] = []
    async with (
        GatewayEmulator(2000, contacts=3) as emulator,
        SessionPool(emulator.url, retry=SOON, observers=[witness]) as pool,
        pool.stream(emulator.w_ids) as outcomes,
        anyio.create_task_group() as tasks,
    ):

        async def read() -> None:
            async for outcome in outcomes:
                assert isinstance(outcome, Fetched)
                assert outcome.contacts.friends == emulator.contact_set(outcome.w_id).friends
                ended.append(outcome.w_id)

        tasks.start_soon(read)
        await witness.wait_for(lambda: len(witness.of(CallSent)) > 500)
        async with emulator.down(listening=True):
            await witness.wait_for(lambda: bool(witness.of(GatewayDown)))
            noticed = monotonic()
            while emulator.connections[-1].began < noticed + 1:
                await emulator.wait_for_connections(len(emulator.connections) + 1)
            tried = [connection.began - noticed for connection in emulator.connections]
    assert sorted(ended) == sorted(emulator.w_ids)
    # Calls that were under way when it was noticed may still have been connecting.
    assert sum(0.1 < at < 1 for at in tried) <= 5
    [up] = witness.of(GatewayUp)
    assert 1 < up.seconds < 30


async def test_attempts_are_not_spent_in_an_outage() -> None:
    async with (
        GatewayEmulator(["a", "b"], contacts=1) as emulator,
        SessionPool(
            emulator.url,
            retry=RetryPolicy(6, initial_delay=0, max_delay=0),
            observers=[witness := Witness()],
        ) as pool,
        anyio.create_task_group() as tasks,
    ):
        await pool.fetch("a")
        async with emulator.down():
            tasks.start_soon(pool.fetch, "b")
            await witness.wait_for(lambda: len(witness.of(CallSent)) >= 1 + 5 + 4)


async def test_an_outage_counts_as_waited_and_nothing_else_does() -> None:
    turned: list[float] = []

    def note(event: object) -> None:
        if isinstance(event, GatewayDown | GatewayUp):
            turned.append(monotonic())

    async with (
        GatewayEmulator([f"w{n}" for n in range(40)], contacts=1) as emulator,
        SessionPool(
            Gateway(emulator.url, max_concurrency=4),
            retry=SOON,
            observers=[witness := Witness(), note],
        ) as pool,
    ):
        before = await pool.fetch_all(emulator.w_ids)
        async with pool.stream(emulator.w_ids) as outcomes:
            async with emulator.down():
                await witness.wait_for(lambda: bool(witness.of(GatewayDown)))
            during = [outcome async for outcome in outcomes]
        after = await pool.fetch_all(emulator.w_ids)
    assert {outcome.waited for outcome in before.outcomes + after.outcomes} == {0}
    down, up = turned
    assert all(outcome.waited <= outcome.elapsed for outcome in during)
    # Others were called before it was noticed, or were the probe that was answered.
    waited_in_line = [outcome for outcome in during if outcome.waited >= up - down]
    assert len(waited_in_line) > 20


async def test_all_who_wait_go_on_when_it_is_back_and_not_all_in_one_tick() -> None:
    witness = Witness()
    sent_in: list[int] = []
    tick = 0

    def count() -> None:
        nonlocal tick
        tick += 1
        if not done.is_set():
            asyncio.get_running_loop().call_soon(count)

    def note(event: object) -> None:
        if isinstance(event, CallSent) and witness.of(GatewayUp):
            sent_in.append(tick)

    done = anyio.Event()
    async with (
        GatewayEmulator([f"w{n}" for n in range(64)], contacts=1) as emulator,
        SessionPool(emulator.url, retry=SOON, observers=[witness, note]) as pool,
    ):
        await pool.fetch("w0")
        async with pool.stream(emulator.w_ids) as outcomes:
            async with emulator.down():
                await witness.wait_for(lambda: bool(witness.of(GatewayDown)))
            await witness.wait_for(lambda: bool(witness.of(GatewayUp)))
            count()
            assert len([outcome async for outcome in outcomes]) == 64
            done.set()
    assert len(sent_in) > 32
    # Half of the slots, on a machine that is not busy elsewhere; it would be all of them.
    assert max(sent_in.count(tick) for tick in sent_in) < 32


async def test_a_gateway_that_stays_away_fails_its_instances_and_no_others() -> None:
    witness = Witness()
    async with (
        GatewayEmulator(["a"], contacts=1) as alive,
        GatewayEmulator([f"w{n}" for n in range(300)], contacts=1) as dying,
        SessionPool(
            {
                "alive": alive.url,
                "dying": Gateway(dying.url, outage_timeout=0.6),
            },
            retry=SOON,
            observers=[witness],
        ) as pool,
    ):
        await pool.fetch(Instance("w0", gateway="dying"))
        async with dying.down():
            report = await pool.fetch_all(
                [Instance(w_id, gateway="dying") for w_id in dying.w_ids]
                + [Instance("a", gateway="alive")],
            )
        assert set(report.contacts) == {"a"}
        assert len(report.errors) == 300
        for error in report.errors.values():
            assert isinstance(error, GatewayConnectionError)
            assert error.gateway == "dying"
        waited = [
            outcome
            for outcome in report.outcomes
            if isinstance(outcome, Failed) and "has not answered for" in str(outcome.error)
        ]
        assert len(waited) >= 290
        assert "s (no connection: Connection refused). Check that" in str(waited[0].error)
        assert all(0 < outcome.waited <= outcome.elapsed for outcome in waited)
        # Nobody waits as long again, and who comes when it is back finds out.
        while True:
            try:
                await pool.fetch(Instance("w1", gateway="dying"))
            except GatewayConnectionError:
                continue
            break
    assert [up.gateway for up in witness.of(GatewayUp)] == ["dying"]


async def test_a_gateway_that_was_never_there_fails_thousands_soon_and_is_not_hammered() -> None:
    witness = Witness()
    async with GatewayEmulator([]) as emulator:
        await emulator.go_down(listening=True)
        async with SessionPool(emulator.url, retry=SOON, observers=[witness]) as pool:
            report = await pool.fetch_all(f"w{n}" for n in range(3000))
        tried = len(emulator.connections)
    assert len(report.errors) == 3000
    assert tried <= 32 + 32 + 4


async def test_a_probe_that_is_cancelled_makes_way_for_another() -> None:
    witness = Witness()
    async with (
        GatewayEmulator([f"w{n}" for n in range(8)], contacts=1) as emulator,
        SessionPool(emulator.url, retry=SOON, observers=[witness]) as pool,
    ):
        await pool.fetch("w0")
        async with pool.stream([f"w{n}" for n in range(7)]) as outcomes:
            async with emulator.down():
                await witness.wait_for(lambda: bool(witness.of(GatewayDown)))
            silent = EmulatedInstance(contacts=1, latency=float("inf"))
            for w_id in emulator.w_ids[:7]:
                emulator.set_instance(w_id, silent)
            calls = len(emulator.calls)
            await emulator.wait_for_calls(calls + 1)  # the probe, which is not answered
            assert not witness.of(GatewayUp)
            del outcomes
        with anyio.fail_after(30):
            assert len(await pool.fetch("w7")) == 1


async def test_leaving_in_an_outage_leaves_nothing_behind() -> None:
    with no_tasks_left():
        async with GatewayEmulator(100, contacts=1) as emulator:
            witness = Witness()
            async with SessionPool(emulator.url, retry=SOON, observers=[witness]) as pool:
                await pool.fetch(emulator.w_ids[0])
                async with emulator.down(), pool.stream(emulator.w_ids):
                    await witness.wait_for(lambda: bool(witness.of(GatewayDown)))


async def test_a_pool_that_is_left_just_as_its_gateway_is_back_is_left() -> None:
    witness = Witness()

    async def fetch(pool: SessionPool, w_id: str) -> None:
        with suppress(PoolClosedError):
            await pool.fetch(w_id)

    with no_tasks_left():
        async with (
            GatewayEmulator(100, contacts=1) as emulator,
            anyio.create_task_group() as tasks,
            SessionPool(emulator.url, retry=SOON, observers=[witness]) as pool,
        ):
            await pool.fetch(emulator.w_ids[0])
            async with emulator.down():
                for w_id in emulator.w_ids:
                    tasks.start_soon(fetch, pool, w_id)
                await witness.wait_for(lambda: bool(witness.of(GatewayDown)))
            await witness.wait_for(lambda: bool(witness.of(GatewayUp)))


async def test_retry_after_pauses_the_whole_gateway() -> None:
    answered: list[float] = []

    async def answer(stream: SocketStream, request: bytes) -> None:  # noqa: ARG001
        answered.append(asyncio.get_running_loop().time())
        if len(answered) == 1:
            await stream.send(
                b"HTTP/1.1 429 Too Many\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
            )
        else:
            await stream.send(http_reply())

    witness = Witness()
    async with (
        RawServer(answer) as server,
        SessionPool(
            Gateway(server.url, max_concurrency=1), retry=SOON, observers=[witness]
        ) as pool,
    ):
        report = await pool.fetch_all(["a", "b", "c"])
    assert len(report.contacts) == 3
    # Whoever stood in line waited as well.
    assert all(0.99 < outcome.waited <= outcome.elapsed for outcome in report.outcomes)
    assert len(answered) == 4
    assert answered[1] - answered[0] > 0.99
    assert [(paused.gateway, paused.delay) for paused in witness.of(GatewayPaused)] == [
        (server.url, 1.0),
    ]


@pytest.mark.parametrize("kind", [FaultKind.CLOSE_AFTER_REPLY])
async def test_a_connection_that_was_closed_while_nobody_used_it_costs_no_attempt(
    kind: FaultKind,
) -> None:
    async with (
        GatewayEmulator(200, contacts=1, faults=[Fault(kind)]) as emulator,
        SessionPool(
            Gateway(emulator.url, max_concurrency=4),
            retry=RetryPolicy(1),
        ) as pool,
    ):
        report = await pool.fetch_all(emulator.w_ids)
        assert not report.errors
        assert all(
            isinstance(outcome, Fetched) and outcome.calls == 1 for outcome in report.outcomes
        )


async def test_a_gateway_that_only_ever_closes_fails_rather_than_be_called_for_ever() -> None:
    async def answer(stream: SocketStream, request: bytes) -> None:  # noqa: ARG001
        await stream.aclose()

    async with (
        RawServer(answer) as server,
        SessionPool(server.url, retry=RetryPolicy(1)) as pool,
        pool.stream(["a"]) as outcomes,
    ):
        outcome = await anext(outcomes)
        assert isinstance(outcome, Failed)
        assert len(server.requests) == 1


async def test_an_outage_is_logged_with_the_gateway_and_no_instance(
    caplog: pytest.LogCaptureFixture,
) -> None:
    witness = Witness()
    with caplog.at_level(logging.WARNING, "wxcontacts_async"):
        async with (
            GatewayEmulator(20, contacts=1) as emulator,
            SessionPool(emulator.url, retry=SOON, observers=[witness]) as pool,
        ):
            await pool.fetch(emulator.w_ids[0])
            async with emulator.down(), pool.stream(emulator.w_ids):
                await witness.wait_for(lambda: bool(witness.of(GatewayDown)))
                url = emulator.url
    [record] = caplog.records
    assert f"gateway '{url}' does not answer" in record.getMessage()


async def test_instances_that_are_silent_by_themselves_are_no_outage() -> None:
    silent = {f"silent{n}": EmulatedInstance(latency=float("inf")) for n in range(10)}
    ready = {f"w{n}": EmulatedInstance(contacts=1) for n in range(100)}
    async with (
        GatewayEmulator({**silent, **ready}) as emulator,
        SessionPool(Gateway(emulator.url, request_timeout=1.0), retry=SOON) as pool,
    ):
        report = await pool.fetch_all([*silent, *ready])
    assert set(report.contacts) == set(ready)
    assert {type(error) for error in report.errors.values()} == {GatewayTimeoutError}


async def test_a_gateway_that_falls_silent_is_an_outage() -> None:
    witness = Witness()
    ready = EmulatedInstance(contacts=1)
    async with (
        GatewayEmulator({f"w{n}": ready for n in range(40)}) as emulator,
        SessionPool(
            Gateway(emulator.url, max_concurrency=8, request_timeout=0.3),
            retry=SOON,
            observers=[witness],
        ) as pool,
    ):
        await pool.fetch("w0")
        for w_id in emulator.w_ids:
            emulator.set_instance(w_id, EmulatedInstance(latency=float("inf")))
        async with pool.stream(emulator.w_ids) as outcomes:
            await witness.wait_for(lambda: bool(witness.of(GatewayDown)))
            for w_id in emulator.w_ids:
                emulator.set_instance(w_id, ready)
            fetched = [o async for o in outcomes if isinstance(o, Fetched)]
    assert len(fetched) == 40
