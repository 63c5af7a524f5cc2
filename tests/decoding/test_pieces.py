"""Large replies are decoded in pieces, and what comes of it is what one pass would give."""

import json
from collections.abc import Callable, Generator
from typing import Any, Never

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.decoding.test_reply import contactish, replyish
from tests.support.decoding import populations, written
from tests.support.properties import examples
from wxcontacts_async import Contact, ReplyDecodeError
from wxcontacts_async._decoding.pieces import PIECE
from wxcontacts_async._decoding.reply import ReplyDecoder
from wxcontacts_async._decoding.verdict import Ready, Refused, Unready
from wxcontacts_async._messages import says_initializing


class Nested(Contact, frozen=True):
    """It holds whatever msgspec can hold, and parts of the body itself."""

    label: msgspec.Raw = msgspec.Raw(b"null")
    members: list[dict[str, Any]] = []  # noqa: RUF012  # msgspec copies it
    anything: Any = None


class Picky(Contact, frozen=True):
    """It raises for some contacts what no decoder raises."""

    def __post_init__(self) -> None:
        if self.city == "picky":
            raise LookupError


class OnlyPieces(ReplyDecoder[Contact]):
    """Decodes nothing in one pass."""

    def decode(self, body: bytes | memoryview, content_type: str = "") -> Never:  # noqa: ARG002
        pytest.fail(f"{bytes(body[:300])!r} was decoded in one pass")


decoders: dict[type[Contact], ReplyDecoder[Any]] = {
    contact_type: ReplyDecoder(contact_type, says_initializing)
    for contact_type in (Contact, Nested, Picky)
}
only_pieces = OnlyPieces(Contact, says_initializing)


def all_of(
    steps: Generator[None, None, Ready[Any] | Unready],
    body: bytearray,
) -> tuple[Ready[Any] | Unready, int]:
    """Return what a reply says, and in how many pieces it was decoded."""
    before, number = bytes(body), 1
    while True:
        try:
            next(steps)
        except StopIteration as done:
            reply: Ready[Any] | Unready = done.value
            return reply, number
        finally:
            assert body == before
        number += 1


def in_pieces(body: bytes, piece: int = 1) -> tuple[Ready[Contact] | Unready, int]:
    """Decode a body in pieces and in no other way."""
    memory = bytearray(body)
    return all_of(only_pieces.decode_in_pieces(memoryview(memory), piece=piece), memory)


def outcome(decode: Callable[[], Ready[Contact] | Unready]) -> object:
    """Return what a reply says, or what is said of it."""
    try:
        return decode()
    except ReplyDecodeError as error:
        return str(error), error.transient


def check_same(body: bytes, piece: int, contact_type: type[Contact] = Contact) -> None:
    """Compare what pieces and one pass give."""
    decoder = decoders[contact_type]
    memory = bytearray(body)
    steps = decoder.decode_in_pieces(memoryview(memory), piece=piece)
    assert outcome(lambda: all_of(steps, memory)[0]) == outcome(lambda: decoder.decode(body))


def reply(lists: dict[str, Any], *, indent: int | None = None, ascii_only: bool = False) -> bytes:
    message = {"message": "成功", "code": "1000", "data": lists}
    return json.dumps(message, ensure_ascii=ascii_only, indent=indent).encode()


@pytest.mark.parametrize("piece", [1, 100, 300, 10_000])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_a_sound_reply_is_decoded_in_pieces_alone(
    piece: int,
    indent: int | None,
    *,
    ascii_only: bool,
) -> None:
    people: list[dict[str, Any]] = [
        {"userName": f"wxid_{n}", "nickName": '张"},{"userName":[三]}', "sex": n % 3}
        for n in range(40)
    ]
    for lists in (
        {"public": people[:5], "friend": people[5:30], "group": people[30:]},
        {"friend": people, "public": [], "group": None},
        {"group": people[:1], "friend": people[1:2]},
    ):
        body = reply(lists, indent=indent, ascii_only=ascii_only)
        decoded, number = in_pieces(body, piece)
        assert decoded == decoders[Contact].decode(body)
        if piece == 1:
            assert number > sum(map(len, filter(None, lists.values())))


