"""A contact set as a collection, and what became of it since the last time."""

import copy
import gc
import pickle
from collections.abc import Iterator
from datetime import UTC, datetime
from time import thread_time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxcontacts_async import (
    Contact,
    ContactDelta,
    ContactKind,
    ContactSet,
    DirectoryEntry,
    Fetched,
    FlawedContact,
    InvalidArgumentError,
    RejectedContact,
    Sex,
    merge_contact_sets,
)
from wxcontacts_async.contacts import merging

names = st.sampled_from("abcdefgh")
texts = st.none() | st.sampled_from(["", "x", "y", "名字🌸"])
contacts = st.builds(Contact, names, texts, texts, sex=st.sampled_from(Sex), city=texts)
lists = st.lists(contacts, max_size=8).map(tuple)
contact_sets = st.builds(ContactSet, st.just("w"), lists, lists, lists)


def first_wins(contact_set: ContactSet) -> dict[str, tuple[ContactKind, Contact]]:
    """Say over again, slowly, what merging means."""
    merged: dict[str, tuple[ContactKind, Contact]] = {}
    for kind, members in contact_set.lists():
        for contact in members:
            if contact.user_name not in merged:
                merged[contact.user_name] = (kind, contact)
                continue
            first_kind, first = merged[contact.user_name]
            values = {
                field: getattr(contact if getattr(first, field) in (None, "", 0) else first, field)
                for field in Contact.__struct_fields__
            }
            for field, value in values.items():
                if value in (None, "", 0):
                    values[field] = getattr(first, field)
            merged[contact.user_name] = (first_kind, Contact(**values))
    return merged


@given(contact_sets)
def test_one_user_name_stands_once_and_the_first_list_wins(contact_set: ContactSet) -> None:
    expected = first_wins(contact_set)
    assert len(contact_set) == len(expected)
    assert list(contact_set.items()) == list(expected.values())
    assert list(contact_set) == [contact for _, contact in expected.values()]
    for name, (kind, contact) in expected.items():
        assert name in contact_set
        assert contact_set[name] == contact_set.get(name) == contact
        assert contact_set.kind_of(name) is kind


def test_what_the_first_leaves_open_is_filled_from_the_later_ones() -> None:
    contact_set = ContactSet(
        "w",
        official_accounts=(Contact("a", nick_name="甲", city=""),),
        friends=(Contact("a", nick_name="乙", sex=Sex.MALE), Contact("a", city="成都")),
    )
    assert list(contact_set) == [Contact("a", nick_name="甲", sex=Sex.MALE, city="成都")]
    assert contact_set.kind_of("a") is ContactKind.OFFICIAL_ACCOUNT
    assert contact_set.friends[0].nick_name == "乙"


def test_who_is_not_there_is_not_found() -> None:
    contact_set = ContactSet("w", friends=(Contact("a"),))
    assert "b" not in contact_set
    assert 1 not in contact_set
    assert contact_set.get("b") is None
    assert contact_set.get("b", "nobody") == "nobody"
    for lookup in (contact_set.__getitem__, contact_set.kind_of):
        with pytest.raises(KeyError):
            lookup("b")


def test_the_merged_index_is_made_when_it_is_first_asked_for() -> None:
    contact_set = ContactSet("w", friends=(Contact("a"),))
    assert contact_set.__dict__ == {}
    assert len(contact_set) == 1
    assert contact_set.__dict__ != {}


@given(contact_sets)
def test_merged_in_steps_it_is_the_same(contact_set: ContactSet) -> None:
    in_steps = copy.deepcopy(contact_set)
    for _ in merging(in_steps):
        assert in_steps.__dict__ == {}
    assert in_steps.__dict__ != {}
    assert list(in_steps.items()) == list(first_wins(contact_set).values())
    assert list(merging(in_steps)) == []


@given(lists)
def test_a_name_that_stands_twice_may_be_far_from_its_first_place(members: tuple[Contact]) -> None:
    others = tuple(Contact(f"wxid_{number}") for number in range(6_000))
    contact_set = ContactSet("w", members, members + others + members, others[::-1])
    assert list(contact_set.items()) == list(first_wins(contact_set).values())


