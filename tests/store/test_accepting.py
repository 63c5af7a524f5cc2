"""A person may accept that who is missing is gone; the next sync removes them then."""

import pytest

from tests.support.syncing import (
    FORTY,
    NONE,
    W_ID,
    Timeline,
    all_synced,
    friends,
    instances,
    loaded,
    log,
    replayed,
    scene,
    sync,
    timeline,
)
from wxcontacts_async import ContactSet, InvalidArgumentError
from wxcontacts_async.store import ContactStore, DeltaCounts, NotSyncedError, Suspicion

THIN = ContactSet(W_ID, friends=FORTY.friends[25:])
THINNER = ContactSet(W_ID, friends=FORTY.friends[30:])

# The database does the same on any loop, so asyncio's will do.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])


async def test_who_is_accepted_is_removed_by_the_next_sync(database_url: str) -> None:
    async with scene(database_url) as it:
        await it.synced(FORTY)
        await it.synced(THIN)
        async with ContactStore(database_url) as other:
            accepted = await other.accept(W_ID)
            assert accepted == Suspicion(40, 25)
        # Nothing is done yet: only the next answer says whether they are still missing.
        assert len(await it.store.load(W_ID)) == 40
        known = (await instances(it.store))[W_ID].suspicion
        assert known == accepted
        assert known is not None
        assert known.is_accepted

        synced = await it.synced(THIN)
        assert synced.delta_counts == DeltaCounts(removed=25)
        assert synced.suspicion is None
        assert (await instances(it.store))[W_ID].outcome == "synced"
        assert await replayed(it.store) == await loaded(it.store)
        assert await it.store.accept(W_ID) is None


async def test_an_answer_with_nobody_is_accepted_whole(database_url: str) -> None:
    async with scene(database_url, confirm_after=0) as it:
        await it.synced(friends(1, 2, 3))
        for _ in range(2):
            assert (await it.synced(NONE)).suspicion == Suspicion(3, 3)
        assert await it.store.accept(W_ID) == Suspicion(3, 3)
        synced = await it.synced(NONE)
        assert synced.delta_counts == DeltaCounts(removed=3)
        assert synced.suspicion is None
        known = (await instances(it.store))[W_ID]
        assert (known.outcome, known.suspicion, known.contacts) == ("synced", None, 0)
        assert list(await it.store.load(W_ID)) == []


async def test_who_is_there_again_is_accepted_no_more(database_url: str) -> None:
    async with scene(database_url) as it:
        await it.synced(FORTY)
        await it.synced(THIN)
        await it.store.accept(W_ID)
        assert (await it.synced(FORTY)).suspicion is None
        assert (await it.synced(THIN)).suspicion == Suspicion(40, 25)
        assert (await it.synced(THIN)).delta_counts == DeltaCounts()


async def test_others_than_those_accepted_are_held(database_url: str) -> None:
    async with scene(database_url) as it:
        await it.synced(FORTY)
        await it.synced(THIN)
        await it.store.accept(W_ID)
        synced = await it.synced(friends("139"))
        # 25 were accepted; 14 of the 15 that are left are few enough, but some were held.
        assert synced.delta_counts == DeltaCounts(removed=25)
        assert synced.suspicion == Suspicion(40, 14)

        await it.synced(FORTY)
        await it.synced(THINNER)
        await it.store.accept(W_ID)
        synced = await it.synced(NONE)
        assert synced.delta_counts == DeltaCounts(removed=30)
        assert synced.suspicion == Suspicion(40, 10)


async def test_accepting_outlasts_failures_and_is_the_same_twice(database_url: str) -> None:
    async with scene(database_url) as it:
        await it.synced(FORTY)
        await it.synced(THIN)
        assert await it.store.accept(W_ID) == await it.store.accept(W_ID)
        async with it.gateway.down():
            await sync(it.store, it.pool, [W_ID])
        assert await it.store.accept(W_ID) == Suspicion(40, 25)
        synced = all_synced(await sync(it.store, it.pool, [W_ID]))[W_ID]
        assert synced.delta_counts == DeltaCounts(removed=25)


