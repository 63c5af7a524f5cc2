"""A refusal for load is the gateway's: it costs no attempt, and the gateway is called less."""

from time import monotonic

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import SocketStream

from tests.support.observing import Witness
from tests.support.raw_server import RawServer, http_reply
from tests.support.scripted import (
    BAD_GATEWAY,
    BUSY,
    INITIALIZING,
    READY,
    UNAVAILABLE,
    Limiter,
    Script,
)
from wxcontacts_async import (
    CallSent,
    Failed,
    Fetched,
    Gateway,
    GatewayDown,
    GatewayHTTPError,
    GatewayPaused,
    GatewayTimeoutError,
    GatewayUp,
    InitializationWait,
    InstanceWaiting,
    RetryPolicy,
    SessionPool,
)
from wxcontacts_async.emulator import EmulatedInstance, Fault, FaultKind, GatewayEmulator

ONE_ATTEMPT = RetryPolicy(1, initial_delay=0.01, max_delay=0.05)
AFTER_A_SECOND = http_reply(b"", status="429 Too Many Requests", headers="Retry-After: 1\n")


@pytest.mark.parametrize("refusal", [BUSY, UNAVAILABLE])
async def test_it_costs_no_attempt(refusal: bytes) -> None:
    script = Script(lambda w_id, number: refusal if w_id == "w" and number < 7 else READY)
    async with (
        RawServer(script) as server,
        SessionPool(server.url, retry=ONE_ATTEMPT) as pool,
    ):
        await pool.fetch("other")  # a gateway that has answered
        async with pool.stream(["w"]) as outcomes:
            outcome = await anext(outcomes)
    assert isinstance(outcome, Fetched)
    assert outcome.calls == 7


@pytest.mark.parametrize("refusal", [BUSY, UNAVAILABLE])
async def test_a_gateway_that_serves_some_in_time_fails_none(refusal: bytes) -> None:
    limiter = Limiter(20, refusal, lambda _, number: INITIALIZING if number == 1 else READY)
    witness = Witness()
    async with (
        RawServer(Script(limiter)) as server,
        SessionPool(
            Gateway(server.url, max_concurrency=16, outage_timeout=2),
            retry=RetryPolicy(1),
            initialization=InitializationWait(0.2),
            observers=[witness],
        ) as pool,
    ):
        began = monotonic()
        report = await pool.fetch_all(f"w{n}" for n in range(30))
        seconds = monotonic() - began
    report.raise_for_errors()
    assert len(witness.of(InstanceWaiting)) == 30
    calls = sum(outcome.calls for outcome in report.outcomes)
    assert calls == 60 + limiter.refused == len(witness.of(CallSent))
    assert limiter.refused <= calls / 3 + 8  # of so few calls, the first burst is a large part
    assert seconds > 59 / 20  # which is longer than outage_timeout


async def test_one_that_serves_none_for_too_long_fails_all_and_names_what_to_lower() -> None:
    script = Script(lambda *_: BUSY)
    async with (
        RawServer(script) as server,
        SessionPool(
            Gateway(server.url, max_concurrency=4, outage_timeout=0.8),
            retry=RetryPolicy(1, initial_delay=0.1),
        ) as pool,
    ):
        began = monotonic()
        report = await pool.fetch_all(f"w{n}" for n in range(200))
        seconds = monotonic() - began
    assert len(report.errors) == 200
    for error in report.errors.values():
        assert isinstance(error, GatewayHTTPError)
        assert error.status == 429
        assert "max_rate" in str(error)
    assert 0.8 <= seconds < 30  # a quarter of the default
    # It is not hammered meanwhile.
    assert len(script.calls) < 30


async def test_a_gateway_that_refuses_a_few_is_called_fast_again() -> None:
    refused = {f"w{n}" for n in range(0, 1_000, 250)}
    script = Script(lambda w_id, number: BUSY if w_id in refused and number == 1 else READY)
    async with (
        RawServer(script) as server,
        SessionPool(server.url, retry=RetryPolicy(1)) as pool,
    ):
        with anyio.fail_after(30):  # at the rate after a cut that would be minutes
            report = await pool.fetch_all(f"w{n}" for n in range(1_000))
    report.raise_for_errors()
    assert len(script.calls) == 1_000 + len(refused)


async def test_a_pause_is_announced_once_and_held_by_all() -> None:
    first: set[str] = set()

    def answer(w_id: str, number: int) -> bytes:
        if number == 1 and len(first) < 8:
            first.add(w_id)
            return AFTER_A_SECOND
        return READY

    script = Script(answer)
    witness = Witness()
    async with (
        RawServer(script) as server,
        SessionPool(
            Gateway(server.url, max_concurrency=8),
            retry=RetryPolicy(1, initial_delay=0.01),
            observers=[witness],
        ) as pool,
    ):
        report = await pool.fetch_all(f"w{n}" for n in range(40))
    report.raise_for_errors()
    assert [paused.delay for paused in witness.of(GatewayPaused)] == [1.0]
    times = [at for _, at in script.calls]
    assert times[8] - times[0] > 0.99


