"""What single calls are answered with, as an emulated instance is told."""

import pytest

from wxcontacts_async import GatewayRefusedError, InvalidArgumentError, SessionPool
from wxcontacts_async.emulator import (
    Answer,
    EmulatedInstance,
    Fault,
    FaultKind,
    GatewayEmulator,
    Refusal,
)
from wxcontacts_async.testing import wait_free


async def test_the_calls_before_and_after_are_answered_as_ever() -> None:
    like_this: dict[int, Answer] = {2: "initializing", 3: Fault(FaultKind.STATUS_500, share=1.0)}
    instances = {"w": EmulatedInstance(contacts=3, latency=0.001, at_calls=like_this)}
    with wait_free():
        async with GatewayEmulator(instances) as emulator, SessionPool(emulator.url) as pool:
            emulator.at_call("w", 5, Refusal("-1", "已掉线"))
            sizes = [len(await pool.fetch("w")), len(await pool.fetch("w"))]
            with pytest.raises(GatewayRefusedError, match="已掉线"):
                await pool.fetch("w")
            sizes.append(len(await pool.fetch("w")))

    assert sizes == [3, 3, 3]
    replies = [call.reply for call in emulator.calls]
    assert replies == ["ready", "initializing", "fault", "ready", "refused", "ready"]


async def test_a_call_that_has_been_or_an_instance_that_is_not_there_is_an_error() -> None:
    async with GatewayEmulator(["w"], contacts=1) as emulator, SessionPool(emulator.url) as pool:
        await pool.fetch("w")
        with pytest.raises(InvalidArgumentError, match="of at least 2"):
            emulator.at_call("w", 1, "initializing")
        with pytest.raises(InvalidArgumentError, match="w_id must be of an instance that it knows"):
            emulator.at_call("v", 1, "initializing")


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        ("ready", "answer must be 'initializing'"),
        (FaultKind.REFUSE_CONNECTIONS, "cannot be refuse-connections"),
        (Fault(FaultKind.RATE_LIMIT), "cannot be rate-limit"),
        (None, "answer must be"),
    ],
)
def test_an_answer_that_no_call_can_have_is_an_error(answer: Answer, what: str) -> None:
    with pytest.raises(InvalidArgumentError, match=what):
        EmulatedInstance(at_calls={1: answer})
    with pytest.raises(InvalidArgumentError, match=what):
        GatewayEmulator(["w"]).at_call("w", 1, answer)
