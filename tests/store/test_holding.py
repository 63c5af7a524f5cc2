"""A contact that a suspicious answer lacks is held until it has been missing for long enough."""

from datetime import timedelta

import pytest

from tests.support.syncing import (
    FEWER,
    FORTY,
    HALF,
    NONE,
    NOON,
    W_ID,
    all_synced,
    instances,
    loaded,
    replayed,
    scene,
    sync,
    timeline,
    versions,
    without,
)
from wxcontacts_async import Contact, ContactSet
from wxcontacts_async.store import ContactStore, DeltaCounts, Suspicion

# The database does the same on any loop, so asyncio's will do.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])


async def test_the_same_half_a_moment_later_is_no_second_witness(database_url: str) -> None:
    async with scene(database_url, max_shrink=0.49) as it:
        await it.synced(FORTY)
        first = await it.synced(HALF)
        for _ in range(3):
            again = await it.synced(HALF)
            assert again.delta_counts == DeltaCounts()
            assert again.suspicion == Suspicion(stored=41, missing=20)
            assert again.suspicion is not None
            assert first.suspicion is not None
            assert again.suspicion.since == first.suspicion.since


async def test_who_has_been_missing_long_enough_is_removed(database_url: str) -> None:
    rules = {"max_shrink": 0.49, "confirm_after": 0.0}
    async with scene(database_url, **rules) as it:
        await it.synced(FORTY)
        assert (await it.synced(HALF)).suspicion is not None
        async with ContactStore(database_url, **rules) as other:  # as on another day
            again = all_synced(await sync(other, it.pool, [W_ID]))[W_ID]

        assert again.suspicion is None
        assert again.delta_counts == DeltaCounts(removed=20)
        assert versions(await it.store.load(W_ID)) == versions(HALF)
        known = (await instances(it.store))[W_ID]
        assert (known.outcome, known.suspicion, known.contacts) == ("synced", None, 21)
        assert known.synced_at == again.contacts.fetched_at
        assert await replayed(it.store) == await loaded(it.store)


async def test_the_time_is_counted_from_answer_to_answer(database_url: str) -> None:
    async with timeline(database_url) as it:
        await it.answered(0, FORTY)
        assert (await it.answered(1, FEWER)).delta_counts == DeltaCounts(added=1, changed=1)
        for hours in (2, 23, 24.9):
            result = await it.answered(hours, FEWER)
            assert result.delta_counts == DeltaCounts()
            assert result.suspicion == Suspicion(41, 21)
        assert (await it.answered(25, FEWER)).delta_counts == DeltaCounts(removed=21)
        assert it.suspicion is None
        assert not it.held


async def test_each_contact_has_a_time_of_its_own(database_url: str) -> None:
    async with timeline(database_url) as it:
        await it.answered(0, FORTY)
        await it.answered(1, without(FORTY, range(100, 130)))
        result = await it.answered(13, without(FORTY, range(100, 135)))
        assert result.suspicion == Suspicion(40, 35)
        assert result.suspicion.since == NOON.replace(hour=13)
        result = await it.answered(25, without(FORTY, range(100, 135)))
        # Of the ten that are left, five are missing: few enough, but they were held before.
        assert result.delta_counts == DeltaCounts(removed=30)
        assert result.suspicion == Suspicion(40, 5)
        assert (await it.answered(36.9, without(FORTY, range(100, 135)))).suspicion is not None
        result = await it.answered(37, without(FORTY, range(100, 135)))
        assert result.delta_counts == DeltaCounts(removed=5)


async def test_a_whole_list_starts_the_time_anew(database_url: str) -> None:
    async with scene(database_url, max_shrink=0.45) as it:
        await it.synced(FORTY)
        await it.synced(HALF)
        whole = ContactSet(W_ID, friends=(*FORTY.friends, Contact("new")))
        assert (await it.synced(whole)).delta_counts == DeltaCounts(changed=1)
        assert (await instances(it.store))[W_ID].suspicion is None
        assert (await it.synced(HALF)).suspicion is not None
    async with timeline(f"{database_url}") as it2:
        it2.connection.execute("DELETE FROM instances")
        it2.connection.execute("DELETE FROM contacts")
        for hours, answer in ((0, FORTY), (1, FEWER), (20, FORTY), (30, FEWER), (53, FEWER)):
            await it2.answered(hours, answer)
        assert len(it2.names) == 41
        assert (await it2.answered(54, FEWER)).delta_counts == DeltaCounts(removed=21)


async def test_a_set_that_comes_late_starts_the_time_anew(database_url: str) -> None:
    async with timeline(database_url) as it:
        await it.answered(0, FORTY)
        await it.answered(1, without(FORTY, range(100, 130)))
        await it.answered(24.9, without(FORTY, range(100, 130)))
        late = await it.answered(24.89, without(FORTY, range(100, 110)))
        assert late.delta_counts == DeltaCounts()
        assert late.suspicion == it.suspicion == Suspicion(40, 30)
        result = await it.answered(25, without(FORTY, range(100, 130)))
        assert result.delta_counts == DeltaCounts(removed=10)
        assert result.suspicion is not None
        assert result.suspicion.since == NOON + timedelta(hours=24.9)
        await it.answered(48.8, without(FORTY, range(100, 130)))
        assert len(it.names) == 30
        result = await it.answered(48.9, without(FORTY, range(100, 130)))
        assert result.delta_counts == DeltaCounts(removed=20)


