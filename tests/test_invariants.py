"""What always holds: the seven promises of the library, each with what would break it."""

import asyncio
import gc
import logging
import math
from collections.abc import Iterator
from itertools import pairwise
from time import monotonic, perf_counter

import anyio
import pytest
from anyio.abc import SocketStream

from tests.leftovers import no_tasks_left, open_sockets_to, settle
from tests.observing import Witness
from tests.raw_server import RawServer, http_reply, replying
from wxcontacts_async import (
    Contact,
    ContactSet,
    Failed,
    Fetched,
    Gateway,
    GatewayRefusedError,
    InitializationTimeoutError,
    InitializationWait,
    Instance,
    InstanceWaiting,
    RetryPolicy,
    SessionPool,
)
from wxcontacts_async.emulator import EmulatedInstance, GatewayEmulator, Refusal

LONG_WAIT = InitializationWait(3600, timeout=None)


# 1. A waiting instance holds nothing.


async def test_waiting_instances_do_not_delay_one_that_is_ready() -> None:
    waiting = {f"w{i}": EmulatedInstance(initializing_calls=9, contacts=1) for i in range(2000)}
    ready = EmulatedInstance(contacts=3)
    witness = Witness()
    async with (
        GatewayEmulator({**waiting, "ready": ready}) as emulator,
        SessionPool(
            Gateway(emulator.url, max_concurrency=2),
            initialization=LONG_WAIT,
            observers=[witness],
        ) as pool,
        pool.stream(waiting),
    ):
        await witness.wait_for(lambda: len(witness.of(InstanceWaiting)) == len(waiting))
        await emulator.wait_until_idle()
        assert open_sockets_to(emulator.url) <= 2
        with anyio.fail_after(5):
            assert len(await pool.fetch("ready")) == 3


async def test_an_instance_that_backs_off_holds_no_slot() -> None:
    async def answer(stream: SocketStream, request: bytes) -> None:
        later = http_reply(b"", status="500 Later")
        await stream.send(later if b"busy" in request else http_reply())

    witness = Witness()
    async with (
        RawServer(answer) as server,
        SessionPool(
            Gateway(server.url, max_concurrency=1),
            retry=RetryPolicy(initial_delay=1e6, max_delay=1e6),
            observers=[witness],
        ) as pool,
        pool.stream(["busy"]),
    ):
        await witness.wait_for(lambda: len(witness.events) == 2)
        with anyio.fail_after(5):
            assert await pool.fetch("ready")


async def test_half_of_a_thousand_wait_twice_and_the_others_do_not_notice() -> None:
    interval = 0.5
    instances = {
        f"w{i}": EmulatedInstance(contacts=5, initializing_calls=2 if i % 2 else 0)
        for i in range(1000)
    }
    async with (
        GatewayEmulator(instances) as emulator,
        SessionPool(emulator.url, initialization=InitializationWait(interval)) as pool,
        pool.stream(instances) as outcomes,
    ):
        ended = [outcome async for outcome in outcomes]
    assert len(ended) == 1000
    assert all(isinstance(outcome, Fetched) for outcome in ended)
    # Whoever was ready at once is there before anybody who had to wait.
    assert [outcome.calls for outcome in ended] == [1] * 500 + [3] * 500
    for w_id in instances:
        calls = emulator.calls_of(w_id)
        for told, again in pairwise(calls):
            assert told.ended is not None
            assert again.began - told.ended >= interval
    assert emulator.max_under_way <= 32


# 2. Never sooner.


async def fetch_in_tasks(pool: SessionPool, w_id: str, number: int) -> list[ContactSet]:
    fetched: list[ContactSet] = []

    async def fetch() -> None:
        fetched.append(await pool.fetch(w_id))

    async with anyio.create_task_group() as tasks:
        for _ in range(number):
            tasks.start_soon(fetch)
    return fetched


