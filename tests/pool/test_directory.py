"""The directory of all instances' contacts."""

from hypothesis import given
from hypothesis import strategies as st

from tests.pool.test_contacts import lists
from wxcontacts_async import (
    Contact,
    ContactKind,
    ContactSet,
    DirectoryEntry,
    Sex,
    merge_contact_sets,
)


def test_a_friend_of_several_instances_stands_once_with_all_of_them() -> None:
    sets = [
        ContactSet("w1", friends=(Contact("a", nick_name="甲"), Contact("b"))),
        ContactSet("w2", friends=(Contact("a", nick_name="乙", sex=Sex.MALE),)),
        ContactSet("w3", groups=(Contact("b", city="成都"),)),
        ContactSet("w1", friends=(Contact("b"),)),
    ]
    directory = merge_contact_sets(sets)
    assert dict(directory) == {
        "a": DirectoryEntry(
            Contact("a", nick_name="甲", sex=Sex.MALE),
            ContactKind.FRIEND,
            ("w1", "w2"),
        ),
        "b": DirectoryEntry(Contact("b", city="成都"), ContactKind.FRIEND, ("w1", "w3")),
    }
    assert repr(directory) == "ContactDirectory(2 contacts)"


def test_the_earlier_kind_wins_over_the_earlier_set() -> None:
    sets = [
        ContactSet("w1", groups=(Contact("a", nick_name="组", city="上海"),)),
        ContactSet("w2", official_accounts=(Contact("a", nick_name="号"),)),
    ]
    assert merge_contact_sets(sets)["a"] == DirectoryEntry(
        Contact("a", nick_name="号", city="上海"),
        ContactKind.OFFICIAL_ACCOUNT,
        ("w1", "w2"),
    )


@given(st.lists(st.builds(ContactSet, st.sampled_from(["w1", "w2", "w3"]), lists, lists, lists)))
def test_the_directory_has_everybody_with_exactly_their_instances(sets: list[ContactSet]) -> None:
    directory = merge_contact_sets(iter(sets))
    assert {name: set(entry.w_ids) for name, entry in directory.items()} == {
        contact.user_name: {other.w_id for other in sets if contact.user_name in other}
        for contact_set in sets
        for contact in contact_set
    }
    assert all(len(set(entry.w_ids)) == len(entry.w_ids) for entry in directory.values())
    ranks = list(ContactKind)
    for name, entry in directory.items():
        kinds = [other.kind_of(name) for other in sets if name in other]
        assert entry.kind is min(kinds, key=ranks.index)
        assert entry.contact.user_name == name
