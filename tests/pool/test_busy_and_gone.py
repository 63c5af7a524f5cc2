"""What a gateway that is busy, away or gone must not do to those who ask for its instances."""

from itertools import pairwise
from time import monotonic

import anyio
import pytest

from tests.support.loops import on_asyncio
from tests.support.observing import Witness
from tests.support.raw_server import RawServer, http_reply
from tests.support.scripted import BAD_GATEWAY, BUSY, READY, TOO_OFTEN, Script, reply
from wxcontacts_async import (
    CallSent,
    Event,
    Failed,
    Gateway,
    GatewayHTTPError,
    GatewayPaused,
    GatewayRefusedError,
    InitializationWait,
    InvalidArgumentError,
    ReplyDecodeError,
    RetryPolicy,
    SessionPool,
)

QUICK = RetryPolicy(1, initial_delay=0.02, max_delay=0.05)


async def test_a_retry_after_is_held_in_an_outage_as_well() -> None:
    asked = http_reply(b"", status="503 Away", headers="Retry-After: 1\n")
    script = Script(lambda w_id, _: READY if w_id == "first" else asked)
    witness = Witness()
    seen: list[tuple[Event, float]] = []

    def note(event: Event) -> None:
        if isinstance(event, CallSent | GatewayPaused):
            seen.append((event, monotonic()))

    async with (
        RawServer(script) as server,
        SessionPool(
            Gateway(server.url, max_concurrency=8), retry=QUICK, observers=[note, witness]
        ) as pool,
    ):
        await pool.fetch("first")
        async with pool.stream([f"w{n}" for n in range(30)]):
            await witness.wait_for(lambda: len(witness.of(GatewayPaused)) >= 4)
    pauses = [
        later - told
        for (event, told), (next_one, later) in pairwise(seen)
        if isinstance(event, GatewayPaused) and isinstance(next_one, CallSent)
    ]
    assert len(pauses) >= 3
    # One began a moment before it was told of; without it, QUICK's delays would be all.
    assert min(pauses) > 0.5


@on_asyncio
@pytest.mark.parametrize("refusal", [BUSY, BAD_GATEWAY])
async def test_who_comes_later_is_not_failed_for_what_was_before(refusal: bytes) -> None:
    away = True
    script = Script(lambda *_: refusal if away else READY)
    async with (
        RawServer(script) as server,
        SessionPool(
            Gateway(server.url, max_concurrency=8, outage_timeout=0.5), retry=QUICK
        ) as pool,
    ):
        report = await pool.fetch_all(f"w{n}" for n in range(50))
        assert len(report.errors) == 50
        away = False
        with anyio.move_on_after(5.5):  # when a call is due again, be it the next one or not
            await anyio.sleep_forever()
        report = await pool.fetch_all(f"later{n}" for n in range(200))
    report.raise_for_errors()


@on_asyncio
async def test_many_without_an_answer_at_the_beginning_do_not_fail_the_others() -> None:
    bad = [f"bad{n}" for n in range(40)]
    script = Script(lambda w_id, _: BAD_GATEWAY if w_id in bad else READY)
    async with (
        RawServer(script) as server,
        SessionPool(
            Gateway(server.url, max_concurrency=8, outage_timeout=6),
            retry=RetryPolicy(3, initial_delay=0.02, max_delay=0.05),
        ) as pool,
    ):
        report = await pool.fetch_all([*bad, *(f"good{n}" for n in range(60))])
    assert len(report.contacts) == 60
    assert set(report.errors) == set(bad)


async def test_a_predicate_that_raises_about_a_probe_does_not_end_the_gateway() -> None:
    away = True
    broken = reply("odd", status="502 Bad Gateway")
    script = Script(lambda *_: READY if not away else broken)

    def is_initializing(code: str, message: str) -> bool:
        if message == "odd":
            raise RuntimeError(code)
        return False

    witness = Witness()
    async with (
        RawServer(script) as server,
        SessionPool(
            Gateway(server.url, max_concurrency=4, outage_timeout=1),
            retry=QUICK,
            initialization=InitializationWait(is_initializing=is_initializing),
            observers=[witness],
        ) as pool,
    ):
        report = await pool.fetch_all(f"w{n}" for n in range(10))
        assert len(report.errors) == 10
        away = False
        assert len(await pool.fetch("later")) == 1


async def test_what_cannot_be_decoded_is_an_answer_all_the_same() -> None:
    script = Script(lambda w_id, _: BUSY if w_id == "busy" else http_reply(b"<html>"))
    async with (
        RawServer(script) as server,
        SessionPool(
            Gateway(server.url, outage_timeout=0.6),
            retry=RetryPolicy(8, initial_delay=0.1, max_delay=0.2),
        ) as pool,
        pool.stream(["busy", "bad"]) as outcomes,
    ):
        ended = {outcome.w_id: outcome async for outcome in outcomes}
    bad, busy = ended["bad"], ended["busy"]
    assert isinstance(bad, Failed)
    assert isinstance(bad.error, ReplyDecodeError)
    assert bad.calls == 8
    assert isinstance(busy, Failed)
    assert isinstance(busy.error, GatewayHTTPError)


async def test_a_retry_after_beside_initializing_is_that_instance_s_wait() -> None:
    initializing = reply("初始化中", status="503 Wait", headers="Retry-After: 1\n")
    script = Script(lambda w_id, n: initializing if w_id == "w" and n == 1 else READY)
    async with (
        RawServer(script) as server,
        SessionPool(server.url, initialization=InitializationWait(0.05)) as pool,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(pool.fetch, "w")
        await server.wait_for(lambda: bool(server.requests))
        await pool.fetch("other")
    assert [w_id for w_id, _ in script.calls] == ["w", "other", "w"]
    (_, told), _, (_, again) = script.calls
    assert again - told >= 1


async def test_an_instance_that_is_called_too_often_is_spared_without_any_delay_given() -> None:
    script = Script(lambda *_: TOO_OFTEN)
    async with (
        RawServer(script) as server,
        SessionPool(
            Gateway(server.url, outage_timeout=1.5),
            retry=RetryPolicy(1, initial_delay=0, max_delay=0),
        ) as pool,
    ):
        with pytest.raises(GatewayRefusedError) as raised:
            await pool.fetch("w")
    assert len(script.calls) == raised.value.calls < 12


async def test_one_told_to_come_back_in_hours_is_not_called_again_at_once() -> None:
    script = Script(lambda *_: http_reply(b"", status="429 No", headers="Retry-After: 7200\n"))
    async with RawServer(script) as server, SessionPool(server.url, retry=QUICK) as pool:
        with pytest.raises(GatewayHTTPError):
            await pool.fetch("w")
        with anyio.move_on_after(0.3):
            await pool.fetch("w")
    assert len(script.calls) == 1


async def test_a_pool_that_cannot_be_entered_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "socks5://proxy.example")
    gateways = {
        "direct": Gateway("http://gateway.invalid"),
        "proxied": Gateway("http://gateway.invalid", proxy="environment"),
    }
    with anyio.fail_after(30), pytest.raises(InvalidArgumentError, match="HTTP_PROXY"):
        async with SessionPool(gateways):
            pass
