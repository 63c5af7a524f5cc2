"""The gateway's process is killed in the middle of a fetch, and comes back."""

from subprocess import Popen
from time import monotonic

import anyio
import pytest
from anyio.to_thread import run_sync

from tests.support.command import end, start
from tests.support.observing import Witness
from wxcontacts_async import (
    CallSent,
    Event,
    Fetched,
    GatewayDown,
    GatewayUp,
    RetryPolicy,
    SessionPool,
)
from wxcontacts_async.emulator import GatewayEmulator

AWAY = 5.0


def gateway(port: str) -> tuple[Popen[bytes], str]:
    """Start one of 2,000 instances in a process of its own; return it, and its URL."""
    process = start("emulator", "--port", port, "--instances", "2000", "--contacts", "5")
    assert process.stdout is not None
    return process, process.stdout.readline().decode().strip()


@pytest.mark.slow
async def test_a_gateway_that_is_killed_and_comes_back_costs_no_instance() -> None:
    w_ids = GatewayEmulator(2000).w_ids
    ended: list[str] = []
    sent_at: list[float] = []
    witness = Witness()

    def note(event: Event) -> None:
        if isinstance(event, CallSent):
            sent_at.append(monotonic())

    process, url = await run_sync(gateway, "0")
    try:
        async with (
            SessionPool(
                url,
                retry=RetryPolicy(initial_delay=0.2, max_delay=1.0),
                observers=[note, witness],
            ) as pool,
            pool.stream(w_ids) as outcomes,
            anyio.create_task_group() as tasks,
        ):

            async def read() -> None:
                async for outcome in outcomes:
                    assert isinstance(outcome, Fetched)
                    ended.append(outcome.w_id)

            tasks.start_soon(read)
            await witness.wait_for(lambda: len(sent_at) > 300)
            process.kill()
            await witness.wait_for(lambda: bool(witness.of(GatewayDown)))
            down_at = monotonic()
            await run_sync(end, process)
            await witness.wait_for(lambda: sent_at[-1] > down_at + AWAY)
            process, _ = await run_sync(gateway, url.rpartition(":")[2])
    finally:
        process.kill()
        await run_sync(end, process)
    assert sorted(ended) == sorted(w_ids)
    assert len(witness.of(GatewayUp)) == 1
    # What was under way when it was noticed is not counted.
    while_away = [at - down_at for at in sent_at if 0.1 < at - down_at < AWAY]
    assert 1 <= len(while_away) <= 5 * AWAY
    seconds = [int(at) for at in while_away]
    assert max(seconds.count(second) for second in seconds) <= 5
