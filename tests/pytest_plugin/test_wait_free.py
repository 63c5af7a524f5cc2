"""`wait_free`: pools that wait for nothing, for the tests of services."""

import pytest

from wxcontacts_async import (
    Gateway,
    GatewayConnectionError,
    InitializationTimeoutError,
    InitializationWait,
    InvalidArgumentError,
    RetryPolicy,
    SessionPool,
)
from wxcontacts_async.emulator import EmulatedInstance, Fault, FaultKind, GatewayEmulator
from wxcontacts_async.testing import wait_free

_LONG_WAIT = InitializationWait(3600)
_LONG_DELAY = RetryPolicy(initial_delay=3600, max_delay=3600)


async def test_neither_an_initializing_instance_nor_a_failed_call_is_waited_for() -> None:
    failing = (Fault(FaultKind.HALF_JSON, first_calls=3),)
    instances = {
        "initializing": EmulatedInstance(contacts=1, initializing_calls=3),
        "failing": EmulatedInstance(contacts=1, faults=failing),
    }
    async with GatewayEmulator(instances) as emulator:
        with wait_free():
            waiting = SessionPool(emulator.url, initialization=_LONG_WAIT, retry=_LONG_DELAY)
        async with waiting as pool:
            report = await pool.fetch_all(instances)

    assert {*report.contacts} == {*instances}
    assert len(emulator.calls) == 8


async def test_a_gateway_that_is_gone_is_soon_given_up() -> None:
    async with GatewayEmulator(["w"], contacts=1) as emulator:
        with wait_free(outage_timeout=0.1):
            patient = SessionPool(Gateway(emulator.url, outage_timeout=3600), retry=_LONG_DELAY)
        async with patient as pool:
            await pool.fetch("w")
            await emulator.go_down()
            with pytest.raises(GatewayConnectionError):
                await pool.fetch("w")


async def test_what_else_a_pool_is_told_holds() -> None:
    with wait_free(), pytest.raises(InvalidArgumentError, match="retry must be a RetryPolicy"):
        SessionPool("http://localhost:1", retry=5)  # type: ignore[call-overload]
    instances = {"w": EmulatedInstance(initializing_calls=1_000_000)}
    async with GatewayEmulator(instances) as emulator:
        with wait_free():
            hasty = SessionPool(emulator.url, initialization=InitializationWait(timeout=0))
        async with hasty as pool:
            with pytest.raises(InitializationTimeoutError):
                await pool.fetch("w")


async def test_a_pool_that_is_made_afterwards_waits_again() -> None:
    with wait_free():
        pass
    instances = {"w": EmulatedInstance(initializing_calls=1)}
    waiting = InitializationWait(3600, timeout=0)
    async with (
        GatewayEmulator(instances) as emulator,
        SessionPool(emulator.url, initialization=waiting) as pool,
    ):
        with pytest.raises(InitializationTimeoutError):
            await pool.fetch("w")


def test_an_outage_timeout_that_cannot_be_is_an_error() -> None:
    with pytest.raises(InvalidArgumentError, match="outage_timeout"), wait_free(outage_timeout=-1):
        pass
