"""Whatever text and numbers a gateway answers with, they are kept as they are, or refused alone."""

import json
import random
from typing import Any

import msgspec
import pytest

from tests.support.syncing import (
    W_ID,
    friends,
    instances,
    loaded,
    log,
    replayed,
    scene,
    sync,
    versions,
)
from wxcontacts_async import Contact, ContactSet, Failed, Sex
from wxcontacts_async.contacts import ContactKind, RejectedContact
from wxcontacts_async.store import DeltaCounts, Synced
from wxcontacts_async.store._database.sqlite import SQLITE
from wxcontacts_async.store._merging.fingerprints import fingerprinted

TEXTS = (
    "王伟🌸👨\N{ZERO WIDTH JOINER}👩\N{ZERO WIDTH JOINER}👧",
    "'; DROP TABLE contacts; --",
    "$1 ? :name %s {} \\ \\' \\u0000 \"",
    "null",
    "{}",
    '{"kind": "friend"}',
    " leading, trailing ",
    "\t\r\n\x01\x1f\x7f\x85\N{LINE SEPARATOR}",
    "\N{BYTE ORDER MARK}\N{RIGHT-TO-LEFT OVERRIDE}\uffff\U0010ffff",
    "e\N{COMBINING ACUTE ACCENT}",
    "é",
    "0",
    "1e3",
    "A",
    "a",
)
HIGHEST = 2**63 - 1
LONG = "长" * 10_000
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# The database does the same on any loop, so asyncio's will do.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])


def strange(text: str, user_name: str) -> Contact:
    """Return a contact with that text in each of its fields."""
    return Contact(user_name, text, text, text, text, Sex.MALE, text, text, text, text)


async def test_any_text_is_kept_as_it_is(database_url: str) -> None:
    contacts = ContactSet(W_ID, friends=tuple(strange(text, text) for text in TEXTS))
    async with scene(database_url) as it:
        await it.synced(contacts)
        assert versions(await it.store.load(W_ID)) == versions(contacts)
        assert await replayed(it.store) == await loaded(it.store)
        assert (await it.synced(contacts)).delta_counts == DeltaCounts()

        turned = ContactSet(
            W_ID,
            friends=tuple(
                strange(other, text) for text, other in zip(TEXTS, reversed(TEXTS), strict=True)
            ),
        )
        middle = 1  # of an odd number, one is as it was
        assert (await it.synced(turned)).delta_counts == DeltaCounts(changed=len(TEXTS) - middle)
        assert versions(await it.store.load(W_ID)) == versions(turned)
        assert await replayed(it.store) == await loaded(it.store)


def as_w_id(text: str) -> str:
    return "w" + "".join(c if c.isprintable() and c != " " else "_" for c in text)


async def test_a_w_id_of_any_text_is_one(database_url: str) -> None:
    sets = [friends("a", w_id=as_w_id(text)) for text in TEXTS]
    async with scene(database_url) as it:
        assert {r.delta_counts.added for r in (await it.all_synced(*sets)).values()} == {1}
        for contacts in sets:
            assert versions(await it.store.load(contacts.w_id)) == versions(contacts)
            (line,) = await log(it.store, w_id=contacts.w_id)
            assert line.w_id == contacts.w_id
        assert set(await instances(it.store)) == {contacts.w_id for contacts in sets}
        assert len([c async for c in it.store.load_all()]) == len(sets)


async def test_null_and_empty_are_not_the_same(database_url: str) -> None:
    async with scene(database_url) as it:
        await it.synced(ContactSet(W_ID, friends=(Contact("a", city=None),)))
        synced = await it.synced(ContactSet(W_ID, friends=(Contact("a", city=""),)))
        assert synced.delta_counts == DeltaCounts(changed=1)
        assert (await it.store.load(W_ID))["a"].city == ""
        await it.synced(ContactSet(W_ID, friends=(Contact("a", city=None),)))
        assert (await it.store.load(W_ID))["a"].city is None
        assert await replayed(it.store) == await loaded(it.store)


