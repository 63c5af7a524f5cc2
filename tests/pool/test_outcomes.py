"""What becomes of replies: one outcome each, in bounded memory and time, nothing lost or told."""

import asyncio
import gc
import logging
import math
from collections.abc import Iterator

import anyio
import pytest
from anyio.abc import SocketStream

from tests.support.decoding import be_busy
from tests.support.leftovers import settle
from tests.support.raw_server import RawServer, http_reply, replying
from wxcontacts_async import (
    Contact,
    ContactSet,
    Failed,
    Fetched,
    Gateway,
    GatewayRefusedError,
    InitializationWait,
    Instance,
    RetryPolicy,
    SessionPool,
)
from wxcontacts_async.emulator import EmulatedInstance, GatewayEmulator, Refusal

# Memory is bounded by slots, not by instances.


async def test_a_slow_consumer_stops_the_calls_rather_than_filling_the_heap() -> None:
    async with (
        GatewayEmulator([f"w{i}" for i in range(200)], contacts=5) as emulator,
        SessionPool(Gateway(emulator.url, max_concurrency=4)) as pool,
        pool.stream(emulator.w_ids) as outcomes,
    ):
        for taken in range(1, 10):
            await anext(outcomes)
            await emulator.wait_until_idle()
            await settle()
            # Those that were taken, and one in each slot. A reader that waits frees its slot
            # in advance, hence one more.
            assert taken < len(emulator.calls) <= taken + 4 + 1


async def test_the_source_is_read_no_further_than_max_pending() -> None:
    given = 0

    def source() -> Iterator[str]:
        nonlocal given
        while True:
            given += 1
            yield f"w{given}"

    async with (
        GatewayEmulator({}) as emulator,
        SessionPool(emulator.url) as pool,
        pool.stream(source(), max_pending=50) as outcomes,
    ):
        for taken in range(1, 15):
            await anext(outcomes)
            await settle()
            assert given <= taken + 50


async def test_an_outcome_that_was_read_is_not_kept_while_the_next_call_is_under_way() -> None:
    instances = {
        "read-and-gone": EmulatedInstance(contacts=5),
        "silent": EmulatedInstance(latency=math.inf),
    }
    async with (
        GatewayEmulator(instances) as emulator,
        SessionPool(Gateway(emulator.url, max_concurrency=1)) as pool,
        pool.stream(instances) as outcomes,
    ):
        outcome = await anext(outcomes)
        assert isinstance(outcome, Fetched)
        del outcome
        await emulator.wait_for_calls(2)
        assert "read-and-gone" not in [
            found.w_id for found in gc.get_objects() if isinstance(found, ContactSet)
        ]


async def test_many_fetches_do_not_pile_up_replies_that_wait_to_be_decoded() -> None:
    decoded = most_ahead = 0

    def slow_to_decode(code: str, message: str) -> bool:  # noqa: ARG001  # a predicate's shape
        nonlocal decoded, most_ahead
        most_ahead = max(most_ahead, len(server.requests) - decoded)
        decoded += 1
        be_busy(0.003)
        return False

    async with (
        RawServer(replying(http_reply())) as server,
        SessionPool(
            Gateway(server.url, max_concurrency=4),
            initialization=InitializationWait(is_initializing=slow_to_decode),
        ) as pool,
        anyio.create_task_group() as tasks,
    ):
        for number in range(100):
            tasks.start_soon(pool.fetch, f"w{number}")
    assert decoded == 100
    assert most_ahead <= 2 * 4


# The event loop stays alive.


async def test_replies_that_arrive_together_are_decoded_in_different_ticks() -> None:
    tick = 0
    decoded_in: list[int] = []

    def slow_to_decode(code: str, message: str) -> bool:  # noqa: ARG001  # a predicate's shape
        decoded_in.append(tick)
        be_busy(0.005)
        return False

    loop = asyncio.get_running_loop()

    def count() -> None:
        nonlocal tick
        tick += 1
        if len(decoded_in) < 32:
            loop.call_soon(count)

    all_asked = anyio.Event()

    async def answer(stream: SocketStream, request: bytes) -> None:  # noqa: ARG001
        if len(server.requests) == 32:
            all_asked.set()
        await all_asked.wait()
        await stream.send(http_reply())

    async with (
        RawServer(answer) as server,
        SessionPool(
            server.url,
            initialization=InitializationWait(is_initializing=slow_to_decode),
        ) as pool,
    ):
        count()
        report = await pool.fetch_all(f"w{i}" for i in range(32))
    assert len(report.contacts) == 32
    assert len(set(decoded_in)) == 32


