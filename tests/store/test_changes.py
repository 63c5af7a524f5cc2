"""The change log goes on from an id without a gap, whoever writes and however long that takes."""

from collections.abc import Mapping
from datetime import UTC, datetime
from time import sleep
from typing import Any

import anyio
import pytest
from anyio.to_thread import run_sync

from tests.support.postgresql import execute
from tests.support.syncing import (
    W_ID,
    all_synced,
    batch_of,
    fetched,
    friends,
    log,
    scene,
    sync,
    timeline,
)
from wxcontacts_async import InvalidArgumentError, SessionPool
from wxcontacts_async.emulator import GatewayEmulator
from wxcontacts_async.store import ContactChange, ContactStore
from wxcontacts_async.store._database.connection import Connection
from wxcontacts_async.store._merging.batch import Batch, BatchResult, Commit
from wxcontacts_async.store._merging.merge import merge

# The database does the same on any loop, so asyncio's will do.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])


def ids(changes: list[ContactChange]) -> list[int]:
    return [change.id for change in changes]


async def test_what_comes_behind_an_id_is_given(database_url: str) -> None:
    async with scene(database_url) as it:
        assert await it.store.last_change() is None
        assert await log(it.store, after=0) == []
        await it.all_synced(friends("a", "b"), friends("c", w_id="other"))
        since = datetime.now(UTC)
        await it.synced(friends("a", "d", "e"))
        changes = await log(it.store)

        assert len(changes) == 6
        assert ids(changes)[0] > 0
        assert ids(changes) == sorted(set(ids(changes)))
        for number, change in enumerate(changes):
            assert await log(it.store, after=change.id) == changes[number + 1 :]
        assert await it.store.last_change() == changes[-1]
        second, last = changes[1].id, changes[-1].id
        assert await log(it.store, after=last) == await log(it.store, after=2**100) == []
        of_one = [change for change in changes if change.w_id == W_ID and change.id > second]
        assert await log(it.store, after=second, w_id=W_ID) == of_one
        for after in (0, second, changes[3].id):
            late = [it for it in changes if it.at >= since and it.id > after]
            assert await log(it.store, after=after, since=since) == late
            assert await log(it.store, after=after, since=since, w_id=W_ID) == late


@pytest.mark.parametrize("after", [-1, 1.0, True, "1", None])
async def test_what_can_be_no_id_is_refused_at_once(sqlite_url: str, after: Any) -> None:  # noqa: ANN401
    async with ContactStore(sqlite_url) as store:
        with pytest.raises(InvalidArgumentError, match="^after must be a whole number of at least"):
            store.changes(after=after)


async def test_numbers_of_what_was_undone_leave_no_gap_to_wait_for(postgresql_url: str) -> None:
    async with scene(postgresql_url) as it:
        await it.synced(friends("a"))
        await run_sync(
            execute,
            postgresql_url,
            "SELECT nextval(pg_get_serial_sequence('contact_changes', 'id')) "
            "FROM generate_series(1, 5)",
        )
        await it.synced(friends("a", "b"))
        (first, second) = await log(it.store)

        assert second.id > first.id + 5
        assert await log(it.store, after=first.id) == [second]
        assert await log(it.store, after=first.id + 2) == [second]


class _SlowCommit(Commit):
    """A commit before which all locks are held for a while."""

    def begin(self, results: Mapping[str, BatchResult]) -> None:
        sleep(1.2)
        super().begin(results)


@pytest.mark.slow
async def test_a_poller_beside_three_writers_sees_each_change_once_in_order(
    database_url: str,
) -> None:
    seen: list[ContactChange] = []
    has_written_slowly, has_ended = anyio.Event(), anyio.Event()

    async def poll() -> None:
        async with ContactStore(database_url) as store:
            is_last = False
            while not is_last:
                is_last = has_ended.is_set()
                after = seen[-1].id if seen else 0
                seen.extend([change async for change in store.changes(after=after)])
                await anyio.sleep(0.001)

    async def write_quickly(emulator: GatewayEmulator) -> None:
        async with SessionPool(emulator.url) as pool, ContactStore(database_url) as store:
            is_last = False
            while not is_last:
                is_last = has_written_slowly.is_set()
                emulator.advance()
                all_synced(await sync(store, pool, emulator.w_ids))

    async def write_slowly() -> None:
        async with timeline(database_url) as it:
            for number in range(3):
                contacts = friends(*range(number + 1), w_id="slow")
                batch = await batch_of(fetched(contacts), datetime.now(UTC), it.connection)
                await run_sync(_merge_slowly, it.connection, batch)
        has_written_slowly.set()

    async with (
        ContactStore(database_url) as store,
        GatewayEmulator(10, contacts=300, seed=1) as one,
        GatewayEmulator(10, contacts=300, seed=2) as other,
        anyio.create_task_group() as polling,
    ):
        polling.start_soon(poll)
        async with anyio.create_task_group() as writing:
            writing.start_soon(write_quickly, one)
            writing.start_soon(write_quickly, other)
            writing.start_soon(write_slowly)
        has_ended.set()
    async with ContactStore(database_url) as store:
        changes = await log(store)

    assert {change.w_id for change in changes} == {"slow", *one.w_ids, *other.w_ids}
    assert len([change for change in changes if change.w_id == "slow"]) == 3
    assert ids(seen) == ids(changes) == sorted(set(ids(changes)))
    assert seen == changes


def _merge_slowly(connection: Connection, batch: Batch) -> None:
    slow = Batch(batch.outcomes, batch.arrived, batch.ended_at, commit=_SlowCommit())
    merge(connection, slow, 0.5)