async def test_sqlite_keeps_the_character_u0000(sqlite_url: str) -> None:
    contacts = ContactSet(W_ID, friends=(strange("x\0y", "a\0b"), strange("\0", "a\0c")))
    async with scene(sqlite_url) as it:
        assert (await it.synced(contacts)).delta_counts == DeltaCounts(added=2)
        assert versions(await it.store.load(W_ID)) == versions(contacts)
        assert await replayed(it.store) == await loaded(it.store)
        changed = ContactSet(W_ID, friends=(strange("x\0z", "a\0b"), strange("\0", "a\0c")))
        assert (await it.synced(changed)).delta_counts == DeltaCounts(changed=1)
        assert await replayed(it.store) == await loaded(it.store)
        assert [known.w_id async for known in it.store.instances()] == [W_ID]


async def test_postgresql_has_a_replacement_for_the_character_u0000(postgresql_url: str) -> None:
    contacts = ContactSet(W_ID, friends=(strange("x\0y", "a\0b"), strange("z", f"a{REPLACEMENT}b")))
    async with scene(postgresql_url) as it:
        # Two names that have become one are one contact: the first.
        assert (await it.synced(contacts)).delta_counts == DeltaCounts(added=1)
        assert (await it.synced(contacts)).delta_counts == DeltaCounts()
        kept = await it.store.load(W_ID)
        assert kept.w_id == W_ID
        assert kept.friends == (strange(f"x{REPLACEMENT}y", f"a{REPLACEMENT}b"),)
        assert [c.w_id async for c in it.store.load_all()] == [W_ID]
        assert [line.w_id for line in await log(it.store, w_id=W_ID)] == [W_ID]
        assert await replayed(it.store) == await loaded(it.store)


@pytest.mark.parametrize("sex", [HIGHEST, -HIGHEST - 1, 0, 7, -1])
async def test_any_sex_of_64_bits_is_kept(database_url: str, sex: int) -> None:
    contacts = ContactSet(W_ID, friends=(Contact("a", sex=Sex(sex)), Contact("b", sex=Sex.MALE)))
    async with scene(database_url) as it:
        await it.synced(contacts)
        assert (await it.store.load(W_ID))["a"].sex == sex
        assert await replayed(it.store) == await loaded(it.store)


def raw_friend(user_name: str, **more: Any) -> RejectedContact:  # noqa: ANN401  # any JSON
    """Return what stands in a reply's list as it is given."""
    raw = json.dumps({"userName": user_name, **more}).encode()
    return RejectedContact(ContactKind.FRIEND, raw, "")


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (raw_friend(LONG, nickName="hidden"), "userName must have at most 1,000 bytes"),
        (raw_friend("x" * 1001, nickName="hidden"), "userName must have at most 1,000 bytes"),
        (raw_friend("长" * 334, nickName="hidden"), "userName must have at most 1,000 bytes"),
        (raw_friend("before", nickName="hidden", sex=2**63), "sex must be a whole number"),
        (raw_friend("before", nickName="hidden", sex=-(2**63) - 1), "sex must be a whole number"),
        (raw_friend("before", nickName="hidden", sex=2**64), "sex must be a whole number"),
    ],
    ids=["long", "too-long-by-one", "long-in-utf-8", "large-sex", "low-sex", "larger-sex"],
)
async def test_a_contact_that_cannot_be_stored_costs_itself_alone(
    database_url: str,
    bad: RejectedContact,
    error: str,
) -> None:
    before = Contact("before", city="深圳")
    others = friends(*range(700)).friends
    answer = ContactSet(W_ID, friends=(*others, before), rejected=(bad,))
    if bad.user_name == "before":
        answer = ContactSet(W_ID, friends=others, rejected=(bad,))
    async with scene(database_url) as it:
        await it.synced(ContactSet(W_ID, friends=(before,)))
        synced = await it.synced(answer)

        assert synced.delta_counts == DeltaCounts(added=700)
        assert (synced.suspicion, synced.held_back) == (None, 0)
        assert {contact.user_name for contact in await it.store.load(W_ID)} == {
            "before",
            *(contact.user_name for contact in others),
        }
        assert (await it.store.load(W_ID))["before"] == before
        (rejected,) = synced.contacts.rejected
        assert (rejected.kind, rejected.user_name) == (bad.kind, bad.user_name)
        assert msgspec.json.decode(rejected.raw)["nickName"] == "hidden"
        assert error in rejected.error
        assert "hidden" not in rejected.error
        assert len(synced.contacts) == len(answer.friends)
        assert (await instances(it.store))[W_ID].outcome == "synced"
        assert (await it.synced(answer)).delta_counts == DeltaCounts()
        assert await replayed(it.store) == await loaded(it.store)