@given(populations, populations, populations, st.integers(1, 300))
def test_any_sound_reply_is_decoded_in_pieces_alone(
    public: list[dict[str, Any]],
    friend: list[dict[str, Any]],
    group: list[dict[str, Any]],
    piece: int,
) -> None:
    if public or friend or group:
        body = reply({"public": public, "friend": friend, "group": group})
        assert in_pieces(body, piece)[0] == decoders[Contact].decode(body)


def test_what_is_nested_in_contacts_is_decoded_with_them() -> None:
    members = [{"id": n, "more": [{"a": 1}]} for n in range(9)]
    people = [
        {"userName": f"{n}@chatroom", "members": members, "owner": {"x": {"y": [{}]}}}
        for n in range(9)
    ]
    body = reply({"friend": people, "group": people})
    decoded, number = in_pieces(body, 1)
    assert decoded == decoders[Contact].decode(body)
    assert number > 18


def test_a_refusal_with_contacts_is_still_a_refusal() -> None:
    body = reply({"friend": [{"userName": "a"}, {"userName": "b"}]}).replace(b'"1000"', b"1001")
    assert in_pieces(body)[0] == Refused("1001", "成功")


A, B, C = (b'{"userName":"%b","city":"]}"}' % name for name in (b"a", b"b", b"c"))
LIST = b"[%b,%b,%b]" % (A, B, C)


