"""By their fingerprints it is told which contacts have come, differ or gone."""

from typing import Any

import anyio
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.loops import on_asyncio
from tests.support.one_call import ONCE
from tests.support.syncing import (
    W_ID,
    GivenGateway,
    all_synced,
    friends,
    instances,
    loaded,
    log,
    scene,
    sync,
    versions,
)
from wxcontacts_async import (
    Contact,
    ContactKind,
    ContactSet,
    Failed,
    RejectedContact,
    SessionPool,
    Sex,
)
from wxcontacts_async.store import ContactStore, DeltaCounts, Synced
from wxcontacts_async.store._database.connection import Connection
from wxcontacts_async.store._database.dialect import Dialect
from wxcontacts_async.store._database.postgresql import POSTGRESQL
from wxcontacts_async.store._database.sqlite import SQLITE
from wxcontacts_async.store._database.url import read_address
from wxcontacts_async.store._merging.comparison import Comparison
from wxcontacts_async.store._merging.fingerprints import (
    Fingerprinted,
    fingerprinted,
    read_fingerprints,
    write_fingerprints,
)
from wxcontacts_async.store._tabular.columns import FIELDS

CONTACTS = st.lists(
    st.builds(
        Contact,
        st.sampled_from(["a", "b", "c", "d", "e\0", "e\N{REPLACEMENT CHARACTER}"]),
        nick_name=st.sampled_from([None, "", "王伟"]),
        city=st.sampled_from([None, "深圳"]),
        sex=st.sampled_from(Sex),
    ),
    max_size=4,
).map(tuple)
REJECTED = st.builds(
    RejectedContact,
    st.sampled_from(ContactKind),
    st.sampled_from([b"{}", b'{"userName":"a"}', b'{"userName":"e\\u0000"}']),
    st.just("?"),
)
SETS = st.builds(
    ContactSet,
    st.just(W_ID),
    CONTACTS,
    CONTACTS,
    CONTACTS,
    st.lists(REJECTED, max_size=2).map(tuple),
)
DIALECTS = st.sampled_from([SQLITE, POSTGRESQL])


def made(contacts: ContactSet, dialect: Dialect = SQLITE) -> Fingerprinted:
    return anyio.run(fingerprinted, contacts, dialect)


def as_stored(contacts: ContactSet, dialect: Dialect) -> dict[str, tuple[ContactKind, Contact]]:
    """Say what a database would hold of a set, the slow way."""
    stored: dict[str, tuple[ContactKind, Contact]] = {}
    for kind, contact in contacts.items():
        name = contact.user_name if dialect is SQLITE else contact.user_name.replace("\0", "\ufffd")
        stored.setdefault(name, (kind, contact))
    return stored


@given(SETS, SETS, DIALECTS)
def test_they_tell_the_same_as_the_contacts(
    first: ContactSet, second: ContactSet, dialect: Dialect
) -> None:
    before, now = as_stored(first, dialect), as_stored(second, dialect)
    known = Comparison(made(first, dialect), {}, dialect).after(set())
    assert known.keys() == before.keys()
    known = read_fingerprints(write_fingerprints(known))

    it = Comparison(made(second, dialect), known, dialect)
    differing = as_stored(it.differing(), dialect)
    assert differing == {name: its for name, its in now.items() if before.get(name) != its}
    unreadable = {rejected.user_name for rejected in second.rejected}
    nameless = {rejected.kind for rejected in second.rejected if rejected.user_name is None}
    if dialect is POSTGRESQL:
        unreadable = {name and name.replace("\0", "\ufffd") for name in unreadable}
    gone = {
        name
        for name, (kind, _) in before.items()
        if name not in now and name not in unreadable and kind not in nameless
    }
    assert it.gone == gone

    for removed in (gone, set()):  # if it is not believed, nobody is removed
        after = it.after(removed)
        assert after.keys() == (before.keys() | now.keys()) - removed
        assert not Comparison(made(second, dialect), after, dialect).differing()
        assert all(after[name] == known[name] for name in after if name not in now)


@pytest.mark.parametrize("field", FIELDS[1:])
def test_each_field_and_the_kind_make_a_difference(field: str) -> None:
    values: dict[str, Any] = dict.fromkeys(FIELDS[1:], "1") | {"sex": Sex.MALE}
    old = Contact("wxid_1", **values)
    new = msgspec.structs.replace(old, **{field: Sex.FEMALE if field == "sex" else ""})
    known = Comparison(made(ContactSet(W_ID, friends=(old,))), {}, SQLITE).after(set())
    changed = ContactSet(W_ID, friends=(new,))
    assert Comparison(made(changed), known, SQLITE).differing().friends == (new,)
    moved = ContactSet(W_ID, groups=(old,))
    assert Comparison(made(moved), known, SQLITE).differing().groups == (old,)


@given(SETS)
def test_a_digest_is_the_same_only_for_the_same_contacts_all_readable(contacts: ContactSet) -> None:
    readable = msgspec.structs.replace(contacts, rejected=())
    digest = made(contacts).digest
    assert digest == (None if contacts.rejected else made(readable).digest)
    other = msgspec.structs.replace(readable, friends=(*readable.friends, Contact("another")))
    assert made(other).digest != made(readable).digest