async def test_text_that_cannot_be_encoded_costs_its_contact_alone() -> None:
    """A contact type may make such text, though the library itself decodes none."""
    odd = Contact("a", nick_name="\ud83d")
    given = ContactSet(W_ID, friends=(odd, Contact("b")), groups=(Contact("\udc00"),))
    made = await fingerprinted(given, SQLITE)
    assert set(made.fingerprints) == {"b"}
    assert made.received.friends == (Contact("b"),)
    errors = [rejected.error for rejected in made.received.rejected]
    assert errors == [
        "cannot be stored: nickName must be valid Unicode text",
        "cannot be stored: userName must be valid Unicode text",
    ]
    assert json.loads(made.received.rejected[0].raw)["nickName"] == "\ud83d"
    assert made.received.rejected[0].user_name == "a"


async def test_a_contact_that_stands_twice_is_kept_as_it_can_be_stored(database_url: str) -> None:
    answer = ContactSet(
        W_ID,
        friends=(Contact("a", nick_name="王伟"),),
        rejected=(
            RejectedContact(ContactKind.OFFICIAL_ACCOUNT, b'{"userName":"a","sex":%d}' % 2**63, ""),
        ),
    )
    async with scene(database_url) as it:
        assert (await it.synced(answer)).delta_counts == DeltaCounts(added=1)
        assert (await it.store.load(W_ID)).friends == answer.friends


async def test_the_longest_keys_fit(database_url: str) -> None:
    """Of letters that no compression makes shorter."""
    rng = random.Random("keys")  # noqa: S311  # guards nothing
    letters = "".join(chr(rng.randrange(0x4E00, 0x9FFF)) for _ in range(666))
    contacts = friends(letters[:333], w_id=letters[333:])
    async with scene(database_url) as it:
        assert (await it.synced(contacts)).delta_counts == DeltaCounts(added=1)
        assert versions(await it.store.load(contacts.w_id)) == versions(contacts)


async def test_a_w_id_that_is_no_key_fails_alone_and_is_not_written_down(
    database_url: str,
) -> None:
    async with scene(database_url) as it:
        it.gateway.give(friends("a"))
        it.gateway.give(friends("a", w_id=LONG))
        results = await sync(it.store, it.pool, [W_ID, " ", "", LONG])

        assert isinstance(results[W_ID], Synced)
        assert isinstance(results[" "], Failed)
        assert isinstance(results[""], Failed)
        failed = results[LONG]
        assert isinstance(failed, Failed)
        assert "the wId is too long for a key of the database" in str(failed.error)
        assert len(str(failed.error)) < 500
        assert set(await instances(it.store)) == {W_ID}


async def test_a_long_text_that_is_no_key_is_kept(database_url: str) -> None:
    contacts = ContactSet(W_ID, friends=(Contact("a", signature=LONG * 100),))
    async with scene(database_url) as it:
        await it.synced(contacts)
        assert versions(await it.store.load(W_ID)) == versions(contacts)
        assert await replayed(it.store) == await loaded(it.store)
