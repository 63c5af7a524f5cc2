"""Half a list is not believed at once: nothing is removed until it has been seen twice."""

import pytest

from tests.syncing import (
    W_ID,
    all_synced,
    friends,
    instances,
    loaded,
    log,
    replayed,
    scene,
    sync,
    versions,
)
from wxcontacts_async import Contact, ContactKind, ContactSet, RejectedContact
from wxcontacts_async.store import ContactStore, DeltaCounts, Suspicion

ALL = friends(*range(100, 140))
HALF = ContactSet(
    W_ID,
    friends=(*ALL.friends[20:39], Contact("139", city="深圳"), Contact("new")),
)
FEWER = ContactSet(W_ID, friends=HALF.friends[1:])
NOT_QUITE_HALF = ContactSet(W_ID, friends=(*ALL.friends[19:39], *HALF.friends[-2:]))

# The database does the same on any loop, so asyncio's will do.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])


async def test_half_a_list_adds_and_changes_but_removes_nothing(database_url: str) -> None:
    async with scene(database_url, max_shrink=0.49) as it:
        first = await it.synced(ALL)
        synced = await it.synced(HALF)

        assert synced.suspicion == Suspicion(stored=40, missing=20)
        assert synced.delta_counts == DeltaCounts(added=1, changed=1)
        assert versions(await it.store.load(W_ID)) == {**versions(ALL), **versions(HALF)}
        known = (await instances(it.store))[W_ID]
        assert known.outcome == "suspicious"
        assert known.suspicion == synced.suspicion
        assert known.contacts == 41
        assert known.synced_at == first.contacts.fetched_at
        assert known.tried_at == synced.contacts.fetched_at
        assert (await it.store.load(W_ID)).fetched_at == first.contacts.fetched_at
        assert await replayed(it.store) == await loaded(it.store)


async def test_the_same_ones_missing_again_are_removed(database_url: str) -> None:
    async with scene(database_url, max_shrink=0.49) as it:
        await it.synced(ALL)
        await it.synced(HALF)
        async with ContactStore(database_url, max_shrink=0.49) as other:  # as on another day
            again = all_synced(await sync(other, it.pool, [W_ID]))[W_ID]

        assert again.suspicion is None
        assert again.delta_counts == DeltaCounts(removed=20)
        assert versions(await it.store.load(W_ID)) == versions(HALF)
        known = (await instances(it.store))[W_ID]
        assert (known.outcome, known.suspicion, known.contacts) == ("synced", None, 21)
        assert known.synced_at == again.contacts.fetched_at
        assert await replayed(it.store) == await loaded(it.store)


async def test_others_missing_are_suspicious_again(database_url: str) -> None:
    async with scene(database_url, max_shrink=0.45) as it:
        await it.synced(ALL)
        await it.synced(HALF)
        other = await it.synced(FEWER)
        assert other.suspicion == Suspicion(stored=41, missing=21)
        assert other.delta_counts == DeltaCounts()
        assert (await it.synced(HALF)).suspicion is not None
        assert (await it.synced(HALF)).delta_counts == DeltaCounts(removed=20)


async def test_a_whole_list_clears_up_a_suspicion(database_url: str) -> None:
    async with scene(database_url, max_shrink=0.49) as it:
        await it.synced(ALL)
        await it.synced(HALF)
        assert (await it.synced(ALL)).delta_counts == DeltaCounts(removed=1, changed=1)
        assert (await instances(it.store))[W_ID].suspicion is None
        assert (await it.synced(HALF)).suspicion is not None


async def test_a_failure_does_not_clear_up_a_suspicion(database_url: str) -> None:
    async with scene(database_url, max_shrink=0.49) as it:
        await it.synced(ALL)
        await it.synced(HALF)
        async with it.gateway.down():
            await sync(it.store, it.pool, [W_ID])
        known = (await instances(it.store))[W_ID]
        assert known.outcome != "suspicious"
        assert known.suspicion == Suspicion(40, 20)
        assert (await it.synced(HALF)).delta_counts == DeltaCounts(removed=20)


async def test_what_is_missing_within_the_bound_is_removed(database_url: str) -> None:
    async with scene(database_url) as it:
        await it.synced(ALL)
        synced = await it.synced(HALF)  # a half is not more than a half
        assert synced.suspicion is None
        assert synced.delta_counts == DeltaCounts(1, 20, 1)
    async with scene(database_url, max_shrink=0.49) as it:
        await it.synced(ALL)
        assert (await it.synced(NOT_QUITE_HALF)).delta_counts == DeltaCounts(1, 19, 1)


@pytest.mark.parametrize(("size", "removed"), [(19, 19), (20, 0)])
async def test_few_contacts_may_all_go(database_url: str, size: int, removed: int) -> None:
    async with scene(database_url) as it:
        await it.synced(friends(*range(size)))
        synced = await it.synced(ContactSet(W_ID))
        assert synced.delta_counts == DeltaCounts(removed=removed)
        assert synced.suspicion == (None if removed else Suspicion(size, size))
        assert len(await it.store.load(W_ID)) == size - removed


@pytest.mark.parametrize("max_shrink", [0, 1])
async def test_the_bound_may_be_none_or_all(database_url: str, max_shrink: int) -> None:
    async with scene(database_url, max_shrink=max_shrink) as it:
        await it.synced(ALL)
        one_less = await it.synced(ContactSet(W_ID, friends=ALL.friends[1:]))
        assert one_less.delta_counts == DeltaCounts(removed=max_shrink)
        assert bool(one_less.suspicion) is not bool(max_shrink)
        none = await it.synced(ContactSet(W_ID))
        assert none.delta_counts == DeltaCounts(removed=39 if max_shrink else 0)


async def test_one_instance_of_a_batch_is_suspicious_alone(database_url: str) -> None:
    sets = [friends(*range(30), w_id=f"w{i}") for i in range(5)]
    async with scene(database_url) as it:
        await it.sync(*sets)
        results = await it.all_synced(
            friends(w_id="w0"),
            friends(*range(29), w_id="w1"),
            *sets[2:],
        )
        assert [w_id for w_id, result in results.items() if result.suspicion] == ["w0"]
        assert results["w1"].delta_counts == DeltaCounts(removed=1)
        assert {w_id: len(known) for w_id, known in (await loaded(it.store)).items()} == {
            "w0": 30,
            "w1": 29,
            "w2": 30,
            "w3": 30,
            "w4": 30,
        }
        assert len(await log(it.store)) == 151


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        (b'{"userName":7}', {"1", "2"}),
        (b"null", {"1", "2"}),
    ],
    ids=["a-number", "null"],
)
async def test_a_contact_that_could_not_be_read_is_not_removed(
    database_url: str,
    raw: bytes,
    kept: set[str],
) -> None:
    older = ContactSet(W_ID, friends=(Contact("1"), Contact("2")), groups=(Contact("g"),))
    newer = ContactSet(W_ID, rejected=(RejectedContact(ContactKind.FRIEND, raw, ""),))
    async with scene(database_url) as it:
        first = await it.synced(older)
        second = await it.synced(newer)

        assert len(second.contacts.rejected) == 1
        removed = second.contacts.delta_since(first.contacts).removed
        assert second.delta_counts == DeltaCounts(removed=len(removed))
        assert set(versions(await it.store.load(W_ID))) == kept
        assert {"1", "2", "g"} - kept == {contact.user_name for contact in removed}
        assert (await instances(it.store))[W_ID].contacts == len(kept)
