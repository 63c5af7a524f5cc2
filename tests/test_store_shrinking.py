"""Half a list is not believed: nobody is removed until they have been missing for long enough."""

from collections.abc import Iterable
from datetime import timedelta

import pytest

from tests.syncing import (
    NOON,
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
from wxcontacts_async import Contact, ContactKind, ContactSet, RejectedContact
from wxcontacts_async.store import ContactStore, DeltaCounts, Suspicion, Synced

ALL = friends(*range(100, 140))
HALF = ContactSet(
    W_ID,
    friends=(*ALL.friends[20:39], Contact("139", city="深圳"), Contact("new")),
)
FEWER = ContactSet(W_ID, friends=HALF.friends[1:])
NOT_QUITE_HALF = ContactSet(W_ID, friends=(*ALL.friends[19:39], *HALF.friends[-2:]))
NONE = ContactSet[Contact](W_ID)
FRIEND, GROUP = ContactKind.FRIEND, ContactKind.GROUP

# The database does the same on any loop, so asyncio's will do.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])


def groups(*numbers: int) -> tuple[Contact, ...]:
    return tuple(Contact(f"{number}@chatroom") for number in numbers)


def without(contacts: ContactSet[Contact], names: Iterable[int]) -> ContactSet[Contact]:
    left_out = {str(name) for name in names}
    kept = tuple(contact for contact in contacts.friends if contact.user_name not in left_out)
    return ContactSet(W_ID, friends=kept)


async def test_half_a_list_adds_and_changes_but_removes_nothing(database_url: str) -> None:
    async with scene(database_url, max_shrink=0.49) as it:
        first = await it.synced(ALL)
        synced = await it.synced(HALF)

        assert synced.suspicion == Suspicion(stored=40, missing=20)
        assert synced.suspicion is not None
        assert synced.suspicion.since == synced.contacts.fetched_at
        assert synced.suspicion.kinds == (FRIEND,)
        assert synced.delta_counts == DeltaCounts(added=1, changed=1)
        assert versions(await it.store.load(W_ID)) == {**versions(ALL), **versions(HALF)}
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


async def test_the_same_half_a_moment_later_is_no_second_witness(database_url: str) -> None:
    async with scene(database_url, max_shrink=0.49) as it:
        await it.synced(ALL)
        first = await it.synced(HALF)
        for _ in range(3):
            again = await it.synced(HALF)
            assert again.delta_counts == DeltaCounts()
            assert again.suspicion == Suspicion(stored=41, missing=20)
            assert again.suspicion is not None
            assert first.suspicion is not None
            assert again.suspicion.since == first.suspicion.since


async def test_a_w_id_that_is_asked_for_twice_is_suspicious_twice(database_url: str) -> None:
    async with scene(database_url, confirm_after=0) as it:
        await it.synced(ALL)
        it.gateway.give(FEWER)
        async with it.store.sync(it.pool, [W_ID, W_ID]) as results:
            both = [result async for result in results]
        assert len(await it.store.load(W_ID)) == 41  # both are of one call, which is one witness
        for result in both:
            assert isinstance(result, Synced)
            assert result.suspicion == Suspicion(40, 21)


async def test_who_has_been_missing_long_enough_is_removed(database_url: str) -> None:
    rules = {"max_shrink": 0.49, "confirm_after": 0.0}
    async with scene(database_url, **rules) as it:
        await it.synced(ALL)
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
        await it.answered(0, ALL)
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
        await it.answered(0, ALL)
        await it.answered(1, without(ALL, range(100, 130)))
        result = await it.answered(13, without(ALL, range(100, 135)))
        assert result.suspicion == Suspicion(40, 35)
        assert result.suspicion.since == NOON.replace(hour=13)
        result = await it.answered(25, without(ALL, range(100, 135)))
        # Of the ten that are left, five are missing: few enough, but they were held before.
        assert result.delta_counts == DeltaCounts(removed=30)
        assert result.suspicion == Suspicion(40, 5)
        assert (await it.answered(36.9, without(ALL, range(100, 135)))).suspicion is not None
        result = await it.answered(37, without(ALL, range(100, 135)))
        assert result.delta_counts == DeltaCounts(removed=5)


async def test_a_whole_list_starts_the_time_anew(database_url: str) -> None:
    async with scene(database_url, max_shrink=0.45) as it:
        await it.synced(ALL)
        await it.synced(HALF)
        whole = ContactSet(W_ID, friends=(*ALL.friends, Contact("new")))
        assert (await it.synced(whole)).delta_counts == DeltaCounts(changed=1)
        assert (await instances(it.store))[W_ID].suspicion is None
        assert (await it.synced(HALF)).suspicion is not None
    async with timeline(f"{database_url}") as it2:
        it2.connection.execute("DELETE FROM instances")
        it2.connection.execute("DELETE FROM contacts")
        for hours, answer in ((0, ALL), (1, FEWER), (20, ALL), (30, FEWER), (53, FEWER)):
            await it2.answered(hours, answer)
        assert len(it2.names) == 41
        assert (await it2.answered(54, FEWER)).delta_counts == DeltaCounts(removed=21)


async def test_a_set_that_comes_late_starts_the_time_anew(database_url: str) -> None:
    async with timeline(database_url) as it:
        await it.answered(0, ALL)
        await it.answered(1, without(ALL, range(100, 130)))
        await it.answered(24.9, without(ALL, range(100, 130)))
        late = await it.answered(24.89, without(ALL, range(100, 110)))
        assert late.delta_counts == DeltaCounts()
        assert late.suspicion == it.suspicion == Suspicion(40, 30)
        result = await it.answered(25, without(ALL, range(100, 130)))
        assert result.delta_counts == DeltaCounts(removed=10)
        assert result.suspicion is not None
        assert result.suspicion.since == NOON + timedelta(hours=24.9)
        await it.answered(48.8, without(ALL, range(100, 130)))
        assert len(it.names) == 30
        result = await it.answered(48.9, without(ALL, range(100, 130)))
        assert result.delta_counts == DeltaCounts(removed=20)


async def test_a_set_that_comes_late_ends_what_was_accepted(database_url: str) -> None:
    async with timeline(database_url) as it:
        await it.answered(0, ALL)
        await it.answered(1, without(ALL, range(100, 130)))
        await it.answered(2, without(ALL, range(100, 130)))
        it.accept()
        late = await it.answered(1.99, ALL)
        assert late.suspicion is not None
        assert late.suspicion.since == NOON + timedelta(hours=2)
        result = await it.answered(3, without(ALL, range(100, 130)))
        assert result.delta_counts == DeltaCounts()


async def test_one_who_is_there_again_starts_anew_alone(database_url: str) -> None:
    async with timeline(database_url) as it:
        await it.answered(0, ALL)
        await it.answered(1, without(ALL, range(100, 130)))
        await it.answered(20, without(ALL, range(101, 130)))
        result = await it.answered(25, without(ALL, range(100, 130)))
        assert result.delta_counts == DeltaCounts(removed=29)
        assert result.suspicion == Suspicion(40, 1)
        assert it.held == {"100"}


async def test_halves_in_turn_remove_nobody(database_url: str) -> None:
    async with timeline(database_url, max_shrink=0.4, confirm_after=3600) as it:
        await it.answered(0, ALL)
        for hours in range(1, 20):
            half = range(100, 120) if hours % 2 else range(120, 140)
            result = await it.answered(hours, without(ALL, half))
            assert result.suspicion == Suspicion(40, 20)
            assert result.delta_counts == DeltaCounts()


async def test_who_is_held_stays_so_though_later_answers_lack_few(database_url: str) -> None:
    async with timeline(database_url) as it:
        await it.answered(0, ALL)
        await it.answered(1, without(ALL, range(100, 130)))
        result = await it.answered(2, without(ALL, [100, 101, 139]))
        # Three of forty are not too many, but an answer is believed less while some are held.
        assert result.delta_counts == DeltaCounts()
        assert result.suspicion == Suspicion(40, 3)
        assert it.held == {"100", "101", "139"}
        result = await it.answered(25, without(ALL, [100, 101, 139]))
        assert result.delta_counts == DeltaCounts(removed=2)
        assert result.suspicion == Suspicion(40, 1)
        result = await it.answered(26, without(ALL, [100, 101, 139]))
        assert result.delta_counts == DeltaCounts(removed=1)
        assert result.suspicion is None


async def test_the_other_half_of_a_thin_answer_removes_nobody(database_url: str) -> None:
    async with timeline(database_url) as it:
        await it.answered(0, ALL)
        await it.answered(1, without(ALL, range(100, 121)))
        result = await it.answered(1.1, without(ALL, range(121, 140)))
        assert result.delta_counts == DeltaCounts()
        assert result.suspicion == Suspicion(40, 19)
        assert it.held == {str(name) for name in range(121, 140)}
        assert (await it.answered(2, ALL)).suspicion is None


async def test_a_time_that_lies_ahead_starts_anew(database_url: str) -> None:
    async with timeline(database_url) as it:
        await it.answered(0, ALL)
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
        await it.answered(0, ALL)
        for hours in range(times):
            await it.answered(hours - 50 * 365 * 24, FEWER)
        result = await it.answered(1, FEWER)
        assert result.delta_counts == DeltaCounts()
        assert result.suspicion is not None
        assert result.suspicion.since == NOON
        assert (await it.answered(24, FEWER)).delta_counts == DeltaCounts(removed=21)


async def test_a_failure_neither_clears_up_a_suspicion_nor_starts_it_anew(
    database_url: str,
) -> None:
    async with scene(database_url, max_shrink=0.49) as it:
        await it.synced(ALL)
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
        await it.synced(ALL)
        synced = await it.synced(HALF)  # a half is not more than a half
        assert synced.suspicion is None
        assert synced.delta_counts == DeltaCounts(1, 20, 1)
    async with scene(database_url, max_shrink=0.49) as it:
        await it.synced(ALL)
        assert (await it.synced(NOT_QUITE_HALF)).delta_counts == DeltaCounts(1, 19, 1)


async def test_few_contacts_may_leave_but_for_the_last(database_url: str) -> None:
    async with scene(database_url) as it:
        await it.synced(friends(*range(19)))
        assert (await it.synced(friends(0))).delta_counts == DeltaCounts(removed=18)
        synced = await it.synced(NONE)
        assert synced.delta_counts == DeltaCounts()
        assert synced.suspicion == Suspicion(1, 1)


async def test_a_kind_is_judged_by_itself(database_url: str) -> None:
    many = ContactSet(W_ID, friends=ALL.friends, groups=groups(*range(20)))
    fewer = ContactSet(W_ID, friends=ALL.friends[1:], groups=groups(*range(9)))
    async with scene(database_url) as it:
        await it.synced(many)
        synced = await it.synced(fewer)  # 12 of 60, but 11 of 20 groups
        assert synced.delta_counts == DeltaCounts()
        assert synced.suspicion == Suspicion(60, 12)
        assert synced.suspicion is not None
        assert synced.suspicion.kinds == (FRIEND, GROUP)


async def test_a_kind_counts_as_it_is_stored(database_url: str) -> None:
    moved = ContactSet(W_ID, official_accounts=ALL.friends)
    async with scene(database_url) as it:
        await it.synced(ALL)
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


async def test_after_an_answer_with_nobody_time_starts_with_the_next(database_url: str) -> None:
    async with timeline(database_url) as it:
        await it.answered(0, ALL)
        await it.answered(1, NONE)
        # Far less than half, but the gateway has just shown that it is not to be believed.
        result = await it.answered(25, without(ALL, [100, 101]))
        assert result.delta_counts == DeltaCounts()
        assert result.suspicion == Suspicion(40, 2)
        assert (await it.answered(48, without(ALL, [100, 101]))).delta_counts == DeltaCounts()
        assert (await it.answered(49, without(ALL, [100, 101]))).delta_counts.removed == 2


async def test_an_answer_with_nobody_neither_starts_nor_ends_a_time(database_url: str) -> None:
    async with timeline(database_url) as it:
        await it.answered(0, ALL)
        await it.answered(1, FEWER)
        result = await it.answered(25, NONE)  # they are due, but that says nothing
        assert result.delta_counts == DeltaCounts()
        assert result.suspicion == Suspicion(41, 41)
        assert (await it.answered(26, FEWER)).delta_counts == DeltaCounts(removed=21)
        assert it.suspicion is None


@pytest.mark.parametrize("max_shrink", [0, 1])
async def test_the_bound_may_be_none_or_all(database_url: str, max_shrink: int) -> None:
    async with scene(database_url, max_shrink=max_shrink) as it:
        await it.synced(ALL)
        one_less = await it.synced(ContactSet(W_ID, friends=ALL.friends[1:]))
        assert one_less.delta_counts == DeltaCounts(removed=max_shrink)
        assert bool(one_less.suspicion) is not bool(max_shrink)
        none = await it.synced(NONE)
        assert none.delta_counts == DeltaCounts(removed=39 if max_shrink else 0)


async def test_without_the_guard_who_is_held_goes_at_once(database_url: str) -> None:
    async with scene(database_url) as it:
        await it.synced(ALL)
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


@pytest.mark.parametrize(
    ("raw", "kept", "held_back"),
    [
        (b'{"userName":7}', {"1", "2", "g"}, 2),
        (b"null", {"1", "2", "g"}, 2),
        (b'{"userName":"1","sex":9223372036854775808}', {"1", "g"}, 0),
        (b'{"userName":"new","sex":9223372036854775808}', {"g"}, 0),
    ],
    ids=["a-number", "null", "named", "unknown"],
)
async def test_a_contact_that_could_not_be_read_is_not_removed(
    database_url: str,
    raw: bytes,
    kept: set[str],
    held_back: int,
) -> None:
    group = (Contact("g"),)
    older = ContactSet(W_ID, friends=(Contact("1"), Contact("2")), groups=group)
    newer = ContactSet(W_ID, groups=group, rejected=(RejectedContact(FRIEND, raw, ""),))
    async with scene(database_url) as it:
        first = await it.synced(older)
        second = await it.synced(newer)

        assert len(second.contacts.rejected) == 1
        removed = second.contacts.delta_since(first.contacts).removed
        assert second.delta_counts == DeltaCounts(removed=len(removed))
        assert set(versions(await it.store.load(W_ID))) == kept
        assert {"1", "2", "g"} - kept == {contact.user_name for contact in removed}
        assert (await instances(it.store))[W_ID].contacts == len(kept)
        assert second.held_back == held_back
        assert second.suspicion is None


async def test_where_a_name_could_not_be_read_the_time_of_its_kind_starts_anew(
    database_url: str,
) -> None:
    nameless = RejectedContact(FRIEND, b"null", "")
    async with timeline(database_url) as it:
        await it.answered(0, ALL)
        await it.answered(1, FEWER)
        result = await it.answered(
            25, ContactSet(W_ID, friends=FEWER.friends, rejected=(nameless,))
        )
        assert result.delta_counts == DeltaCounts()
        assert result.held_back == 0  # they are counted once, as they are held
        assert result.suspicion == Suspicion(41, 21)
        assert (await it.answered(48, FEWER)).delta_counts == DeltaCounts()
        assert (await it.answered(49, FEWER)).delta_counts == DeltaCounts(removed=21)


async def test_a_blank_name_is_none(database_url: str) -> None:
    blank = RejectedContact(FRIEND, b'{"userName":" "}', "")
    async with timeline(database_url) as it:
        await it.answered(0, friends(1, 2, 3))
        result = await it.answered(1, ContactSet(W_ID, rejected=(blank,)))
        assert result.held_back == 3
        assert result.delta_counts == DeltaCounts()
