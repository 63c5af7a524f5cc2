"""What observers are told, and that none of them can hurt a fetch."""

import logging
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime

import anyio
import pytest
from anyio.abc import SocketStream

from tests.support.observing import Witness
from tests.support.raw_server import RawServer, http_reply, replying
from wxcontacts_async import (
    CallEnded,
    CallSent,
    Event,
    Fetched,
    Gateway,
    GatewayDown,
    GatewayHTTPError,
    GatewayPaused,
    GatewayUp,
    InitializationWait,
    InstanceEnded,
    InstanceRequested,
    InstanceWaiting,
    InstanceWithdrawn,
    PoolClosedError,
    ReplyReceived,
    RetryPolicy,
    RetryScheduled,
    SessionPool,
)
from wxcontacts_async.emulator import EmulatedInstance, Fault, FaultKind, GatewayEmulator, Refusal

INITIALIZING = http_reply('{"code":"1001","message":"初始化中"}'.encode())
BUSY = http_reply(b"", status="503 Busy")


async def test_an_observer_is_told_of_every_step_in_order() -> None:
    witness = Witness()
    before = datetime.now(UTC)
    async with (
        RawServer(replying(BUSY, INITIALIZING, http_reply())) as server,
        SessionPool(
            {"east": server.url},
            initialization=InitializationWait(0.02),
            retry=RetryPolicy(2, initial_delay=0.01),
            observers=[witness],
        ) as pool,
    ):
        contacts = await pool.fetch("w")
    requested, *events = witness.events
    assert requested == InstanceRequested("w", "east")
    ends = [event for event in events if isinstance(event, CallEnded)]
    assert [events[at] for at in (1, 4, 8)] == ends
    sent, retry, sent_2, told, waiting, sent_3, ready, ended = (
        event for event in events if not isinstance(event, CallEnded)
    )
    assert [sent, sent_2, sent_3] == [CallSent("w", "east", call) for call in (1, 2, 3)]
    assert isinstance(retry, RetryScheduled)
    assert isinstance(retry.error, GatewayHTTPError)
    assert (retry.call, retry.error.status) == (1, 503)
    assert 0 <= retry.delay < 0.01
    assert isinstance(told, ReplyReceived)
    assert isinstance(ready, ReplyReceived)
    assert (told.reply, ready.reply, ready.call) == ("initializing", "ready", 3)
    assert ready.reply_bytes == len(http_reply().partition(b"\r\n\r\n")[2])
    assert 0 < ready.seconds < 5
    assert isinstance(waiting, InstanceWaiting)
    assert waiting.delay == 0.02
    assert (waiting.until - before).total_seconds() >= 0.02
    assert waiting.until.tzinfo is UTC
    assert isinstance(ended, InstanceEnded)
    assert isinstance(ended.outcome, Fetched)
    assert ended.outcome.contacts is contacts


async def test_the_end_of_each_call_says_what_a_trace_wants() -> None:
    witness = Witness()
    async with (
        RawServer(replying(BUSY, BUSY, INITIALIZING, http_reply())) as server,
        SessionPool(
            {"east": server.url},
            initialization=InitializationWait(0.02),
            retry=RetryPolicy(3, initial_delay=0.01),
            observers=[witness],
        ) as pool,
    ):
        await pool.fetch("w")
    ends = witness.of(CallEnded)
    port = int(server.url.rpartition(":")[2])
    assert {(end.method, end.address, end.port) for end in ends} == {("POST", "127.0.0.1", port)}
    assert [end.call for end in ends] == [1, 2, 3, 4]
    assert [end.status for end in ends] == [503, 503, 200, 200]
    assert [end.error_type for end in ends] == ["503", "503", None, None]
    # What is initializing is asked anew, not once more.
    assert [end.resend_count for end in ends] == [0, 1, 2, 0]
    body = http_reply().partition(b"\r\n\r\n")[2]
    assert [end.reply_bytes for end in ends][::3] == [0, len(body)]
    assert all(0 < end.seconds < 30 for end in ends)


async def test_a_call_that_its_client_sends_again_by_itself_says_so() -> None:
    witness = Witness()
    requests = 0

    async def answer(stream: SocketStream, request: bytes) -> None:  # noqa: ARG001
        nonlocal requests
        requests += 1
        if requests == 2:
            await stream.aclose()
        else:
            await stream.send(http_reply())

    async with (
        RawServer(answer) as server,
        SessionPool(server.url, observers=[witness]) as pool,
    ):
        await pool.fetch("first")
        await pool.fetch("second")
    assert requests == 3
    assert [end.resend_count for end in witness.of(CallEnded)] == [0, 1]


async def test_a_call_without_an_answer_names_the_error() -> None:
    witness = Witness()
    server = RawServer(replying(http_reply()))
    async with server:
        url = server.url
    gateway = Gateway(url, outage_timeout=0)
    async with SessionPool(gateway, retry=RetryPolicy(1), observers=[witness]) as pool:
        assert (await pool.fetch_all(["w"])).errors
    (end, *_) = witness.of(CallEnded)
    assert (end.status, end.error_type, end.reply_bytes) == (None, "GatewayConnectionError", 0)