async def test_ten_who_ask_for_one_instance_share_one_call() -> None:
    async with (
        GatewayEmulator({"w": EmulatedInstance(contacts=5, latency=0.05)}) as emulator,
        SessionPool(emulator.url) as pool,
    ):
        fetched = await fetch_in_tasks(pool, "w", 10)
        assert len(emulator.calls) == 1
    assert len(fetched) == 10
    assert all(contacts is fetched[0] for contacts in fetched)


async def test_nine_of_ten_are_cancelled_and_the_tenth_gets_its_contacts() -> None:
    async with (
        GatewayEmulator({"w": EmulatedInstance(contacts=5, latency=0.2)}) as emulator,
        SessionPool(emulator.url) as pool,
    ):
        fetched: list[ContactSet] = []

        async def fetch() -> None:
            fetched.append(await pool.fetch("w"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fetch)
            async with anyio.create_task_group() as cancelled:
                for _ in range(9):
                    cancelled.start_soon(fetch)
                await emulator.wait_for_calls(1)
                cancelled.cancel_scope.cancel()
        assert [call.reply for call in emulator.calls] == ["ready"]
    assert len(fetched) == 1


async def test_one_of_two_who_wait_for_a_slot_is_cancelled_and_the_other_is_served() -> None:
    async with (
        GatewayEmulator({"slow": EmulatedInstance(contacts=1, latency=0.2)}) as emulator,
        SessionPool(Gateway(emulator.url, max_concurrency=1)) as pool,
        anyio.create_task_group() as tasks,
    ):
        emulator.set_instance("w", EmulatedInstance(contacts=5))
        tasks.start_soon(pool.fetch, "slow")
        await emulator.wait_for_calls(1)
        async with anyio.create_task_group() as cancelled:
            cancelled.start_soon(pool.fetch, "w")
            tasks.start_soon(pool.fetch, "w")
            await settle()
            cancelled.cancel_scope.cancel()
        with anyio.fail_after(5):
            await emulator.wait_for_calls(2)


async def test_when_the_last_of_ten_is_cancelled_the_connection_goes() -> None:
    async with (
        GatewayEmulator({"w": EmulatedInstance(latency=math.inf)}) as emulator,
        SessionPool(emulator.url) as pool,
    ):
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(pool.fetch, "w")
            await emulator.wait_for_calls(1)
            tasks.cancel_scope.cancel()
        with anyio.fail_after(5):
            await emulator.wait_until_idle()
        assert [call.reply for call in emulator.calls] == ["gone"]
        await settle()
        assert open_sockets_to(emulator.url) == 0


async def test_streams_and_fetches_share_one_call_and_each_gets_its_outcome() -> None:
    async with (
        GatewayEmulator({"w": EmulatedInstance(contacts=5, latency=0.1)}) as emulator,
        SessionPool(emulator.url) as pool,
        pool.stream(["w"]) as one,
        pool.stream(["w", "w"]) as other,
    ):
        await emulator.wait_for_calls(1)
        assert len(await pool.fetch("w")) == 5
        assert [outcome.w_id async for outcome in one] == ["w"]
        assert [outcome.w_id async for outcome in other] == ["w", "w"]
        assert len(emulator.calls) == 1


async def test_who_asks_again_within_a_wait_that_was_cancelled_waits_for_the_rest_of_it() -> None:
    interval = 0.4
    witness = Witness()
    async with (
        GatewayEmulator({"w": EmulatedInstance(contacts=5, initializing_calls=1)}) as emulator,
        SessionPool(
            emulator.url,
            initialization=InitializationWait(interval),
            observers=[witness],
        ) as pool,
    ):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pool.fetch, "w")
            await witness.wait_for(lambda: bool(witness.of(InstanceWaiting)))
            tasks.cancel_scope.cancel()
        assert len(await pool.fetch("w")) == 5
        told, again = emulator.calls
    assert told.ended is not None
    assert again.began - told.ended >= interval