@on_asyncio
async def test_a_large_set_leaves_room_for_other_tasks() -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await anyio.lowlevel.checkpoint()
            ticks += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tick)
        await fingerprinted(friends(*range(10_000)), SQLITE)
        tasks.cancel_scope.cancel()
    assert ticks >= 10  # never more than 1,000 contacts between two of them


@on_asyncio
async def test_contacts_in_another_order_are_the_same(database_url: str) -> None:
    async with scene(database_url) as it:
        await it.synced(friends(*range(50)))
        assert (await it.synced(friends(*reversed(range(50))))).delta_counts == DeltaCounts()
        assert len(await log(it.store)) == 50


@on_asyncio
@pytest.mark.parametrize(
    "lost",
    [
        "DELETE FROM contact_fingerprints",
        "DELETE FROM contacts WHERE user_name = '7'",
        "DELETE FROM contacts",
    ],
)
async def test_where_they_do_not_fit_the_contacts_are_compared(
    database_url: str,
    lost: str,
) -> None:
    old = friends(*range(30))
    new = ContactSet(W_ID, friends=(*old.friends[1:20], Contact("20", city="深圳"), Contact("x")))
    async with scene(database_url) as it:
        await it.synced(old)
        connection = Connection(read_address(database_url), 10)
        connection.execute(lost)
        kept = {name for (name,) in connection.rows("SELECT user_name FROM contacts")}
        seen_first = dict(
            connection.rows("SELECT user_name, CAST(last_changed AS TEXT) FROM contacts")
        )
        connection.close()

        synced = await it.synced(new)
        assert await loaded(it.store) == {W_ID: versions(new)}
        assert synced.delta_counts == DeltaCounts(
            added=sum(contact.user_name not in kept for contact in new),
            removed=len(kept - {contact.user_name for contact in new}),
            changed=int("20" in kept),
        )
        connection = Connection(read_address(database_url), 10)
        last_changed = dict(
            connection.rows("SELECT user_name, CAST(last_changed AS TEXT) FROM contacts"),
        )
        connection.close()
        same = [contact.user_name for contact in new.friends[:19] if contact.user_name in kept]
        assert [last_changed[name] for name in same] == [seen_first[name] for name in same]
        assert (await it.synced(new)).delta_counts == DeltaCounts()


@on_asyncio
async def test_contacts_that_an_older_version_has_written_meanwhile_are_compared(
    database_url: str,
) -> None:
    contacts = friends(*range(30))
    async with scene(database_url) as it:
        await it.synced(contacts)
        connection = Connection(read_address(database_url), 10)
        connection.execute("UPDATE contacts SET city = '深圳'")
        connection.execute("UPDATE instances SET digest = 'of a kind of its own'")
        connection.close()
        assert (await it.synced(contacts)).delta_counts == DeltaCounts(changed=30)
        assert await loaded(it.store) == {W_ID: versions(contacts)}
        assert (await it.synced(contacts)).delta_counts == DeltaCounts()


class _Numbered(Contact, frozen=True):
    number: int = 0


class _Unencodable(Contact, frozen=True):
    remark: object = None

    def __post_init__(self) -> None:
        if self.user_name == "odd":
            msgspec.structs.force_setattr(self, "remark", object())


@on_asyncio
async def test_numbers_may_be_of_any_size(database_url: str) -> None:
    sizes = [2**64, 2**64 + 1, 0]
    others = friends("a", "b", w_id="others")
    async with GivenGateway() as gateway, ContactStore(database_url) as store:
        gateway.give(friends(w_id="odd"))
        for size in sizes:
            gateway.give(
                ContactSet(W_ID, friends=(*friends("a").friends, _Numbered("b", number=size))),
            )
            async with SessionPool(gateway.url, retry=ONCE, contact_type=_Numbered) as pool:
                synced = all_synced(await sync(store, pool, [W_ID]))[W_ID]
            assert msgspec.structs.asdict(synced.contacts["b"])["number"] == size
        assert len(await log(store)) == 2  # what the document does not have is not stored

        gateway.give(others)
        gateway.give(ContactSet("odd", friends=(Contact("c", sex=Sex(2**64)),)))
        async with SessionPool(gateway.url, retry=ONCE) as pool:
            results = await sync(store, pool, ["odd", "others"])
        assert isinstance(results["others"], Synced)
        odd = results["odd"]
        assert isinstance(odd, Synced)
        assert [rejected.user_name for rejected in odd.contacts.rejected] == ["c"]


@on_asyncio
async def test_what_cannot_be_encoded_fails_alone(database_url: str) -> None:
    async with (
        GivenGateway() as gateway,
        SessionPool(gateway.url, retry=ONCE, contact_type=_Unencodable) as pool,
        ContactStore(database_url) as store,
    ):
        gateway.give(friends("odd", w_id="w1"))
        gateway.give(friends("a", w_id="w2"))
        results = await sync(store, pool, ["w1", "w2"])
        assert isinstance(results["w2"], Synced)
        failed = results["w1"]
        assert isinstance(failed, Failed)
        assert failed.calls == 1
        known = await instances(store)
        assert known["w1"].outcome == type(failed.error).__name__
