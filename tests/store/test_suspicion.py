"""An answer that lacks too much is suspicious: it adds and changes, but removes nothing."""

import pytest

from tests.support.syncing import (
    FEWER,
    FORTY,
    HALF,
    NONE,
    W_ID,
    all_synced,
    friends,
    instances,
    loaded,
    log,
    replayed,
    scene,
    sync,
    timeline,
    versions,
)
from wxcontacts_async import Contact, ContactKind, ContactSet
from wxcontacts_async.store import ContactStore, DeltaCounts, Suspicion, Synced

NOT_QUITE_HALF = ContactSet(W_ID, friends=(*FORTY.friends[19:39], *HALF.friends[-2:]))
FRIEND, GROUP = ContactKind.FRIEND, ContactKind.GROUP

# The database does the same on any loop, so asyncio's will do.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])


def groups(*numbers: int) -> tuple[Contact, ...]:
    return tuple(Contact(f"{number}@chatroom") for number in numbers)


async def test_half_a_list_adds_and_changes_but_removes_nothing(database_url: str) -> None:
    async with scene(database_url, max_shrink=0.49) as it:
        first = await it.synced(FORTY)
        synced = await it.synced(HALF)

        assert synced.suspicion == Suspicion(stored=40, missing=20)
        assert synced.suspicion is not None
        assert synced.suspicion.since == synced.contacts.fetched_at
        assert synced.suspicion.kinds == (FRIEND,)
        assert synced.delta_counts == DeltaCounts(added=1, changed=1)
        assert versions(await it.store.load(W_ID)) == {**versions(FORTY), **versions(HALF)}
        known = (await instances(it.store))[W_ID]
        assert known.outcome == "suspicious"
        assert known.suspicion == synced.suspicion
        assert known.suspicion.since == synced.suspicion.since
        assert known.suspicion.kinds == (FRIEND,)
        assert known.contacts == 41
        assert known.synced_at == first.contacts.fetched_at
        assert known.tried_at == synced.contacts.fetched_at
        assert (await it.store.load(W_ID)).fetched_at == first.contacts.fetched_at
        assert await replayed(it.store) == await loaded(it.store)


async def test_a_w_id_that_is_asked_for_twice_is_suspicious_twice(database_url: str) -> None:
    async with scene(database_url, confirm_after=0) as it:
        await it.synced(FORTY)
        it.gateway.give(FEWER)
        async with it.store.sync(it.pool, [W_ID, W_ID]) as results:
            both = [result async for result in results]
        assert len(await it.store.load(W_ID)) == 41  # both are of one call, which is one witness
        for result in both:
            assert isinstance(result, Synced)
            assert result.suspicion == Suspicion(40, 21)


async def test_a_failure_neither_clears_up_a_suspicion_nor_starts_it_anew(
    database_url: str,
) -> None:
    async with scene(database_url, max_shrink=0.49) as it:
        await it.synced(FORTY)
        first = await it.synced(HALF)
        async with it.gateway.down():
            await sync(it.store, it.pool, [W_ID])
        known = (await instances(it.store))[W_ID]
        assert known.outcome != "suspicious"
        assert known.suspicion == Suspicion(40, 20)
        again = await it.synced(HALF)
        assert again.suspicion is not None
        assert first.suspicion is not None
        assert again.suspicion.since == first.suspicion.since


async def test_what_is_missing_within_the_bound_is_removed(database_url: str) -> None:
    async with scene(database_url) as it:
        await it.synced(FORTY)
        synced = await it.synced(HALF)  # a half is not more than a half
        assert synced.suspicion is None
        assert synced.delta_counts == DeltaCounts(1, 20, 1)
    async with scene(database_url, max_shrink=0.49) as it:
        await it.synced(FORTY)
        assert (await it.synced(NOT_QUITE_HALF)).delta_counts == DeltaCounts(1, 19, 1)


