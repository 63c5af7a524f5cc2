"""An instance that is told that its calls are too frequent waits, and spends no attempt."""

import anyio
import pytest

from tests.support.loops import on_asyncio
from tests.support.observing import Witness
from tests.support.raw_server import RawServer
from tests.support.scripted import INITIALIZING, READY, TOO_OFTEN, Script, reply
from wxcontacts_async import (
    Failed,
    Fetched,
    Gateway,
    GatewayRefusedError,
    InitializationWait,
    InvalidArgumentError,
    RetryPolicy,
    RetryScheduled,
    SessionPool,
)

ONE_ATTEMPT = RetryPolicy(1, initial_delay=0.02, max_delay=0.1)


async def test_it_is_called_again_and_spends_no_attempt() -> None:
    script = Script(lambda _, number: TOO_OFTEN if number < 6 else READY)
    witness = Witness()
    async with (
        RawServer(script) as server,
        SessionPool(server.url, retry=ONE_ATTEMPT, observers=[witness]) as pool,
        pool.stream(["w"]) as outcomes,
    ):
        outcome = await anext(outcomes)
    assert isinstance(outcome, Fetched)
    assert outcome.calls == 6
    waits = witness.of(RetryScheduled)
    assert len(waits) == 5
    assert all(isinstance(wait.error, GatewayRefusedError) for wait in waits)
    times = [at for _, at in script.calls]
    for wait, before, after in zip(waits, times[:-1], times[1:], strict=True):
        assert after - before >= wait.delay


async def test_one_that_is_told_so_for_too_long_is_refused() -> None:
    script = Script(lambda *_: TOO_OFTEN)
    async with (
        RawServer(script) as server,
        SessionPool(Gateway(server.url, outage_timeout=0.5), retry=ONE_ATTEMPT) as pool,
        pool.stream(["w"]) as outcomes,
    ):
        outcome = await anext(outcomes)
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, GatewayRefusedError)
    assert (outcome.error.code, outcome.error.message) == ("1001", "操作太频繁，请稍后再试")
    assert "too frequent" in str(outcome.error)
    assert 0.5 <= outcome.elapsed < 30  # a quarter of the default
    assert outcome.calls > 3


async def test_one_of_many_slows_no_other() -> None:
    script = Script(lambda w_id, number: TOO_OFTEN if w_id == "often" and number < 4 else READY)
    async with (
        RawServer(script) as server,
        SessionPool(server.url, retry=RetryPolicy(1, initial_delay=5, max_delay=5)) as pool,
    ):
        with anyio.fail_after(30):
            async with pool.stream(["often", *(f"w{n}" for n in range(200))]) as outcomes:
                ended = [await anext(outcomes) for _ in range(200)]
    assert "often" not in {outcome.w_id for outcome in ended}


@on_asyncio
async def test_several_in_a_row_are_the_gateway_s_load() -> None:
    busy = {"is": True}
    script = Script(lambda *_: TOO_OFTEN if busy["is"] else READY)
    witness = Witness()
    async with (
        RawServer(script) as server,
        SessionPool(
            Gateway(server.url, max_concurrency=16), retry=RetryPolicy(1), observers=[witness]
        ) as pool,
        pool.stream([f"w{n}" for n in range(200)]) as outcomes,
    ):
        await witness.wait_for(lambda: len(witness.of(RetryScheduled)) >= 16)
        before = len(script.calls)
        with anyio.move_on_after(1.5):
            await anyio.sleep_forever()
        # It would be the 200, again and again.
        assert len(script.calls) - before < 40
        busy["is"] = False
        ended = [outcome async for outcome in outcomes]
    assert all(isinstance(outcome, Fetched) for outcome in ended)


async def test_which_messages_mean_it_is_the_caller_s_to_say() -> None:
    def is_throttled(code: str, message: str) -> bool:
        return code == "4029" and message == "慢点"

    slower = reply("慢点", code="4029")
    script = Script(
        lambda w_id, number: TOO_OFTEN if w_id == "other" else slower if number < 3 else READY,
    )
    policy = RetryPolicy(1, initial_delay=0.01, is_throttled=is_throttled)
    async with RawServer(script) as server, SessionPool(server.url, retry=policy) as pool:
        assert len(await pool.fetch("w")) == 1
        with pytest.raises(GatewayRefusedError) as raised:
            await pool.fetch("other")
    assert raised.value.calls == 1


def test_what_cannot_be_called_is_refused_where_it_is_given() -> None:
    with pytest.raises(InvalidArgumentError, match="^is_throttled must be callable"):
        RetryPolicy(is_throttled="频繁")  # type: ignore[arg-type]


async def test_initializing_is_waited_for_all_the_same() -> None:
    answers = [TOO_OFTEN, INITIALIZING, TOO_OFTEN, READY]
    script = Script(lambda _, number: answers[number - 1])
    async with (
        RawServer(script) as server,
        SessionPool(server.url, retry=ONE_ATTEMPT, initialization=InitializationWait(0.3)) as pool,
    ):
        assert len(await pool.fetch("w")) == 1
    times = [at for _, at in script.calls]
    assert times[2] - times[1] >= 0.3