# Every instance ends in exactly one outcome.


async def test_every_instance_ends_in_exactly_one_outcome_whatever_becomes_of_it() -> None:
    instances = {
        **{f"ready{i}": EmulatedInstance(contacts=5) for i in range(40)},
        **{f"waits{i}": EmulatedInstance(contacts=5, initializing_calls=1) for i in range(40)},
        **{f"never{i}": EmulatedInstance(initializing_calls=99) for i in range(40)},
        **{f"refused{i}": EmulatedInstance(refusal=Refusal("1002", "no")) for i in range(40)},
        **{f"silent{i}": EmulatedInstance(latency=math.inf) for i in range(10)},
    }
    async with (
        GatewayEmulator(instances) as emulator,
        SessionPool(
            Gateway(emulator.url, request_timeout=2.0),
            initialization=InitializationWait(0.1, timeout=1.0),
            retry=RetryPolicy(1),
        ) as pool,
    ):
        report = await pool.fetch_all([*instances, "unknown"])
    assert len(report.outcomes) == len(instances) + 1
    assert {outcome.w_id for outcome in report.outcomes} == {*instances, "unknown"}
    kinds: dict[str, set[str]] = {}
    for outcome in report.outcomes:
        how = type(outcome.error).__name__ if isinstance(outcome, Failed) else "Fetched"
        kinds.setdefault(outcome.w_id.rstrip("0123456789"), set()).add(how)
    assert kinds == {
        "ready": {"Fetched"},
        "waits": {"Fetched"},
        "never": {"InitializationTimeoutError"},
        "refused": {"GatewayRefusedError"},
        "silent": {"GatewayTimeoutError"},
        "unknown": {"GatewayRefusedError"},
    }


# Nothing is lost silently.


async def test_one_wrong_contact_of_ten_thousand_is_rejected_with_its_bytes() -> None:
    wrong = b'{"userName":null,"nickName":"x"}'
    others = b",".join(b'{"userName":"wxid_%d"}' % i for i in range(9_999))
    body = b'{"code":1000,"data":{"friend":[%s,%s]}}' % (others, wrong)
    async with RawServer(replying(http_reply(body))) as server, SessionPool(server.url) as pool:
        contacts = await pool.fetch("w")
    assert len(contacts) == 9_999
    assert [(rejected.kind, rejected.raw) for rejected in contacts.rejected] == [("friend", wrong)]


# Secrets stay secret. (Headers and redirects: test_gateway.py.)


async def test_no_contact_is_in_any_log_or_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    instances = {
        "ready": EmulatedInstance(contacts=20),
        "waits": EmulatedInstance(contacts=20, initializing_calls=1),
        "refused": EmulatedInstance(refusal=Refusal()),
    }
    secret = b'{"code":1000,"data":{"friend":[{"userName":"wxid_secret","nickName":{"a":'
    async with (
        GatewayEmulator(instances) as emulator,
        RawServer(replying(http_reply(secret))) as damaged,
        SessionPool(
            {"good": emulator.url, "damaged": damaged.url},
            initialization=InitializationWait(0.01),
            retry=RetryPolicy(2, initial_delay=0),
        ) as pool,
    ):
        report = await pool.fetch_all(
            [*(Instance(w, gateway="good") for w in instances), Instance("w", gateway="damaged")],
        )
        known = [contact for w_id in ("ready", "waits") for contact in emulator.contact_set(w_id)]
    assert {type(error) for error in report.errors.values()} > {GatewayRefusedError}
    said = [
        caplog.text,
        *(f"{error} {error!r} {vars(error)}" for error in report.errors.values()),
        repr(report),
        repr(report.outcomes),
    ]
    assert len(caplog.records) > 10
    for contact in [*known, Contact("wxid_secret")]:
        for text in said:
            assert contact.user_name not in text
            assert contact.nick_name is None or contact.nick_name not in text
