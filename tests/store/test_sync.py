"""Sync after sync, the database has what the gateway last answered, and a log of what changed."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.loops import on_asyncio
from tests.support.syncing import (
    OF_EACH_KIND,
    W_ID,
    GivenGateway,
    friends,
    instances,
    loaded,
    log,
    replayed,
    scene,
    sync,
    versions,
)
from wxcontacts_async import (
    Contact,
    ContactSet,
    Failed,
    GatewayRefusedError,
    InvalidArgumentError,
    SessionPool,
)
from wxcontacts_async.store import (
    ChangeKind,
    ContactStore,
    DeltaCounts,
    NotSyncedError,
    Synced,
)

pytestmark = on_asyncio

CHANGED = ContactSet(
    W_ID,
    friends=(
        Contact("wxid_1", nick_name="王伟🌸", city="深圳"),  # its alias_name is gone
        Contact("1@chatroom", small_head="http://wx.qlogo.invalid/0"),  # it was a group
        Contact("wxid_3"),
    ),
)


async def test_the_first_sync_adds_all_and_the_second_changes_nothing(database_url: str) -> None:
    async with scene(database_url) as it:
        before = datetime.now(UTC)
        first = await it.synced(OF_EACH_KIND)
        second = await it.synced(OF_EACH_KIND)

        assert first.delta_counts == DeltaCounts(added=4)
        assert second.delta_counts == DeltaCounts()
        assert not second.delta_counts
        assert first.gateway == it.gateway.url
        assert first.calls == 1
        assert 0 < first.seconds < 30
        assert list(first.contacts) == list(OF_EACH_KIND)
        contacts = await it.store.load(W_ID)
        assert contacts.lists() == OF_EACH_KIND.lists()
        assert before < first.contacts.fetched_at < contacts.fetched_at
        assert contacts.fetched_at == second.contacts.fetched_at
        assert [line.change for line in await log(it.store)] == [ChangeKind.ADDED] * 4
        assert {line.at for line in await log(it.store)} == {first.contacts.fetched_at}


async def test_what_came_went_and_changed_is_counted_as_contact_sets_count_it(
    database_url: str,
) -> None:
    # Without the guard, as the last official account is among those that go.
    async with scene(database_url, max_shrink=1) as it:
        older = await it.synced(OF_EACH_KIND)
        newer = await it.synced(CHANGED)

        delta = newer.contacts.delta_since(older.contacts)
        counts = (len(delta.added), len(delta.removed), len(delta.changed))
        assert newer.delta_counts == DeltaCounts(*counts) == DeltaCounts(1, 2, 2)
        assert versions(await it.store.load(W_ID)) == versions(CHANGED)
        lines = {line.user_name: line for line in (await log(it.store))[4:]}
        assert lines["wxid_1"].fields == ("alias_name", "nick_name", "city")
        assert lines["1@chatroom"].fields == ("kind",)
        assert lines["wxid_3"].change is ChangeKind.ADDED
        assert {lines[name].change for name in ("gh_1", "wxid_2")} == {ChangeKind.REMOVED}
        assert await replayed(it.store) == await loaded(it.store)


async def test_a_contact_that_comes_back_is_added_again(database_url: str) -> None:
    async with scene(database_url) as it:
        for names in ("ab", "a", "ab"):
            await it.sync(friends(*names))

        kinds = [line.change for line in await log(it.store) if line.user_name == "b"]
        assert kinds == [ChangeKind.ADDED, ChangeKind.REMOVED, ChangeKind.ADDED]
        assert await replayed(it.store) == await loaded(it.store)


async def test_instances_of_one_batch_are_kept_apart(database_url: str) -> None:
    sets = [friends(*range(i), "shared", w_id=f"w{i}") for i in range(30)]
    async with scene(database_url) as it:
        results = await it.all_synced(*sets)
        assert {w_id: result.delta_counts.added for w_id, result in results.items()} == {
            f"w{i}": i + 1 for i in range(30)
        }
        again = await it.all_synced(*[friends("shared", w_id=contacts.w_id) for contacts in sets])

        removed = {w_id: result.delta_counts.removed for w_id, result in again.items()}
        assert removed == {f"w{i}": i if i < 20 - 1 else 0 for i in range(30)}
        assert [c.w_id async for c in it.store.load_all()] == sorted(f"w{i}" for i in range(30))


async def test_what_was_never_synced_cannot_be_loaded(database_url: str) -> None:
    async with scene(database_url) as it:
        await it.sync()
        with pytest.raises(NotSyncedError, match="^wId 'w': no contacts are stored. Sync it first"):
            await it.store.load(W_ID)
        await sync(it.store, it.pool, [W_ID])  # the gateway does not know it
        with pytest.raises(LookupError):
            await it.store.load(W_ID)
        assert await loaded(it.store) == {}


async def test_an_instance_without_contacts_is_synced(database_url: str) -> None:
    async with scene(database_url) as it:
        assert (await it.synced(ContactSet(W_ID))).delta_counts == DeltaCounts()
        assert len(await it.store.load(W_ID)) == 0
        assert (await instances(it.store))[W_ID].contacts == 0


async def test_a_failure_is_given_and_written_down_and_leaves_the_contacts(
    database_url: str,
) -> None:
    async with scene(database_url) as it:
        synced = await it.synced(OF_EACH_KIND)
        async with ContactStore(database_url) as other:
            await it.gateway.go_down()
            failed = (await sync(other, it.pool, [W_ID]))[W_ID]
            await it.gateway.come_back()

        assert isinstance(failed, Failed)
        known = (await instances(it.store))[W_ID]
        assert known.outcome == type(failed.error).__name__
        assert known.synced_at == synced.contacts.fetched_at < known.tried_at
        assert (known.contacts, known.suspicion) == (4, None)
        assert versions(await it.store.load(W_ID)) == versions(OF_EACH_KIND)

        failed = (await sync(it.store, it.pool, ["unknown"]))["unknown"]
        assert isinstance(failed, Failed)
        assert isinstance(failed.error, GatewayRefusedError)
        known = (await instances(it.store))["unknown"]
        assert (known.outcome, known.synced_at, known.contacts) == (
            "GatewayRefusedError",
            None,
            None,
        )
        assert (known.gateway, known.calls) == (it.gateway.url, 1)


async def test_a_w_id_that_is_asked_for_twice_is_given_twice(database_url: str) -> None:
    async with scene(database_url) as it:
        it.gateway.give(OF_EACH_KIND)
        async with it.store.sync(it.pool, [W_ID, W_ID, W_ID]) as results:
            given = [result async for result in results]

        assert [type(result) for result in given] == [Synced] * 3
        assert sum(r.delta_counts.added for r in given if isinstance(r, Synced)) == 4
        assert await replayed(it.store) == await loaded(it.store)


async def test_changes_can_be_asked_for_by_time_and_instance(database_url: str) -> None:
    async with scene(database_url) as it:
        for names in ("a", "ab", "b"):
            results = await it.all_synced(friends(*names), friends(*names, w_id="other"))
            last = results[W_ID].contacts.fetched_at
        assert len(await log(it.store)) == 6
        assert [line.user_name for line in await log(it.store, w_id=W_ID)] == ["a", "b", "a"]
        assert await log(it.store, w_id="nobody") == []
        since = await log(it.store, w_id=W_ID, since=last)
        assert [(line.user_name, line.change) for line in since] == [("a", ChangeKind.REMOVED)]
        assert await log(it.store, since=last + timedelta(hours=1)) == []
        elsewhere = last.astimezone(tz=None)
        assert await log(it.store, w_id=W_ID, since=elsewhere) == since
        for wrong in (datetime(2025, 1, 1), "2025-01-01"):  # noqa: DTZ001  # that is what is wrong
            with pytest.raises(InvalidArgumentError, match="^since must be an aware datetime"):
                it.store.changes(since=wrong)  # type: ignore[arg-type]


async def test_more_than_a_page_is_read_whole(database_url: str) -> None:
    """Of one instance, and of instances with few."""
    size = 10_001
    many = friends(*(f"{number:05}" for number in range(size)))
    async with scene(database_url) as it:
        await it.synced(many)
        few = [friends(w_id=f"few{number:04}") for number in range(1000)]
        await it.sync(*few, friends("x", w_id="z"))

        assert versions(await it.store.load(W_ID)) == versions(many)
        assert len(await log(it.store)) == size + 1
        assert len(await instances(it.store)) == 1002
        sizes = {contacts.w_id: len(contacts) async for contacts in it.store.load_all()}
        assert sizes == {W_ID: size, "z": 1} | {contacts.w_id: 0 for contacts in few}


async def test_the_fields_of_a_subclass_are_not_stored(database_url: str) -> None:
    class Remarked(Contact, frozen=True):
        remark_name: str | None = None

    async with (
        GivenGateway() as gateway,
        SessionPool(gateway.url, contact_type=Remarked) as pool,
        ContactStore(database_url) as store,
    ):
        gateway.give(ContactSet(W_ID, friends=(Remarked("a", remark_name="x"),)))
        async with store.sync(pool, [W_ID]) as results:
            (synced,) = [result async for result in results]

        assert isinstance(synced, Synced)
        assert synced.contacts.friends == (Remarked("a", remark_name="x"),)
        assert (await store.load(W_ID)).friends == (Contact("a"),)