@given(contact_sets)
def test_the_merged_contacts_are_a_view(contact_set: ContactSet) -> None:
    items, expected = contact_set.items(), list(first_wins(contact_set).values())
    assert len(items) == len(expected)
    assert list(reversed(items)) == expected[::-1]  # type: ignore[call-overload]  # as of a dict
    assert all(entry in items for entry in expected)
    assert ("friend", Contact("nobody")) not in items
    assert "秘密" not in repr(ContactSet("w", friends=(Contact("秘密"),)).items())


@pytest.mark.parametrize("share", [1, 2], ids=["each once", "each twice"])
def test_no_step_of_merging_takes_long_beside_the_whole(share: int) -> None:
    friends = tuple(Contact(f"wxid_{number}", city=f"{number}") for number in range(60_000))
    contact_set = ContactSet("w", friends=friends, groups=friends if share == 2 else ())
    took = list(_each_step(merging(contact_set)))
    assert len(took) > 20
    assert max(took) < sum(took) / 4


def _each_step(steps: Iterator[None]) -> Iterator[float]:
    """Take each step; give the seconds of the processor that it took."""
    gc.collect()
    begun = thread_time()
    for _ in steps:
        yield thread_time() - begun
        begun = thread_time()


def test_a_merged_set_has_nothing_more_for_the_garbage_collector() -> None:
    contact_set = ContactSet("w", friends=tuple(Contact(str(number)) for number in range(10_000)))
    gc.collect()
    before = len(gc.get_objects())
    assert len(contact_set) == 10_000
    assert len(gc.get_objects()) < before + 100


def test_contacts_are_not_tracked_by_the_garbage_collector() -> None:
    assert not gc.is_tracked(Contact("a", nick_name="x"))


def test_a_contact_set_encodes_with_the_documents_key_names() -> None:
    fetched_at = datetime(2026, 3, 1, tzinfo=UTC)
    contact_set = ContactSet(
        "w1",
        (),
        (Contact("wxid_a", sex=Sex.FEMALE),),
        (),
        (RejectedContact(ContactKind.GROUP, b"{}", "no userName"),),
        fetched_at,
    )
    assert msgspec.to_builtins(contact_set) == {
        "wId": "w1",
        "public": (),
        "friend": (
            {
                "userName": "wxid_a",
                "aliasName": None,
                "nickName": None,
                "bigHead": None,
                "smallHead": None,
                "sex": 2,
                "signature": None,
                "country": None,
                "province": None,
                "city": None,
            },
        ),
        "group": (),
        "rejected": ({"kind": "group", "raw": "e30=", "error": "no userName"},),
        "fetchedAt": "2026-03-01T00:00:00Z",
        "flawed": (),
    }


@given(contact_sets)
def test_a_contact_set_comes_back_from_json_and_pickle_as_it_was(contact_set: ContactSet) -> None:
    encoded = msgspec.json.encode(contact_set)
    assert msgspec.json.decode(encoded, type=ContactSet[Contact]) == contact_set
    assert pickle.loads(pickle.dumps(contact_set)) == contact_set  # noqa: S301  # our own bytes
    assert copy.deepcopy(contact_set) == contact_set


class MyContact(Contact, frozen=True):
    remark_name: str | None = None


_SET = ContactSet(
    "w",
    friends=(Contact("a", sex=Sex(7)), Contact("b")),
    rejected=(RejectedContact(ContactKind.GROUP, b"\xff{", "why"),),
    flawed=(FlawedContact(ContactKind.FRIEND, "b", ("city",), b'{"userName":"b","city":NaN}'),),
)
_MY_SET = ContactSet("w", friends=(MyContact("a", remark_name="x"),))