async def test_a_set_that_comes_late_ends_what_was_accepted(database_url: str) -> None:
    async with timeline(database_url) as it:
        await it.answered(0, FORTY)
        await it.answered(1, without(FORTY, range(100, 130)))
        await it.answered(2, without(FORTY, range(100, 130)))
        it.accept()
        late = await it.answered(1.99, FORTY)
        assert late.suspicion is not None
        assert late.suspicion.since == NOON + timedelta(hours=2)
        result = await it.answered(3, without(FORTY, range(100, 130)))
        assert result.delta_counts == DeltaCounts()


async def test_one_who_is_there_again_starts_anew_alone(database_url: str) -> None:
    async with timeline(database_url) as it:
        await it.answered(0, FORTY)
        await it.answered(1, without(FORTY, range(100, 130)))
        await it.answered(20, without(FORTY, range(101, 130)))
        result = await it.answered(25, without(FORTY, range(100, 130)))
        assert result.delta_counts == DeltaCounts(removed=29)
        assert result.suspicion == Suspicion(40, 1)
        assert it.held == {"100"}


async def test_halves_in_turn_remove_nobody(database_url: str) -> None:
    async with timeline(database_url, max_shrink=0.4, confirm_after=3600) as it:
        await it.answered(0, FORTY)
        for hours in range(1, 20):
            half = range(100, 120) if hours % 2 else range(120, 140)
            result = await it.answered(hours, without(FORTY, half))
            assert result.suspicion == Suspicion(40, 20)
            assert result.delta_counts == DeltaCounts()


async def test_who_is_held_stays_so_though_later_answers_lack_few(database_url: str) -> None:
    async with timeline(database_url) as it:
        await it.answered(0, FORTY)
        await it.answered(1, without(FORTY, range(100, 130)))
        result = await it.answered(2, without(FORTY, [100, 101, 139]))
        # Three of forty are not too many, but an answer is believed less while some are held.
        assert result.delta_counts == DeltaCounts()
        assert result.suspicion == Suspicion(40, 3)
        assert it.held == {"100", "101", "139"}
        result = await it.answered(25, without(FORTY, [100, 101, 139]))
        assert result.delta_counts == DeltaCounts(removed=2)
        assert result.suspicion == Suspicion(40, 1)
        result = await it.answered(26, without(FORTY, [100, 101, 139]))
        assert result.delta_counts == DeltaCounts(removed=1)
        assert result.suspicion is None


async def test_the_other_half_of_a_thin_answer_removes_nobody(database_url: str) -> None:
    async with timeline(database_url) as it:
        await it.answered(0, FORTY)
        await it.answered(1, without(FORTY, range(100, 121)))
        result = await it.answered(1.1, without(FORTY, range(121, 140)))
        assert result.delta_counts == DeltaCounts()
        assert result.suspicion == Suspicion(40, 19)
        assert it.held == {str(name) for name in range(121, 140)}
        assert (await it.answered(2, FORTY)).suspicion is None


async def test_a_time_that_lies_ahead_starts_anew(database_url: str) -> None:
    async with timeline(database_url) as it:
        await it.answered(0, FORTY)
        await it.answered(100, FEWER)  # the clock was wrong
        result = await it.answered(1, FEWER)
        assert result.suspicion is not None
        assert result.suspicion.since == NOON.replace(hour=13)
        assert (await it.answered(24.9, FEWER)).delta_counts == DeltaCounts()
        assert (await it.answered(25, FEWER)).delta_counts == DeltaCounts(removed=21)


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_a_clock_that_stood_in_the_past_makes_no_time_longer(
    database_url: str,
    times: int,
) -> None:
    async with timeline(database_url) as it:
        await it.answered(0, FORTY)
        for hours in range(times):
            await it.answered(hours - 50 * 365 * 24, FEWER)
        result = await it.answered(1, FEWER)
        assert result.delta_counts == DeltaCounts()
        assert result.suspicion is not None
        assert result.suspicion.since == NOON
        assert (await it.answered(24, FEWER)).delta_counts == DeltaCounts(removed=21)


async def test_after_an_answer_with_nobody_time_starts_with_the_next(database_url: str) -> None:
    async with timeline(database_url) as it:
        await it.answered(0, FORTY)
        await it.answered(1, NONE)
        # Far less than half, but the gateway has just shown that it is not to be believed.
        result = await it.answered(25, without(FORTY, [100, 101]))
        assert result.delta_counts == DeltaCounts()
        assert result.suspicion == Suspicion(40, 2)
        assert (await it.answered(48, without(FORTY, [100, 101]))).delta_counts == DeltaCounts()
        assert (await it.answered(49, without(FORTY, [100, 101]))).delta_counts.removed == 2


async def test_an_answer_with_nobody_neither_starts_nor_ends_a_time(database_url: str) -> None:
    async with timeline(database_url) as it:
        await it.answered(0, FORTY)
        await it.answered(1, FEWER)
        result = await it.answered(25, NONE)  # they are due, but that says nothing
        assert result.delta_counts == DeltaCounts()
        assert result.suspicion == Suspicion(41, 41)
        assert (await it.answered(26, FEWER)).delta_counts == DeltaCounts(removed=21)
        assert it.suspicion is None
