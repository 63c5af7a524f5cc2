"""Whatever text and numbers a gateway answers with, they are kept as they are, or refused alone."""

import random
from typing import Any

import pytest

from tests.syncing import (
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
from wxcontacts_async import Contact, ContactSet, Failed, InvalidArgumentError, Sex
from wxcontacts_async.contacts import ContactKind, RejectedContact
from wxcontacts_async.store import DeltaCounts, StoreError, Synced

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


def too_large() -> ContactSet[Contact]:
    return ContactSet(
        "bad",
        rejected=(RejectedContact(ContactKind.FRIEND, b'{"userName":"a","sex":%d}' % 2**63, ""),),
    )


@pytest.mark.parametrize(
    ("bad", "kind", "message"),
    [
        (friends("x", LONG, w_id="bad"), StoreError, "a user_name of 30,000 bytes"),
        (friends("x" * 1001, w_id="bad"), StoreError, "a key has at most 1,000"),
        (too_large(), InvalidArgumentError, "sex"),
    ],
    ids=["long", "too-long-by-one", "large-sex"],
)
async def test_what_cannot_be_stored_fails_alone(
    database_url: str,
    bad: ContactSet[Any],
    kind: type[Exception],
    message: str,
) -> None:
    good = [friends("a", "b", w_id=f"good{i}") for i in range(3)]
    async with scene(database_url) as it:
        await it.sync(friends("before", w_id="bad"))
        results = await it.sync(good[0], good[1], bad, good[2])

        failed = results.pop("bad")
        assert isinstance(failed, Failed), failed
        assert type(failed.error) is kind
        assert message in str(failed.error)
        assert len(str(failed.error)) < 500
        assert {type(result) for result in results.values()} == {Synced}
        known = (await instances(it.store))["bad"]
        assert known.outcome == kind.__name__
        assert (known.gateway, known.calls, known.contacts) == (it.gateway.url, 1, 1)
        assert list(await it.store.load("bad")) == [Contact("before")]
        assert await replayed(it.store) == await loaded(it.store)


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
