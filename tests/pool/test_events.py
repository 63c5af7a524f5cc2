"""What observers are told, and that none of them can hurt a fetch."""

import logging
from datetime import UTC, datetime

import pytest

from tests.support.observing import Witness
from tests.support.raw_server import RawServer, http_reply, replying
from wxcontacts_async import (
    CallSent,
    Event,
    Fetched,
    GatewayHTTPError,
    InitializationWait,
    InstanceEnded,
    InstanceWaiting,
    ReplyReceived,
    RetryPolicy,
    RetryScheduled,
    SessionPool,
)
from wxcontacts_async.emulator import EmulatedInstance, GatewayEmulator, Refusal

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
    sent, retry, sent_2, told, waiting, sent_3, ready, ended = witness.events
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