@pytest.mark.parametrize("leaves", ["the caller", "the pool"])
async def test_an_instance_without_an_outcome_is_told_to_be_withdrawn(leaves: str) -> None:
    witness = Witness()

    async def fetch() -> None:
        with suppress(PoolClosedError):
            await pool.fetch("w")

    async with (
        GatewayEmulator(["w"], faults=[Fault(FaultKind.SILENCE)]) as emulator,
        anyio.create_task_group() as tasks,
        SessionPool({"east": emulator.url}, observers=[witness]) as pool,
    ):
        tasks.start_soon(fetch)
        await emulator.wait_for_calls(1)
        if leaves == "the caller":
            tasks.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await witness.wait_for(lambda: bool(witness.of(InstanceWithdrawn)))
            assert [end.error_type for end in witness.of(CallEnded)] == ["cancelled"]
    assert witness.of(InstanceWithdrawn) == [InstanceWithdrawn("w", "east")]
    assert witness.of(InstanceEnded) == []


CALLER: ContextVar[str] = ContextVar("caller", default="the pool's maker")


async def test_an_observer_is_told_in_the_context_of_the_caller_who_asked() -> None:
    told: dict[str, set[str]] = {}

    def observe(event: Event) -> None:
        if isinstance(event, InstanceEnded):
            w_id = event.outcome.w_id
        elif isinstance(event, GatewayDown | GatewayUp | GatewayPaused):
            return
        else:
            w_id = event.w_id
        told.setdefault(w_id, set()).add(CALLER.get())

    instances = {f"w{i}": EmulatedInstance(initializing_calls=1) for i in range(4)}
    async with (
        GatewayEmulator(instances) as emulator,
        SessionPool(
            Gateway(emulator.url, max_rate=1_000, max_concurrency=1),
            initialization=InitializationWait(0.01),
            observers=[observe],
        ) as pool,
        anyio.create_task_group() as tasks,
    ):

        async def fetch(w_id: str) -> None:
            CALLER.set(f"{w_id}'s")
            await pool.fetch(w_id)

        tasks.start_soon(fetch, "w0")
        tasks.start_soon(fetch, "w1")
        CALLER.set("the stream's")
        async with pool.stream(["w2", "w3"]) as outcomes:
            CALLER.set("the reader's")
            async for _ in outcomes:
                pass
    assert told == {
        "w0": {"w0's"},
        "w1": {"w1's"},
        "w2": {"the stream's"},
        "w3": {"the stream's"},
    }


async def test_an_observer_that_raises_is_logged_once_and_hurts_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(event: Event) -> None:
        raise LookupError(event)

    witness = Witness()
    async with (
        GatewayEmulator([f"w{i}" for i in range(20)], contacts=3) as emulator,
        SessionPool(emulator.url, observers=[broken, witness]) as pool,
    ):
        report = await pool.fetch_all(emulator.w_ids)
    assert len(report.contacts) == 20
    assert len(witness.of(InstanceEnded)) == 20
    (record,) = (record for record in caplog.records if record.levelno == logging.ERROR)
    assert record.getMessage() == (
        "observer test_an_observer_that_raises_is_logged_once_and_hurts_nobody.<locals>.broken "
        "raised LookupError; it goes on, its errors are not logged again"
    )
    assert record.exc_info is None


async def test_routine_is_logged_for_debugging_a_retry_as_info_a_failure_as_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, logger="wxcontacts_async")
    instances = {
        "good": EmulatedInstance(contacts=1, initializing_calls=1),
        "bad": EmulatedInstance(refusal=Refusal()),
    }
    async with (
        GatewayEmulator(instances) as emulator,
        SessionPool({"east": emulator.url}, initialization=InitializationWait(0)) as pool,
    ):
        await pool.fetch_all(["good"])
        await pool.fetch_all(["bad"])
    async with (
        RawServer(replying(BUSY, http_reply())) as server,
        SessionPool({"west": server.url}, retry=RetryPolicy(2, initial_delay=0)) as pool,
    ):
        await pool.fetch("w")
    said = {
        level: [r.getMessage() for r in caplog.records if r.levelno == level]
        for level in (logging.DEBUG, logging.INFO, logging.WARNING)
    }
    assert all(record.name == "wxcontacts_async" for record in caplog.records)
    assert [text.partition(":")[0] for text in said[logging.DEBUG][:6]] == [
        "wId 'good' at gateway 'east'",
    ] * 6
    (retry,) = said[logging.INFO]
    assert retry == (
        "calling again in 0.0 s: wId 'w' at gateway 'west' after 1 call: HTTP status 503. "
        "Check the gateway and the proxies in front of it, or give the Gateway a lower "
        "max_rate or max_concurrency."
    )
    (failure,) = said[logging.WARNING]
    assert failure == (
        "wId 'bad' at gateway 'east' after 1 call: refused with code '1001' and message '失败'. "
        "Check that this wId is logged in at this gateway."
    )


async def test_without_logging_configured_nothing_is_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logger = logging.getLogger("wxcontacts_async")
    assert any(isinstance(handler, logging.NullHandler) for handler in logger.handlers)
    async with GatewayEmulator({}) as emulator, SessionPool(emulator.url) as pool:
        assert (await pool.fetch_all(["unknown"])).errors
    assert capsys.readouterr() == ("", "")
