"""Metrics as a registry has them."""

import time
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.raw_server import RawServer, http_reply, replying
from wxcontacts_async import (
    Gateway,
    InitializationWait,
    InvalidArgumentError,
    RetryPolicy,
    SessionPool,
)
from wxcontacts_async.emulator import EmulatedInstance, GatewayEmulator, Refusal
from wxcontacts_async.instrumentation.prometheus import instrument
from wxcontacts_async.store import ContactStore

BUSY = http_reply(b"", status="503 Busy")


def samples(registry: CollectorRegistry) -> dict[str, dict[tuple[str, ...], float]]:
    """Return all samples by name, each by the values of its labels."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    text = generate_latest(registry).decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


async def until(condition: Callable[[], bool]) -> None:
    """Look again and again, as a scrape does."""
    while not condition():  # noqa: ASYNC110  # nothing tells of it
        await anyio.sleep(0.01)


async def test_calls_are_counted_by_what_came_of_them() -> None:
    registry = CollectorRegistry()
    instances = {
        "good": EmulatedInstance(contacts=5, initializing_calls=2),
        "bad": EmulatedInstance(refusal=Refusal()),
    }
    async with GatewayEmulator(instances) as emulator:
        pool = SessionPool({"east": emulator.url}, initialization=InitializationWait(0.01))
        instrument(pool, registry=registry)
        async with pool:
            await pool.fetch_all(["good", "bad"])
    found = samples(registry)
    assert found["wxcontacts_calls_total"] == {
        ("east", "ready"): 1,
        ("east", "initializing"): 2,
        ("east", "refused"): 1,
    }
    assert found["wxcontacts_call_duration_seconds_count"] == {("east",): 4}
    assert found["wxcontacts_instance_duration_seconds_count"] == {("east",): 2}
    assert 0 < found["wxcontacts_instance_duration_seconds_sum"]["east",] < 60
    assert sum(found["wxcontacts_contacts_total"].values()) == 5
    assert found["wxcontacts_rejected_contacts_total"] == {("east",): 0}


async def test_a_call_that_fails_is_counted_by_its_status_or_its_error() -> None:
    registry = CollectorRegistry()
    undecodable = http_reply(b"<html>")
    async with RawServer(replying(BUSY, undecodable, http_reply())) as server:
        gateway = Gateway(server.url, outage_timeout=0)
        pool = SessionPool({"east": gateway}, retry=RetryPolicy(3, initial_delay=0))
        instrument(pool, registry=registry)
        async with pool:
            await pool.fetch("w")
    async with SessionPool({"east": gateway}, retry=RetryPolicy(1)) as pool:
        instrument(pool, registry=registry)
        assert (await pool.fetch_all(["w"])).errors
    calls = samples(registry)["wxcontacts_calls_total"]
    assert calls.pop(("east", "GatewayConnectionError")) >= 1
    assert calls == {("east", "503"): 1, ("east", "undecodable"): 1, ("east", "ready"): 1}


async def test_instances_are_counted_by_state_and_a_gateway_that_is_away_is_down() -> None:
    registry = CollectorRegistry()
    instances = {f"w{i}": EmulatedInstance(initializing_calls=99) for i in range(3)}
    async with GatewayEmulator(instances) as emulator:
        pool = SessionPool(
            {"east": emulator.url},
            initialization=InitializationWait(3_600, timeout=None),
        )
        instrument(pool, registry=registry)
        assert "wxcontacts_instances" not in samples(registry)
        async with pool, anyio.create_task_group() as tasks:
            for w_id in instances:
                tasks.start_soon(pool.fetch, w_id)
            await until(lambda: samples(registry)["wxcontacts_instances"]["east", "waiting"] == 3)
            assert samples(registry)["wxcontacts_gateway_up"] == {("east",): 1}
            async with emulator.down():
                tasks.start_soon(pool.fetch, "another")
                await until(lambda: samples(registry)["wxcontacts_gateway_up"]["east",] == 0)
            tasks.cancel_scope.cancel()
    assert samples(registry)["wxcontacts_event_loop_lag_seconds"][()] >= 0


async def test_the_lag_of_the_event_loop_is_seen() -> None:
    registry = CollectorRegistry()
    async with GatewayEmulator(["w"]) as emulator:
        pool = SessionPool(emulator.url)
        instrument(pool, registry=registry)
        async with pool:
            await pool.fetch("w")
            time.sleep(0.4)  # noqa: ASYNC251  # which is what is measured
            await until(lambda: samples(registry)["wxcontacts_event_loop_lag_seconds"][()] >= 0.2)


async def test_a_stores_changes_are_counted(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    async with (
        GatewayEmulator({"w": EmulatedInstance(contacts=40)}) as emulator,
        SessionPool({"east": emulator.url}) as pool,
        ContactStore(f"sqlite:///{tmp_path}/people.db") as store,
    ):
        instrument(store, registry=registry)
        instrument(pool, registry=registry)
        for _ in range(2):
            async with store.sync(pool, ["w"]) as results:
                assert [result.w_id async for result in results] == ["w"]
        found = samples(registry)
        # Also of the second reply, which is the first once more and not decoded.
        assert sum(found["wxcontacts_contacts_total"].values()) == 80
        assert found["wxcontacts_suspicious_instances"] == {(): 0}
        emulator.set_instance("w", EmulatedInstance(contacts=5))
        async with store.sync(pool, ["w"]) as results:
            assert [result.suspicion is None async for result in results] == [False]  # type: ignore[union-attr]
    found = samples(registry)
    assert found["wxcontacts_sync_changes_total"]["added",] >= 40
    assert found["wxcontacts_sync_changes_total"]["removed",] == 0
    assert found["wxcontacts_sync_last_success_timestamp_seconds"][()] > 1_600_000_000
    assert found["wxcontacts_suspicious_instances"] == {(): 1}
    assert found["wxcontacts_store_up"] == {(): 1}


async def test_suspicions_of_before_are_known_as_soon_as_a_sync_begins(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/people.db"
    async with (
        GatewayEmulator({"w": EmulatedInstance(contacts=40), "v": EmulatedInstance()}) as emulator,
        SessionPool(emulator.url) as pool,
    ):
        async with ContactStore(url) as store:
            for contacts in (40, 5):
                emulator.set_instance("w", EmulatedInstance(contacts=contacts))
                async with store.sync(pool, ["w"]) as results:
                    _ = [result async for result in results]
        registry = CollectorRegistry()
        async with ContactStore(url) as store:
            instrument(store, registry=registry)
            async with store.sync(pool, ["v"]) as results:
                _ = [result async for result in results]
    assert samples(registry)["wxcontacts_suspicious_instances"] == {(): 1}


def test_something_else_is_an_error() -> None:
    with pytest.raises(InvalidArgumentError, match="must be a SessionPool or a ContactStore"):
        instrument(None, registry=CollectorRegistry())  # type: ignore[arg-type]
