"""What a store logs, as `wxcontacts_async.store`: what operators want to know, and no contact."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from anyio.to_thread import run_sync

from tests.support.postgresql import execute
from tests.support.raw_server import RawServer, http_reply, replying
from tests.support.recording_server import reply_with
from wxcontacts_async import SessionPool
from wxcontacts_async.store import ContactStore, Synced

LOSE_CONNECTIONS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'wxcontacts_async' AND pid <> pg_backend_pid()"""


def _said(caplog: pytest.LogCaptureFixture, words: str) -> list[logging.LogRecord]:
    return [record for record in caplog.records if words in record.getMessage()]


async def test_a_suspicion_is_logged_when_it_begins_and_when_it_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="wxcontacts_async.store")
    names = [f"wxid_{number}" for number in range(40)]
    whole, thin = http_reply(reply_with(*names)), http_reply(reply_with(*names[:5]))
    async with (
        RawServer(replying(whole, thin, thin, whole)) as server,
        SessionPool({"east": server.url}) as pool,
        ContactStore(f"sqlite:///{tmp_path}/people.db") as store,
    ):
        may_ask = anyio.Semaphore(1)

        async def one_after_the_other() -> AsyncIterator[str]:
            for _ in range(4):  # the third time it is no news
                await may_ask.acquire()
                yield "w"

        suspicious = []
        async with store.sync(pool, one_after_the_other()) as results:
            async for result in results:
                assert isinstance(result, Synced)
                suspicious.append(result.suspicion is not None)
                may_ask.release()
    assert suspicious == [False, True, True, False]
    (begun,) = _said(caplog, "is under suspicion: its answer lacks")
    assert (begun.name, begun.levelname) == ("wxcontacts_async.store", "WARNING")
    assert begun.getMessage().startswith("wId 'w' at gateway 'east' is under suspicion")
    assert len(_said(caplog, "is under suspicion no more")) == 1
    assert not any(name in caplog.text for name in names)


async def test_a_connection_that_is_lost_and_back_is_logged_once_each(
    postgresql_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="wxcontacts_async.store")
    async with ContactStore(postgresql_url) as store:
        await store.last_change()
        await run_sync(execute, postgresql_url, LOSE_CONNECTIONS)
        await store.last_change()
    assert len(_said(caplog, "is lost: ")) == 1
    assert len(_said(caplog, "is reached again after ")) == 1
    assert {record.name for record in caplog.records} == {"wxcontacts_async.store"}