async def test_after_a_pause_calls_do_not_go_all_at_once() -> None:
    refused: set[bytes] = set()
    under_way = most = 0

    async def answer(stream: SocketStream, request: bytes) -> None:
        nonlocal under_way, most
        if request not in refused and len(refused) < 16:
            refused.add(request)
            await stream.send(AFTER_A_SECOND)
            return
        under_way += 1
        most = max(most, under_way)
        served.append(under_way)
        await anyio.lowlevel.checkpoint()  # others may come in meanwhile
        await stream.send(READY)
        under_way -= 1

    served: list[int] = []
    async with (
        RawServer(answer) as server,
        SessionPool(
            Gateway(server.url, max_concurrency=16), retry=RetryPolicy(1, initial_delay=0)
        ) as pool,
    ):
        report = await pool.fetch_all(f"w{n}" for n in range(16))
    report.raise_for_errors()
    assert served[0] == 1
    assert most < 8


async def test_one_that_is_refused_alone_fails_in_the_end_and_slows_no_other() -> None:
    instances = {f"w{n}": EmulatedInstance(contacts=1) for n in range(300)}
    always = (Fault(FaultKind.STATUS_429),)
    instances["alone"] = EmulatedInstance(contacts=1, faults=always)
    async with (
        GatewayEmulator(instances) as emulator,
        SessionPool(
            Gateway(emulator.url, outage_timeout=2),
            retry=RetryPolicy(1, initial_delay=0.05, max_delay=0.1),
        ) as pool,
    ):
        ended: list[float] = []
        async with pool.stream(["alone", *(f"w{n}" for n in range(300))]) as outcomes:
            async for outcome in outcomes:
                if outcome.w_id == "alone":
                    failed = outcome
                else:
                    ended.append(outcome.elapsed)
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, GatewayHTTPError)
    assert 2 <= failed.elapsed < 30  # a quarter of the default
    assert len(ended) == 300
    # At the 10 calls a second that are left when each refusal counts it would be 30 s.
    assert max(ended) < 25


@pytest.mark.parametrize("instances", [2, 40])
async def test_a_proxy_that_answers_for_a_gateway_that_is_away_is_an_outage(
    instances: int,
) -> None:
    """As one such as nginx does, with 502 and at once."""
    away_until = float("inf")

    def answer(w_id: str, number: int) -> bytes:  # noqa: ARG001
        return BAD_GATEWAY if monotonic() < away_until else READY

    script = Script(answer)
    witness = Witness()
    async with (
        RawServer(script) as server,
        SessionPool(
            Gateway(server.url, max_concurrency=32),
            retry=RetryPolicy(4, initial_delay=0.02, max_delay=0.1),
            observers=[witness],
        ) as pool,
        pool.stream([f"w{n}" for n in range(instances)]) as outcomes,
    ):
        await witness.wait_for(lambda: bool(witness.of(GatewayDown)))
        (down,) = witness.of(GatewayDown)
        assert down.reason == "HTTP status 502"
        before = len(script.calls)
        away_until = monotonic() + 1
        ended = [outcome async for outcome in outcomes]
        probes = sum(at < away_until for _, at in script.calls[before:])
    assert all(isinstance(outcome, Fetched) for outcome in ended)
    assert len(witness.of(GatewayUp)) == 1
    assert probes <= 32 + 8  # those that were under way, and one at a time
    assert len(script.calls) == sum(outcome.calls for outcome in ended)


async def test_one_that_alone_gets_502_is_its_own_failure() -> None:
    script = Script(lambda w_id, _: BAD_GATEWAY if w_id == "bad" else READY)
    witness = Witness()
    async with (
        RawServer(script) as server,
        SessionPool(
            server.url, retry=RetryPolicy(6, initial_delay=0.01), observers=[witness]
        ) as pool,
    ):
        report = await pool.fetch_all(["bad", *(f"w{n}" for n in range(20))])
    (error,) = report.errors.values()
    assert isinstance(error, GatewayHTTPError)
    assert (error.status, error.calls) == (502, 6)
    assert not witness.of(GatewayDown)


async def test_a_proxy_that_answers_for_a_gateway_too_long_fails_its_instances() -> None:
    script = Script(lambda *_: BAD_GATEWAY)
    async with (
        RawServer(script) as server,
        SessionPool(
            Gateway(server.url, outage_timeout=0.8),
            retry=RetryPolicy(2, initial_delay=0.01, max_delay=0.02),
        ) as pool,
    ):
        report = await pool.fetch_all(f"w{n}" for n in range(100))
    assert len(report.errors) == 100
    assert any("(HTTP status 502)" in str(error) for error in report.errors.values())


@pytest.mark.parametrize("slow", [1, 40])
async def test_a_slow_gateway_is_a_timeout_that_names_the_setting(slow: int) -> None:
    silent = {f"w{n}": EmulatedInstance(latency=float("inf")) for n in range(slow)}
    async with (
        GatewayEmulator({"ready": EmulatedInstance(contacts=1), **silent}) as emulator,
        SessionPool(
            Gateway(emulator.url, request_timeout=0.5, outage_timeout=1.2),
            retry=RetryPolicy(2, initial_delay=0.01, max_delay=0.02),
        ) as pool,
    ):
        await pool.fetch("ready")
        report = await pool.fetch_all(silent)
        calls = len(emulator.calls)
    assert len(report.errors) == slow
    for error in report.errors.values():
        assert isinstance(error, GatewayTimeoutError)
        assert "request_timeout" in str(error)
    assert calls <= 1 + 2 * slow
