"""What a database is summed up to, beside what is counted from all that it holds."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from tests.support.large_database import LargeDatabase
from tests.support.syncing import W_ID, friends, log, scene
from wxcontacts_async import ContactKind, InvalidArgumentError
from wxcontacts_async.store import ChangeKind, ContactStore, DeltaCounts, StoreSummary

# The database does the same on any loop, so asyncio's will do.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])

_NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
_WEEK_AGO = _NOW - timedelta(days=7)


@pytest.fixture
def filled_url(database_url: str) -> str:
    """Give a database with 30 instances of 20 contacts each, the last of which came this week."""
    LargeDatabase(database_url, instances=30, contacts=20, days=10, now=_NOW).fill()
    return database_url


async def _summed_up(url: str, since: datetime, *, names: bool = True) -> StoreSummary:
    async with ContactStore(url) as store:
        return await store.summary(since=since, names=names)


async def test_it_is_what_one_counts_from_the_contacts_themselves(filled_url: str) -> None:
    summary = await _summed_up(filled_url, _WEEK_AGO)
    async with ContactStore(filled_url) as store:
        loaded = [contacts async for contacts in store.load_all()]
        stored = [instance async for instance in store.instances()]

    held = Counter(contact.user_name for contacts in loaded for contact in contacts)
    most = sorted(
        (name for name, number in held.items() if number > 1), key=lambda name: (-held[name], name)
    )
    assert [one.stored for one in summary.instances] == stored
    assert [one.kinds for one in summary.instances] == [
        Counter(kind for kind, _ in contacts.items()) for contacts in loaded
    ]
    assert summary.spread == Counter(held.values())
    assert [(one.user_name, one.instances) for one in summary.shared] == [
        (name, held[name]) for name in most
    ]
    assert all(one.nick_name for one in summary.shared)


async def test_who_came_and_went_is_what_the_log_has_but_for_first_syncs(filled_url: str) -> None:
    summary = await _summed_up(filled_url, _WEEK_AGO)
    async with ContactStore(filled_url) as store:
        changes = [change async for change in store.changes(since=_WEEK_AGO)]

    firsts = {one.stored.w_id: one.first_seen for one in summary.instances}
    moved = [one for one in changes if one.at != firsts[one.w_id]]
    imported = len(changes) - len(moved)
    by_hour = Counter(
        (one.at.replace(minute=0, second=0, microsecond=0), one.change) for one in changes
    )
    assert imported > 100
    assert len(moved) > 20
    assert {(one.begin, one.change): one.count for one in summary.hours} == by_hour
    assert sum(one.imported for one in summary.hours) == imported
    for one in summary.instances:
        of_it = Counter(change.change for change in moved if change.w_id == one.stored.w_id)
        added, removed = of_it[ChangeKind.ADDED], of_it[ChangeKind.REMOVED]
        assert one.delta_counts == DeltaCounts(added, removed)
    assert [(one.at, one.w_id, one.user_name, one.change) for one in summary.recent] == [
        (one.at, one.w_id, one.user_name, one.change) for one in reversed(moved)
    ]


async def test_without_names_none_of_a_contact_is_there(filled_url: str) -> None:
    named = await _summed_up(filled_url, _WEEK_AGO)
    summary = await _summed_up(filled_url, _WEEK_AGO, names=False)

    assert summary.recent == ()
    assert {(one.user_name, one.nick_name) for one in summary.shared} == {(None, None)}
    assert [one.instances for one in summary.shared] == [one.instances for one in named.shared]
    assert summary.instances == named.instances


async def test_what_syncs_have_written_is_summed_up(database_url: str) -> None:
    since = datetime.now(UTC)
    async with scene(database_url) as it:
        await it.all_synced(friends("a", "b"), friends("b", "c", w_id="other"))
        await it.synced(friends("a", "d"))
        summary = await it.store.summary(since=since)
        changes = await log(it.store)

    instances = {one.stored.w_id: one for one in summary.instances}
    assert instances[W_ID].delta_counts == DeltaCounts(added=1, removed=1)
    assert instances["other"].delta_counts == DeltaCounts()
    assert instances[W_ID].kinds == {ContactKind.FRIEND: 2}
    assert instances[W_ID].first_seen == changes[0].at
    assert summary.spread == {1: 4}
    assert summary.shared == ()
    assert {(one.user_name, one.change) for one in summary.recent} == {
        ("d", ChangeKind.ADDED),
        ("b", ChangeKind.REMOVED),
    }


async def test_an_empty_database_is_summed_up_to_nothing(database_url: str) -> None:
    summary = await _summed_up(database_url, _WEEK_AGO)

    assert summary == StoreSummary(_WEEK_AGO, (), (), {}, (), ())


async def test_a_time_without_its_zone_is_an_error(database_url: str) -> None:
    async with ContactStore(database_url) as store:
        summing = partial(store.summary, since=datetime(2026, 1, 1))  # noqa: DTZ001  # that is it
        with pytest.raises(InvalidArgumentError, match="since must be an aware datetime"):
            await summing()