@pytest.mark.parametrize(
    "body",
    [
        # The same key twice, of which the last one counts, and both must be sound.
        b'{"code":1000,"data":{"friend":%b,"friend":[%b]}}' % (LIST, A),
        b'{"code":1000,"data":{"friend":%b,"friend":null}}' % LIST,
        b'{"code":1000,"data":{"friend":null,"friend":%b}}' % LIST,
        b'{"code":1000,"data":{"friend":7,"friend":%b}}' % LIST,
        b'{"code":1000,"data":{"friend":%b,"fr\\u0069end":[%b]}}' % (LIST, A),
        b'{"code":1000,"data":{"fr\\u0069end":[%b],"friend":%b}}' % (A, LIST),
        b'{"code":1000,"data":{"friend":%b,"fr\\u0069end":[0]}}' % LIST,
        b'{"code":1000,"data":{"friend":%b},"data":{"friend":[%b]}}' % (LIST, A),
        b'{"code":1000,"data":{"friend":%b},"data":null}' % LIST,
        b'{"code":1000,"data":7,"data":{"friend":%b}}' % LIST,
        b'{"code":1000,"data":{"friend":%b},"code":1001}' % LIST,
        # Lists that are none of the reply's.
        b'{"code":1000,"other":{"friend":%b},"data":{"friend":[%b]}}' % (LIST, A),
        b'{"code":1000,"friend":%b,"data":{"friend":[%b]}}' % (LIST, A),
        b'{"code":1000,"friend":%b}' % LIST,
        b'{"code":1000,"data":{"other":{"friend":%b},"friend":[%b]}}' % (LIST, A),
        b'{"code":1000,"data":{"friend":[%b,{"userName":"d","friend":%b}]}}' % (A, LIST),
        b'{"code":1000,"data":{"x\\"friend":%b,"group":[%b]}}' % (LIST, A),
        b'{"code":1000,"data":[{"friend":%b}]}' % LIST,
        b'{"code":1000,"data":"{\\"friend\\":%b}"}' % LIST,
        b'[{"code":1000,"data":{"friend":%b}}]' % LIST,
        b'{"code":1000,"data":{"friend":%b,"public":%b,"group":%b},"friend":%b}' % ((LIST,) * 4),
        # The marks that stand for lists.
        b'{"code":1000,"x":[0],"data":{"friend":%b}}' % LIST,
        b'{"code":1000,"msg":"[0]","data":{"friend":%b,"group":[1]}}' % LIST,
        b'{"code":1000,"data":{"friend":%b,"group":[0]}}' % LIST,
        b'{"code":1000,"data":{"friend":%b,"group":[ 0 ]}}' % LIST,
        # What is no JSON.
        b'{"code":1000,"data":{"friend":%b}}}' % LIST,
        b'{"code":1000,"data":{"friend":%b}} x' % LIST,
        b'{"code":1000,"data":{"friend":%b}' % LIST,
        b'{"code":1000,"data":{"friend":%b,}}' % LIST,
        b'{"code":1000,"data":{"friend":%b "group":[]}}' % LIST,
        b'{"code":1000,"data":{"friend":[%b,%b,,%b]}}' % (A, B, C),
        b'{"code":1000,"data":{"friend":[%b,%b,%b,]}}' % (A, B, C),
        b'{"code":1000,"data":{"friend":[%b,%b %b]}}' % (A, B, C),
        b'{"code":1000,"data":{"friend":[,%b,%b]}}' % (A, B),
        b'{"code":1000,"data":{"friend":[%b,%b}}' % (A, B),
        b'{"code":1000,"data":{"friend":[%b],[%b]}}' % (A, B),
        b'{"code":1000,"data":{"friend":[%b,[%b],%b]}}' % (A, B, C),
        b'\xef\xbb\xbf{"code":1000,"data":{"friend":%b}}' % LIST,
        b' \r\n{"code":1000,"data":{"friend":%b}}\n ' % LIST,
        b'{"code":1000,"data":{"friend":\x0b%b}}' % LIST,
        b'{"code":1000,"data":{"friend":[%b,\x0c%b]}}' % (A, B),
        # What is no contact.
        *(
            b'{"code":1000,"data":{"friend":[%b,%b,%b]}}' % (A, odd, B)
            for odd in (
                *(b'{"userName":" "}', b'{"userName":7}', b'{"city":"x"}', b"{}", b"null", b"[]"),
                *(b'{"userName":"\xff"}', b'{"userName":"x","y":"\xff"}', b'{"userName":"\t"}'),
                *(b'{"userName":"\\ud83d"}', b'{"userName":"x","city":[1]}', b'{"userName":NaN}'),
                *(b'{"userName":"x}', b'{"userName":"x"', b'{"userName":"x","sex":9}', b"7"),
                b'{"userName":"x","city":"picky"}',
                b'{"userName":"x","anything":[{"userName":"y"},{"userName":"z"}]}',
                b'{"userName":"x","label":[{"userName":"y"},{"userName":"z"}],"group":[{"a":1}]}',
                b'{"userName":"x","members":[{"userName":"y"},{"userName":"z"}],"sex":1}',
            )
        ),
        # What says something else.
        b'{"code":1001,"message":"no","data":{"friend":%b}}' % LIST,
        b'{"message":"no","data":{"friend":%b}}' % LIST,
        b'{"code":"","data":{"friend":%b}}' % LIST,
        b'{"code":[],"data":{"friend":%b}}' % LIST,
        b'{"message":"\xff","code":1000,"data":{"friend":%b}}' % LIST,
        b'{"x":"\xff","code":1000,"data":{"friend":%b}}' % LIST,
        '{"message":"初始化中","data":{"friend":%b}}'.encode() % LIST,
        b'{"code":1000,"data":{"friend":%b,"group":"","public":{}}}' % LIST,
        b'{"code":1000,"data":{"friend":%b,"group":[{"userName":" "}]}}' % LIST,
        b'{"code":1000,"data":{"friend":%b,"gr\\u006fup":[{"userName":" "}]}}' % LIST,
        b'{"code":1000,"data":{"friend":%b,"gr\\u006fup":[%b]}}' % (LIST, A),
    ],
)
@pytest.mark.parametrize("contact_type", decoders)
def test_whatever_the_picture_is_pieces_give_what_one_pass_gives(
    body: bytes,
    contact_type: type[Contact],
) -> None:
    for piece in (1, 20, 40, 80, 1_000):
        check_same(body, piece, contact_type)


fragments = st.sampled_from(
    [
        *(b'"', b"\\", b"[", b"]", b"{", b"}", b",", b":", b" ", b"\n", b"0", b"\xff", b"\t"),
        *(b'},{"userName":', b'"friend":[{"userName":"x"},', b'}],"group":[', b"}]}}", b"[0]"),
        *(b'"friend":null,', b'"data":{},', b"null", b"[]", b'{"userName":" "}', b'"code":1001,'),
        *(b'{"userName":"n","members":[{"userName":"y"}]},', b'"city":"picky",', b"\\u0022"),
    ]
)


