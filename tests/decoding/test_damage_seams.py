"""Contacts and lists that damage has left open: what stands beside them is kept."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.decoding import populations, ready, reply_of, written


@given(populations.filter(len), st.data())
def test_a_contact_of_which_some_is_cut_out_costs_no_other(
    people: list[dict[str, Any]],
    data: st.DataObject,
) -> None:
    contacts = [written(one) for one in people]
    untouched = ready(reply_of(*contacts)).friends
    index = data.draw(st.integers(0, len(people) - 1))
    begin = data.draw(st.integers(0, len(contacts[index]) - 1))
    end = data.draw(st.integers(begin + 1, len(contacts[index])))
    contacts[index] = contacts[index][:begin] + contacts[index][end:]
    kept = (*untouched[:index], *untouched[index + 1 :])
    found = ready(reply_of(*filter(None, contacts))).friends
    assert tuple(one for one in found if one in kept) == kept


@pytest.mark.parametrize(
    "damaged",
    [
        b'{"userName":"x","nickName":"no quote}, null, {}',
        b'{"userName":"x","nickName":"no quote}, 7',
        b'{"userName":"x","nickName":"no quote}, []',
        b'{"userName":"x","nickName":"no quote, nor brace',
        b'{"userName":"x","nickName":"half an escape \\u12',
        b'{"userName":"x","nick',
        b'{"userName":"x","deep":{"a":{"b":1}',
        b'{"userName":"x","deep":[{"a":1},{"b":2}',
        b'{"userName":"x","deep":[1,[2',
        b'{"userName":"x","city":"]},"a"},{"b"}',
        b'{"userName":"x","city":"a"]}',
        b"",
        b"}",
        b"]",
        b'"',
        b"{",
        b"7",
    ],
)
def test_what_is_not_closed_ends_before_the_next_contact_and_before_the_next_list(
    damaged: bytes,
) -> None:
    a, b, c = (b'{"userName":"%b","city":"}]}},{"}' % name for name in (b"a", b"b", b"c"))
    for tail in (b"", b',"message":"ok"'):
        body = b'{"code":1000,"data":{"public":[%b, %b, %b, %b],"group":[%b, %b]}%b}' % (
            *(a, damaged, b, damaged),
            *(c, damaged, tail),
        )
        reply = ready(body)
        assert [one.user_name for one in reply.official_accounts] == ["a", "b"]
        assert [one.user_name for one in reply.groups] == ["c"]
        assert {one.city for one in (*reply.official_accounts, *reply.groups)} == {"}]}},{"}


@pytest.mark.parametrize("between", [b"", b" ", b",,", b" , , ", b"}, ", b"], ", b",null,,7,"])
def test_contacts_are_parted_by_what_is_left_of_a_comma(between: bytes) -> None:
    contacts = [b'{"userName":"%d","city":"}"}' % i for i in range(9)]
    reply = ready(reply_of(between.join(contacts), b'{"userName":"a\\ud83d"}'))
    assert [one.user_name for one in reply.friends] == [*"012345678", "a\ufffd"]


def test_an_object_in_a_contact_is_no_contact() -> None:
    member = b'{"userName":"member"}'
    whole = b'{"userName":"room","members":[%b,%b],"owner":%b}' % (member, member, member)
    reply = ready(reply_of(whole, b'{"userName":"no quote}, 7', whole))
    assert [one.user_name for one in reply.friends] == ["room", "room"]
