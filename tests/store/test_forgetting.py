"""What becomes of instances that are no more, and of changes of long ago."""

from datetime import UTC, datetime, timedelta

import anyio
import pytest

from tests.support.syncing import (
    NONE,
    OF_EACH_KIND,
    W_ID,
    friends,
    instances,
    loaded,
    log,
    replayed,
    scene,
)
from wxcontacts_async import InvalidArgumentError
from wxcontacts_async.store import (
    ChangeKind,
    ChangesPrunedError,
    ContactStore,
    NotSyncedError,
    Synced,
)
from wxcontacts_async.store._merging import forgetting

# The database does the same on any loop, so asyncio's will do.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])


async def test_a_forgotten_instance_is_gone_and_its_contacts_are_logged_as_removed(
    database_url: str,
) -> None:
    async with scene(database_url) as it:
        await it.synced(OF_EACH_KIND)
        await it.synced(friends("a", w_id="other"))
        before = datetime.now(UTC)
        assert await it.store.forget(W_ID) == 4

        removed = [change async for change in it.store.changes(w_id=W_ID)][4:]
        assert {change.change for change in removed} == {ChangeKind.REMOVED}
        assert {change.user_name for change in removed} == {
            contact.user_name for contact in OF_EACH_KIND
        }
        assert all(change.at >= before for change in removed)
        assert set(await instances(it.store)) == {"other"}
        assert await replayed(it.store) == await loaded(it.store)
        with pytest.raises(NotSyncedError):
            await it.store.load(W_ID)
        with pytest.raises(NotSyncedError):
            await it.store.forget(W_ID)


async def test_a_forgotten_instance_that_is_synced_again_is_new_though_its_reply_is_the_same(
    database_url: str,
) -> None:
    async with scene(database_url) as it:
        await it.synced(OF_EACH_KIND)
        await it.store.forget(W_ID)
        again = await it.synced(OF_EACH_KIND)

        assert again.delta_counts.added == 4
        assert not again.unchanged
        assert await replayed(it.store) == await loaded(it.store)


async def test_held_contacts_and_failed_instances_are_forgotten_too(database_url: str) -> None:
    async with scene(database_url) as it:
        await it.synced(friends(*range(40)))
        suspicious = await it.synced(NONE)
        assert isinstance(suspicious, Synced)
        assert suspicious.suspicion is not None
        assert await it.store.forget(W_ID) == 40

        it.gateway.give_reply("failed", b'{"code":"1001","message":"gone"}')
        async with it.store.sync(it.pool, ["failed"]) as results:
            await anext(results)
        assert await it.store.forget("failed") == 0
        rows = await it.store._run(  # noqa: SLF001
            lambda connection: [
                connection.rows(f"SELECT count(*) FROM {table}")
                for table in ("contacts", "instances", "missing_contacts", "contact_fingerprints")
            ]
        )
        assert rows == [[(0,)]] * 4


async def test_pruning_removes_the_oldest_changes_and_never_the_last(database_url: str) -> None:
    async with scene(database_url) as it:
        for number in range(5):
            await it.synced(friends(*range(number + 1)))
        changes = await log(it.store)
        assert await it.store.prune(before=changes[2].at) == 2
        assert await log(it.store) == changes[2:]
        assert await it.store.prune(before=changes[2].at) == 0
        assert await it.store.prune(before=datetime.now(UTC) + timedelta(days=1)) == 2
        assert await log(it.store) == changes[4:]
        assert len((await loaded(it.store))[W_ID]) == 5

        await it.synced(friends(*range(6)))
        assert [change.id for change in await log(it.store, after=5)] == [6]


async def test_a_log_that_is_empty_can_be_pruned(database_url: str) -> None:
    async with ContactStore(database_url) as store:
        assert await store.prune(before=datetime.now(UTC)) == 0


async def test_pruning_goes_in_steps_between_which_others_write(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "_CHANGES_AT_ONCE", 10)
    async with scene(database_url) as it:
        await it.synced(friends(*range(100)))
        steps: list[int] = []
        original = forgetting.prune

        def counted(*arguments: object, **more: object) -> tuple[int, int | None]:
            step = original(*arguments, **more)  # type: ignore[arg-type]
            steps.append(step[0])
            return step

        monkeypatch.setattr(forgetting, "prune", counted)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(it.synced, friends(*range(101)))
            pruned = await it.store.prune(before=datetime.now(UTC) - timedelta(days=-1))

        assert sum(steps) == pruned
        assert pruned in {99, 100}
        assert max(steps) == 10
        assert len(await log(it.store)) == 101 - pruned


async def test_changes_older_than_a_newer_one_before_them_stay_so_that_no_gap_is_left(
    database_url: str,
) -> None:
    async with scene(database_url) as it:
        for number in range(4):
            await it.synced(friends(*range(number + 1)))
        await it.store._run(  # noqa: SLF001  # as a slow writer may commit what is older
            lambda connection: connection.execute(
                "UPDATE contact_changes SET at = (SELECT at FROM contact_changes WHERE id = 4) "
                "WHERE id = 2"
            )
        )
        changes = await log(it.store)
        assert await it.store.prune(before=changes[3].at) == 1
        assert [change.id for change in await log(it.store)] == [2, 3, 4]


async def test_a_reader_of_what_was_pruned_is_told(database_url: str) -> None:
    async with scene(database_url) as it:
        for number in range(5):
            await it.synced(friends(*range(number + 1)))
        await it.store.prune(before=(await log(it.store))[3].at)

        for reading in (it.store.changes(after=2), it.store.follow(after=2)):
            with pytest.raises(ChangesPrunedError, match="begins at id 4") as raised:
                await anext(reading)
            assert raised.value.first_id == 4
        assert [change.id for change in await log(it.store, after=3)] == [4, 5]
        assert [change.id for change in await log(it.store, after=0)] == [4, 5]
        with pytest.raises(ChangesPrunedError):
            await log(it.store, after=1, w_id="another")


@pytest.mark.parametrize("before", [datetime(2026, 1, 1), "2026", None])  # noqa: DTZ001
async def test_a_time_that_is_not_aware_fails_where_it_is_given(
    before: object, sqlite_url: str
) -> None:
    async with ContactStore(sqlite_url) as store:
        with pytest.raises(InvalidArgumentError, match="^before must be an aware datetime"):
            await store.prune(before=before)  # type: ignore[arg-type]