async def test_few_contacts_may_leave_but_for_the_last(database_url: str) -> None:
    async with scene(database_url) as it:
        await it.synced(friends(*range(19)))
        assert (await it.synced(friends(0))).delta_counts == DeltaCounts(removed=18)
        synced = await it.synced(NONE)
        assert synced.delta_counts == DeltaCounts()
        assert synced.suspicion == Suspicion(1, 1)


async def test_a_kind_is_judged_by_itself(database_url: str) -> None:
    many = ContactSet(W_ID, friends=FORTY.friends, groups=groups(*range(20)))
    fewer = ContactSet(W_ID, friends=FORTY.friends[1:], groups=groups(*range(9)))
    async with scene(database_url) as it:
        await it.synced(many)
        synced = await it.synced(fewer)  # 12 of 60, but 11 of 20 groups
        assert synced.delta_counts == DeltaCounts()
        assert synced.suspicion == Suspicion(60, 12)
        assert synced.suspicion is not None
        assert synced.suspicion.kinds == (FRIEND, GROUP)


async def test_a_kind_counts_as_it_is_stored(database_url: str) -> None:
    moved = ContactSet(W_ID, official_accounts=FORTY.friends)
    async with scene(database_url) as it:
        await it.synced(FORTY)
        assert (await it.synced(moved)).delta_counts == DeltaCounts(changed=40)


@pytest.mark.parametrize("number", [40, 3, 1])
@pytest.mark.parametrize("lists", ['"group":null', '"group":[]', '"public":[]'])
async def test_a_kind_that_has_gone_whole_is_suspicious(
    sqlite_url: str,
    number: int,
    lists: str,
) -> None:
    names = ",".join(f'{{"userName":"{name}"}}' for name in range(100))
    async with scene(sqlite_url) as it:
        many = friends(*range(100))
        await it.synced(ContactSet(W_ID, friends=many.friends, groups=groups(*range(number))))
        answer = f'{{"code":"1000","data":{{"friend":[{names}],{lists}}}}}'
        it.gateway.give_reply(W_ID, answer.encode())
        synced = all_synced(await sync(it.store, it.pool, [W_ID]))[W_ID]
        assert synced.delta_counts == DeltaCounts()
        assert synced.suspicion == Suspicion(100 + number, number)
        assert synced.suspicion is not None
        assert synced.suspicion.kinds == (GROUP,)


async def test_an_answer_with_nobody_is_never_believed(database_url: str) -> None:
    async with timeline(database_url, confirm_after=0) as it:
        await it.answered(0, friends(1, 2, 3))
        for hours in (1, 2, 24 * 365):
            result = await it.answered(hours, NONE)
            assert result.delta_counts == DeltaCounts()
            assert result.suspicion == it.suspicion == Suspicion(3, 3)
            assert it.suspicion is not None
            assert it.suspicion.since is None
            assert it.suspicion.kinds == (FRIEND,)
        assert not it.held


@pytest.mark.parametrize("max_shrink", [0, 1])
async def test_the_bound_may_be_none_or_all(database_url: str, max_shrink: int) -> None:
    async with scene(database_url, max_shrink=max_shrink) as it:
        await it.synced(FORTY)
        one_less = await it.synced(ContactSet(W_ID, friends=FORTY.friends[1:]))
        assert one_less.delta_counts == DeltaCounts(removed=max_shrink)
        assert bool(one_less.suspicion) is not bool(max_shrink)
        none = await it.synced(NONE)
        assert none.delta_counts == DeltaCounts(removed=39 if max_shrink else 0)


async def test_without_the_guard_who_is_held_goes_at_once(database_url: str) -> None:
    async with scene(database_url) as it:
        await it.synced(FORTY)
        await it.synced(FEWER)
        async with ContactStore(database_url, max_shrink=1) as other:
            removed = all_synced(await sync(other, it.pool, [W_ID]))[W_ID]
        assert removed.delta_counts == DeltaCounts(removed=21)
        assert (await instances(it.store))[W_ID].suspicion is None


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