@given(st.data(), st.integers(1, 200), st.sampled_from([*decoders]))
@settings(max_examples=examples(1_000))
def test_however_a_reply_is_damaged_pieces_give_what_one_pass_gives(
    data: st.DataObject,
    piece: int,
    contact_type: type[Contact],
) -> None:
    kinds = st.sampled_from(["public", "friend", "group"])
    lists = data.draw(st.dictionaries(kinds, populations, min_size=1))
    body = reply(lists, indent=data.draw(st.sampled_from([None, None, 1])))
    for _ in range(data.draw(st.integers(0, 3))):
        begin = data.draw(st.integers(0, len(body)))
        end = data.draw(st.sampled_from([begin, begin + 1, begin + 20]))
        body = body[:begin] + data.draw(fragments | st.just(b"")) + body[end:]
    check_same(body, piece, contact_type)


@given(
    replyish | st.fixed_dictionaries({"code": st.just(1000), "data": st.just({})}),
    st.dictionaries(
        st.sampled_from(["public", "friend", "group", "other"]),
        st.lists(st.fixed_dictionaries({"userName": st.text()}) | contactish, max_size=5),
    ),
    st.integers(1, 60),
    st.sampled_from([*decoders]),
)
def test_whatever_a_reply_is_pieces_give_what_one_pass_gives(
    anything: dict[str, Any],
    lists: dict[str, Any],
    piece: int,
    contact_type: type[Contact],
) -> None:
    check_same(written(anything | {"data": lists}), piece, contact_type)
    check_same(written(anything), piece, contact_type)


@pytest.mark.parametrize(
    "long",
    [
        b'"friend":[%b,{"userName":"x","y":"%b"},%b]' % (A, b"z" * 200_000, B),
        b'"friend":[%b,{"userName":"x","y":"%b"}]' % (A, b"z" * 200_000),
        b'"friend":[%b,%b%b]' % (A, b" " * 200_000, B),
        b'"friend":[%b,%b],"y":"%b","group":[%b]' % (A, B, b"z" * 200_000, A),
        b'"friend":[%b,%b],"y":"%b"' % (A, B, b"z" * 200_000),
        b'"y":[%b0],"friend":[%b,%b]' % (b"[]," * 70_000, A, B),
    ],
    ids=range(6),
)
def test_what_is_longer_than_is_searched_makes_no_difference(long: bytes) -> None:
    for piece in (1, PIECE):
        check_same(b'{"code":1000,"data":{%b}}' % long, piece)


def test_memory_is_as_it_was_when_the_work_is_given_up() -> None:
    body = bytearray(reply({"friend": [{"userName": f"{n}"} for n in range(9)]}))
    before = bytes(body)
    steps = only_pieces.decode_in_pieces(memoryview(body), piece=20)
    next(steps)
    next(steps)
    steps.close()
    assert body == before
    body += b" "  # which no view of it forbids any more


def test_what_a_contact_type_raises_leaves_the_memory_as_it_was() -> None:
    class Interrupted(Contact, frozen=True):
        def __post_init__(self) -> None:
            if self.user_name == "5":
                raise KeyboardInterrupt

    body = bytearray(reply({"friend": [{"userName": f"{n}"} for n in range(9)]}))
    before = bytes(body)
    steps = ReplyDecoder(Interrupted, says_initializing).decode_in_pieces(memoryview(body), piece=1)
    with pytest.raises(KeyboardInterrupt):
        all_of(steps, body)
    assert body == before


def test_no_piece_is_much_larger_than_it_should_be() -> None:
    people = [{"userName": f"wxid_{n}", "signature": "人" * 100} for n in range(3_000)]
    body = reply({"friend": people})
    decoded, number = in_pieces(body, PIECE)
    assert isinstance(decoded, Ready)
    assert len(decoded.friends) == 3_000
    assert number >= len(body) / PIECE