async def test_accepting_is_for_one_instance_alone(database_url: str) -> None:
    others = friends(*range(40), w_id="other")
    async with scene(database_url) as it:
        await it.sync(FORTY, others)
        await it.sync(THIN, friends(1, w_id="other"))
        await it.store.accept(W_ID)
        results = await it.all_synced(THIN, friends(1, w_id="other"))
        assert results[W_ID].delta_counts == DeltaCounts(removed=25)
        assert results["other"].suspicion == Suspicion(40, 39)


async def test_an_answer_with_nobody_after_a_thin_one_is_accepted_whole(
    database_url: str,
) -> None:
    async with timeline(database_url) as it:
        await it.answered(0, FORTY)
        await it.answered(1, THIN)
        await it.answered(2, NONE)
        assert it.accept() == Suspicion(40, 40)
        result = await it.answered(3, THINNER)
        assert result.delta_counts == DeltaCounts(removed=30)
        assert result.suspicion is None
        assert not it.held


@pytest.mark.parametrize("w_id", ["w\n", " w", "w\u3000w", "\ufeffw"])
async def test_what_is_stored_under_an_odd_wid_is_found(database_url: str, w_id: str) -> None:
    async with timeline(database_url) as it:
        await it.answered(0, FORTY)
        await it.answered(1, THIN)
        for table in ("instances", "contacts", "contact_changes", "missing_contacts"):
            it.connection.execute(f"UPDATE {table} SET w_id = $1", w_id)
    async with ContactStore(database_url) as store:
        assert len(await store.load(w_id)) == 40
        assert len(await log(store, w_id=w_id)) == 40
        assert await store.accept(w_id) == Suspicion(40, 25)


def forget_who(it: Timeline, missing: int) -> None:
    """Let a suspicion be as an older version wrote it down, which did not say who is missing."""
    it.connection.execute(
        "UPDATE instances SET suspected_digest = 'of names', suspected_since = NULL, "
        f"suspected_kinds = NULL, suspected_missing = {missing}",
    )
    it.connection.execute("DELETE FROM missing_contacts")


async def test_who_is_accepted_by_number_is_removed_if_no_more_are_missing(
    database_url: str,
) -> None:
    async with timeline(database_url) as it:
        await it.answered(0, FORTY)
        await it.answered(1, THIN)
        forget_who(it, 25)
        for _ in range(2):
            assert it.accept() == Suspicion(40, 25)
        assert (await it.answered(2, THIN)).delta_counts == DeltaCounts(removed=25)
        assert it.suspicion is None


async def test_no_more_are_removed_than_were_accepted(database_url: str) -> None:
    async with timeline(database_url) as it:
        await it.answered(0, FORTY)
        await it.answered(1, THIN)
        forget_who(it, 25)
        it.accept()
        assert (await it.answered(100, NONE)).delta_counts == DeltaCounts()
        result = await it.answered(101, THINNER)
        assert result.delta_counts == DeltaCounts()
        assert result.suspicion == Suspicion(40, 30)
        assert it.held == {str(name) for name in range(100, 130)}
        assert (await it.answered(124, THINNER)).delta_counts == DeltaCounts()
        assert (await it.answered(125, THINNER)).delta_counts == DeltaCounts(removed=30)


async def test_what_was_accepted_by_number_outlasts_an_answer_with_nobody(
    database_url: str,
) -> None:
    async with timeline(database_url) as it:
        await it.answered(0, FORTY)
        await it.answered(1, THIN)
        forget_who(it, 25)
        it.accept()
        assert (await it.answered(2, NONE)).suspicion == Suspicion(40, 40)
        assert (await it.answered(3, THIN)).delta_counts == DeltaCounts(removed=25)


async def test_only_an_instance_that_was_synced_can_be_accepted(database_url: str) -> None:
    async with scene(database_url) as it:
        await it.synced(friends(1))
        assert await it.store.accept(W_ID) is None
        with pytest.raises(NotSyncedError) as raised:
            await it.store.accept("unknown")
        assert raised.value.w_id == "unknown"
        for wrong in ("", " ", "\ud800"):
            with pytest.raises(InvalidArgumentError):
                await it.store.accept(wrong)
        store = it.store
    with pytest.raises(Exception, match="not open"):
        await store.accept(W_ID)
