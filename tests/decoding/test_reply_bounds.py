"""What it costs to look at hostile replies again is bounded, whatever their length."""

import pytest

from tests.decoding.test_damage import GBK
from tests.support.decoding import decoder, ready, reply_of
from wxcontacts_async import ContactKind, RejectedContact, ReplyDecodeError
from wxcontacts_async._json.text import MOST_REPAIRS, TooManyRepairsError, with_sound_strings

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("content_type", ["", GBK])
@pytest.mark.parametrize(
    ("fragment", "of_what"),
    [
        (b'"', "quotes"),
        (b"\\", "backslashes"),
        (b"[", "brackets"),
        (b"{", "brackets"),
        (b'{"":', "brackets|quotes"),
        (b"\t", "control characters"),
        (b"\\ud83d", "surrogates|damaged characters"),
        (b"\\x", "damaged characters|backslashes"),
        (b"\xff", "damaged characters"),
    ],
)
def test_a_reply_with_more_to_look_at_than_contacts_have_is_refused(
    fragment: bytes,
    of_what: str,
    content_type: str,
) -> None:
    # No clock is looked at: how often something is looked at by itself is what is bounded.
    body = reply_of(b'{"userName":"a\t"}', fragment * (9_000_000 // len(fragment)))
    with pytest.raises(ReplyDecodeError, match=rf"a damaged one of more than \d+ ({of_what})\b"):
        decoder.decode(body, content_type)


@pytest.mark.parametrize("damage", [b"\t", b"\\ud83d", b"\\ude00", b"\\x", b"\xff"])
def test_so_much_is_repaired_and_no_more(damage: bytes) -> None:
    assert with_sound_strings(b'"%b"' % (damage * MOST_REPAIRS))
    most = ready(reply_of(*[b'{"userName":"a%b"}' % (damage * 3)] * (MOST_REPAIRS // 3)))
    assert len(most.friends) == MOST_REPAIRS // 3
    # More than a piece, within which what cannot be read is not counted.
    with pytest.raises(TooManyRepairsError, match="more than 300000 damaged characters"):
        with_sound_strings(b'"%b%b"' % (damage * (MOST_REPAIRS + 1), b" " * 2_000_000))


def test_one_contact_with_more_to_repair_than_is_repaired_costs_that_contact_alone() -> None:
    worst = b'{"userName":"a","city":"%b"}' % (b"\xff" * 2_000_000)
    reply = ready(reply_of(b'{"userName":7}', worst, b'{"userName":"b"}'))
    assert [one.user_name for one in reply.friends] == ["b"]
    assert reply.rejected[1].error == "more than 300000 damaged characters"
    assert reply.rejected[1].user_name == "a"


@pytest.mark.parametrize("number", [5, 5_000, 200_000])
def test_members_are_counted_whatever_comes_of_their_contact(number: int) -> None:
    # Read one by one, those of 20 MB take more than ten seconds.
    no_object = b'{"userName":"a","city":NaN,%b 7 8}' % b",".join([b'"":1'] * number)
    reply = ready(reply_of(*[no_object] * min(240_000, 20_000_000 // len(no_object))))
    assert reply.friends == ()
    assert reply.rejected[0].error != reply.rejected[-1].error
    assert reply.rejected[-1].error == "no JSON, as are more than 3000000 members before it"


def test_the_name_of_a_contact_is_found_among_any_number_of_members() -> None:
    many = b",".join([b'"a":{"b":[NaN]}'] * 1_000_000)
    for raw in (b'{"userName":"x",%b}', b'{%b,"userName":"x"}'):
        assert RejectedContact(ContactKind.FRIEND, raw % many, "").user_name == "x"


def test_line_breaks_between_values_and_escapes_that_are_sound_count_as_no_repair() -> None:
    contact = b'{\n"userName":\n"\\u5f20\\/\\ud83d\\ude00"\n}'
    reply = ready(reply_of(b'{"userName":"a\t"}', *[contact] * 150_000))
    assert reply.rejected == ()
    assert len(reply.friends) == 150_001
