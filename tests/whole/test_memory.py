"""Memory stays flat however many instances are streamed."""

import subprocess
import sys
from collections.abc import Iterator

import anyio
import psutil
import pytest

from wxcontacts_async import Fetched, SessionPool
from wxcontacts_async.emulator import GatewayEmulator

INSTANCES = 50_000
CONTACTS = 5


@pytest.fixture(scope="module")
def gateway_process() -> Iterator[str]:
    """Serve in another process, whose memory is not measured."""
    command = [sys.executable, "-m", "wxcontacts_async.cli", "emulator", "--port", "0"]
    process = subprocess.Popen(  # noqa: S603  # our own arguments
        [*command, "--instances", str(INSTANCES), "--contacts", str(CONTACTS)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": False})])
async def test_memory_stays_flat_over_fifty_thousand_instances_and_a_slow_consumer(
    gateway_process: str,
) -> None:
    w_ids = GatewayEmulator(INSTANCES, contacts=CONTACTS).w_ids
    resident = psutil.Process().memory_info
    at_first, most, taken = 0, 0, 0
    async with SessionPool(gateway_process) as pool, pool.stream(iter(w_ids)) as outcomes:
        async for outcome in outcomes:
            assert isinstance(outcome, Fetched)
            assert len(outcome.contacts) == CONTACTS
            taken += 1
            await anyio.sleep(0.001)
            if taken == 1000:
                at_first = resident().rss
            if not taken % 1000:
                most = max(most, resident().rss)
    assert taken == INSTANCES
    assert most - at_first < 20_000_000