async def test_who_asks_again_after_an_initialization_timeout_waits_as_well() -> None:
    interval = 0.3
    async with (
        GatewayEmulator({"w": EmulatedInstance(contacts=5, initializing_calls=1)}) as emulator,
        SessionPool(
            emulator.url,
            initialization=InitializationWait(interval, timeout=0.1),
        ) as pool,
    ):
        with pytest.raises(InitializationTimeoutError):
            await pool.fetch("w")
        assert len(await pool.fetch("w")) == 5
        told, again = emulator.calls
    assert told.ended is not None
    assert again.began - told.ended >= interval


async def test_who_asks_while_a_cancelled_call_is_going_does_not_call_beside_it() -> None:
    async with (
        GatewayEmulator({"w": EmulatedInstance(contacts=5, latency=0.05)}) as emulator,
        SessionPool(emulator.url) as pool,
    ):
        for _ in range(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(pool.fetch, "w")
                await emulator.wait_for_calls(len(emulator.calls) + 1)
                tasks.cancel_scope.cancel()
            # No tick has passed since the call was cancelled.
            assert len(await pool.fetch("w")) == 5
        assert emulator.max_under_way == 1


# 3. Memory is bounded by slots, not by instances.


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
        "read and gone": EmulatedInstance(contacts=5),
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
        assert "read and gone" not in [
            found.w_id for found in gc.get_objects() if isinstance(found, ContactSet)
        ]


async def test_many_fetches_do_not_pile_up_replies_that_wait_to_be_decoded() -> None:
    decoded = most_ahead = 0

    def slow_to_decode(code: str, message: str) -> bool:  # noqa: ARG001  # a predicate's shape
        nonlocal decoded, most_ahead
        most_ahead = max(most_ahead, len(server.requests) - decoded)
        decoded += 1
        begun = perf_counter()
        while perf_counter() - begun < 0.003:
            pass
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


# 4. The event loop stays alive.


async def test_replies_that_arrive_together_are_decoded_in_different_ticks() -> None:
    tick = 0
    decoded_in: list[int] = []

    def slow_to_decode(code: str, message: str) -> bool:  # noqa: ARG001  # a predicate's shape
        decoded_in.append(tick)
        begun = perf_counter()
        while perf_counter() - begun < 0.005:
            pass
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


# 5. Every instance ends in exactly one outcome.


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
            Gateway(emulator.url, request_timeout=0.3),
            initialization=InitializationWait(0.1, timeout=0.25),
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


async def test_leaving_a_stream_early_leaves_nothing_behind() -> None:
    async with GatewayEmulator([f"w{i}" for i in range(10_000)], contacts=5) as emulator:
        with no_tasks_left():
            async with SessionPool(emulator.url) as pool:
                with no_tasks_left():
                    async with pool.stream(emulator.w_ids) as outcomes:
                        for _ in range(3):
                            await anext(outcomes)
                        left_at = monotonic()
                    assert monotonic() - left_at < 1
                # What had been sent may still come in; nothing is sent any more.
                await settle()
                asked = len(emulator.calls)
                await settle()
                assert len(emulator.calls) == asked < 100
        await emulator.wait_until_idle()
        assert open_sockets_to(emulator.url) == 0


# 6. Nothing is lost silently.


async def test_one_wrong_contact_of_ten_thousand_is_rejected_with_its_bytes() -> None:
    wrong = b'{"userName":null,"nickName":"x"}'
    others = b",".join(b'{"userName":"wxid_%d"}' % i for i in range(9_999))
    body = b'{"code":1000,"data":{"friend":[%s,%s]}}' % (others, wrong)
    async with RawServer(replying(http_reply(body))) as server, SessionPool(server.url) as pool:
        contacts = await pool.fetch("w")
    assert len(contacts) == 9_999
    assert [(rejected.kind, rejected.raw) for rejected in contacts.rejected] == [("friend", wrong)]


# 7. Secrets stay secret. (Headers and redirects: test_gateway.py.)


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