@pytest.mark.parametrize(
    ("kept", "type_"),
    [
        (_SET, ContactSet),
        (_MY_SET, ContactSet[MyContact]),
        (_SET.delta_since(ContactSet("w")), ContactDelta),
        (_MY_SET.delta_since(ContactSet("w")), ContactDelta[MyContact]),
        (Fetched("w", "east", _SET, 1, 0.0, 0.1, 99), Fetched),
        (Fetched("w", "east", _MY_SET, 1, 0.0, 0.1, 99), Fetched[MyContact]),
        (merge_contact_sets([_SET])["a"], DirectoryEntry),
        (dict(merge_contact_sets([_SET])), dict[str, DirectoryEntry]),
    ],
)
def test_what_has_contacts_comes_back_from_json_with_contacts(
    kept: object,
    type_: type[object],
) -> None:
    """The bare name means `Contact`, as it does for a type checker."""
    assert msgspec.json.decode(msgspec.json.encode(kept), type=type_) == kept
    assert msgspec.convert(msgspec.to_builtins(kept), type_) == kept


def test_a_sex_that_the_document_does_not_list_is_kept() -> None:
    assert Sex(7) == 7
    assert msgspec.json.encode(Contact("a", sex=Sex(7))).endswith(
        b'"sex":7,"signature":null,"country":null,"province":null,"city":null}',
    )
    assert pickle.loads(pickle.dumps(Sex(7))) == 7  # noqa: S301  # our own bytes
    with pytest.raises(ValueError, match="is not a valid Sex"):
        Sex("x")  # type: ignore[arg-type]


def test_a_contact_set_shows_its_numbers_and_no_contact() -> None:
    contact_set = ContactSet(
        "w1",
        friends=(Contact("wxid_secret", nick_name="秘密"),),
        rejected=(RejectedContact(ContactKind.GROUP, b'{"userName":1,"city":"x"}', "why"),),
    )
    assert repr(contact_set) == (
        "ContactSet(w_id='w1', 0 official accounts, 1 friends, 0 groups, 1 rejected)"
    )
    assert repr(contact_set.rejected[0]) == (
        "RejectedContact(kind='group', raw=<25 bytes>, error='why')"
    )


@given(contact_sets, contact_sets)
def test_a_delta_says_what_came_went_and_changed(older: ContactSet, newer: ContactSet) -> None:
    before = {contact.user_name: (kind, contact) for kind, contact in older.items()}
    after = {contact.user_name: (kind, contact) for kind, contact in newer.items()}
    delta = newer.delta_since(older)
    assert {c.user_name for c in delta.added} == after.keys() - before.keys()
    assert {c.user_name for c in delta.removed} == before.keys() - after.keys()
    assert {old.user_name for old, _ in delta.changed} == {
        name for name in before.keys() & after.keys() if before[name] != after[name]
    }
    assert all(
        (old, new) == (older[old.user_name], newer[old.user_name]) for old, new in delta.changed
    )
    assert bool(delta) is (before != after)


def test_a_contact_that_only_could_not_be_read_is_not_removed() -> None:
    older = ContactSet("w", friends=(Contact("a"), Contact("b")))
    newer = ContactSet(
        "w",
        rejected=(
            RejectedContact(ContactKind.FRIEND, b'{"userName":"a","city":{}}', "why"),
            RejectedContact(ContactKind.GROUP, b"[[[", "why"),
        ),
    )
    assert [contact.user_name for contact in newer.delta_since(older).removed] == ["b"]


def test_where_a_name_cannot_be_read_nobody_of_that_kind_is_removed() -> None:
    older = ContactSet("w", friends=(Contact("a"),), groups=(Contact("g"),))
    newer = ContactSet("w", rejected=(RejectedContact(ContactKind.FRIEND, b"{}", "why"),))
    assert [contact.user_name for contact in newer.delta_since(older).removed] == ["g"]


def test_a_delta_is_between_two_sets_of_one_instance() -> None:
    with pytest.raises(InvalidArgumentError, match="^older must be a ContactSet of the same w_id"):
        ContactSet("w").delta_since(ContactSet("v"))
    with pytest.raises(InvalidArgumentError, match="^older must be"):
        ContactSet("w").delta_since(None)  # type: ignore[arg-type]
