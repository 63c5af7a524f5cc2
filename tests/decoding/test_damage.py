"""Damaged replies: what is text is repaired, and what is not costs its own contact only."""

import json
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.decoding import decoder, populations, ready, reply_of, written
from tests.support.loops import on_asyncio
from tests.support.one_call import fetch
from tests.support.raw_server import RawServer, http_reply, replying
from wxcontacts_async import Contact, ContactKind, RejectedContact, ReplyDecodeError
from wxcontacts_async._decoding.verdict import Initializing, Ready, Refused, Throttled
from wxcontacts_async._json.scanner import MOST_CONTACTS

GBK = "application/json;charset=GBK"
NAMED = '{"code":1000,"message":"成功","data":{"friend":[{"userName":"wxid_a","nickName":"%s"}]}}'


def name_of(written: bytes, encoding: str = "utf-8", content_type: str = "") -> str | None:
    head, tail = (part.encode(encoding) for part in NAMED.split("%s"))
    (friend,) = ready(head + written + tail, content_type).friends
    return friend.nick_name


def person(number: int) -> dict[str, Any]:
    return {"userName": f"wxid_{number}", "nickName": f'人\\"{number}😀', "city": "},{", "sex": 1}


@pytest.mark.parametrize(
    ("damaged", "repaired"),
    [
        (rb"a\ud83d", "a\ufffd"),
        (rb"a\ude00b", "a\ufffdb"),
        (rb"\ud83d\n", "\ufffd\n"),
        (rb"\ud83d\ud83d\ude00\ude00", "\ufffd😀\ufffd"),
        (rb"\ud83dA", "\ufffdA"),
        (rb"\\ud83d\\\ud83d", "\\ud83d\\\ufffd"),
        (rb"\uD83D\u0041", "\ufffdA"),
        (b"abc\xe4\xb8", "abc\ufffd"),
        (b"\xed\xa0\xbd\xff", "\ufffd" * 4),
        (b"a\tb\nc\0\x1f", "a\tb\nc\0\x1f"),
        (b'\\"\t\\\\', '"\t\\'),
        (rb"C:\Users\12", r"C:\Users\12"),
        (b"\\\n", "\\\n"),
    ],
)
def test_damaged_text_is_as_readable_as_can_be(damaged: bytes, repaired: str) -> None:
    assert name_of(damaged) == repaired
    others = [written(person(i)) for i in range(9)]
    worst = b'{"userName":"wxid_a","nickName":"%b"}' % damaged
    wrong = b'{"userName":7}'
    reply = ready(reply_of(*others[:4], worst, *others[4:], wrong))
    assert [friend.nick_name for friend in reply.friends if friend.user_name == "wxid_a"] == [
        repaired,
    ]
    assert len(reply.friends) == 10
    assert reply.rejected[0].raw == wrong


@pytest.mark.parametrize("indent", [None, 2])
def test_whitespace_between_values_is_no_damage(indent: int | None) -> None:
    body = json.dumps(json.loads(NAMED), indent=indent).replace("wxid_a", "wxid\t\\ud83d").encode()
    assert [friend.user_name for friend in ready(body).friends] == ["wxid\t\ufffd"]


def test_damaged_text_beside_the_contacts_costs_nothing() -> None:
    body = b'{"code":1000,"msg":"\\ud83d\xff\t","\\udc00":1,"data":{"friend":[{"userName":"a"}]}}'
    assert ready(body) == Ready((), (Contact("a"),), ())
    assert decoder.decode(b'{"code":"1001","message":"\\ud83d\t"}') == Refused("1001", "\ufffd")
    assert decoder.decode('{"code":"1001","msg":"\t初始化中"}'.encode()) == Initializing("初始化中")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_a_byte_order_mark_and_utf_16_are_no_damage(encoding: str) -> None:
    assert ready((NAMED % "张三").encode(encoding)).friends == (
        Contact("wxid_a", nick_name="张三"),
    )


def test_behind_a_byte_order_mark_the_bytes_are_still_as_received() -> None:
    wrong = b'{"userName":7,"city":"\xff\t"}'
    assert ready(b"\xef\xbb\xbf" + reply_of(wrong)).rejected[0].raw == wrong


@pytest.mark.parametrize("label", ["GB18030", "gbk", '"gb2312"', "GB2312 ; q=1"])
def test_gb18030_is_read_where_the_content_type_says_so(label: str) -> None:
    content_type = f"application/json; charset={label}"
    assert name_of("张三誠\\\\".encode("gb18030"), "gb18030", content_type) == "张三誠\\"


def test_a_cut_character_of_gb18030_costs_that_character_alone() -> None:
    assert name_of("张三".encode("gb18030")[:-1], "gb18030", GBK) == "张\ufffd"
    cut = name_of("张😀".encode("gb18030")[:-1], "gb18030", GBK)
    assert cut is not None
    assert cut.startswith("张\ufffd")


def test_in_gb18030_one_wrong_contact_is_rejected_with_its_bytes_as_received() -> None:
    wrong, cut = '{"userName":7,"city":"誠乗"}'.encode("gb18030"), b'{"userName":"b","city":"\xd5"}'
    right = '{"userName":"誠","city":"张\\ud83d"}'.encode("gb18030")
    head = '{"message":"成功","code":1000,"data":{"public":['.encode("gb18030")
    reply = ready(head + right + b"," + wrong + b"," + cut + b"]}}", GBK)
    assert reply.official_accounts == (
        Contact("誠", city="张\ufffd"),
        Contact("b", city="\ufffd"),
    )
    assert [(entry.kind, entry.raw) for entry in reply.rejected] == [
        (ContactKind.OFFICIAL_ACCOUNT, wrong),
    ]


@pytest.mark.parametrize(
    "label",
    ["gbk", "iso-8859-1", "utf-8", "rot13", "zlib", "idna", "no-such", "\0", ""],
)
def test_a_wrong_label_breaks_nothing_not_even_where_text_is_damaged(label: str) -> None:
    content_type = f"application/json;charset={label}"
    others = [written(person(i)) for i in range(9)]
    body = reply_of(*others)
    assert ready(body, content_type).friends == ready(body).friends
    damaged = reply_of(b'{"userName":"x","nickName":"\xe5\xbc\xa0\xe4\xb8"}', *others)
    reply = ready(damaged, content_type)
    assert reply.friends[1:] == ready(body).friends
    assert reply.friends[0].nick_name == "张\ufffd"


DEEP = 100_000


@pytest.mark.parametrize(
    "wrong",
    [
        b'{"userName":"x","deep":' + b"[" * DEEP + b"}",
        b'{"userName":"x","deep":' + b"]" * DEEP + b"}",
        b'{"userName":"x" "city":"y"}',
        b'{"userName":NaN}',
        b'{"userName":None,"city":"y"}',
        b'{"nickName":Infinity}',
        b'{"userName":" ","city":NaN}',
        b'{"userName":"x","nickName":"one"quote"}',
        b'{"userName":"x","nickName":"no quote}',
        b'{"userName":"x","nickName":"half a backslash\\"}',
        b'{"userName":}',
        b"{]}",
        b"nul",
    ],
    ids=range(13),
)
@pytest.mark.parametrize("place", [0, 4, 9])
def test_damage_that_is_not_text_costs_that_contact_alone(wrong: bytes, place: int) -> None:
    others = [written(person(i)) for i in range(9)]
    if place == 9 and not wrong.endswith(b"}"):
        place = 8
    reply = ready(reply_of(*others[:place], wrong, *others[place:]))
    assert reply.friends == ready(reply_of(*others)).friends
    (rejected,) = reply.rejected
    assert (rejected.kind, rejected.raw) == (ContactKind.FRIEND, wrong)
    assert rejected.error


@pytest.mark.parametrize(
    "deep",
    [b"[" * DEEP + b"]" * DEEP, b'{"a":' * DEEP + b"1" + b"}" * DEEP],
    ids=["lists", "objects"],
)
def test_what_is_nested_too_deeply_costs_its_value_and_nothing_where_no_field_has_it(
    deep: bytes,
) -> None:
    others = [written(person(i)) for i in range(9)]
    contact = b'{"userName":"x","deep":%b,"city":%b,"country":"y"}' % (deep, deep)
    reply = ready(reply_of(*others[:4], contact, *others[4:]))
    assert reply.friends[4] == Contact("x", country="y")
    assert len(reply.friends) == 10
    assert [(one.user_name, one.fields) for one in reply.flawed] == [("x", ("city",))]


def test_the_user_name_of_a_rejected_contact_is_read_through_the_damage_beside_it() -> None:
    for raw in (
        b'{"city":"\t\xff","userName":"wxid_a"}',
        b'{"userName":"wxid_a","deep":' + b"[" * DEEP + b"]" * DEEP + b"}",
        rb'{"userName":"wxid_a","city":"\ud83d"}',
        b'{"userName":{"string":"wxid_a"},"city":NaN}',
    ):
        assert RejectedContact(ContactKind.FRIEND, raw, "").user_name == "wxid_a"
    for raw in (
        b"",
        b"null",
        b'{"userName":7}',
        b'{"userName":" "}',
        b'{"userName":"a',
        b"[" * DEEP,
    ):
        assert RejectedContact(ContactKind.FRIEND, raw, "").user_name is None


@pytest.mark.parametrize("damaged", [b"", b"\t", b"\\ud83d", b"\xff"])
def test_a_reply_cut_off_is_never_a_shorter_one(damaged: bytes) -> None:
    contacts = [b'{"userName":"a%b"}' % damaged] * 4
    body = reply_of(*contacts)
    for cut in range(len(body)):
        with pytest.raises(ReplyDecodeError):
            decoder.decode(body[:cut])


HOSTILE = [
    b"\\",
    b'"',
    b'\\"',
    b"\xff",
    b"\\ud83d",
    b"\\ude00",
    b"\t",
    b'"\t",',
    b"[",
    b"{",
    b'{"a":',
    b'{"',
    b'{"[":[ },',
    b'{"a":[ },{"b":"',
    b'{"a":"},{"a":',
    b'},{"a":[',
    b"}  ",
    b"0,",
    b"{},",
    b"\x00",
    b"\xd5",
]


def bodies_of(fragment: bytes, size: int) -> list[bytes]:
    worst = fragment * (size // len(fragment))
    return [
        worst,
        reply_of(b'{"userName":"a","nickName":"' + worst + b'"}', b'{"userName":"b"}'),
        reply_of(b'{"userName":"a"},' + worst + b'{"userName":"b"}'),
        b'{"code":1000,"data":{"friend":[' + worst,
        b'{"code":1000,"data":{"friend":[],' + worst + b'"public":[{}]}}',
    ]


def seconds_to_decode(body: bytes, content_type: str) -> float:
    began = process_time()  # other programs may have the cores meanwhile
    try:
        reply = decoder.decode(body, content_type)
    except ReplyDecodeError as error:
        assert len(str(error)) < 500  # noqa: PT017
    else:
        assert isinstance(reply, Ready)
    return process_time() - began


@pytest.mark.parametrize("content_type", [pytest.param("", marks=pytest.mark.slow), GBK])
def test_the_worst_takes_a_time_in_proportion_to_its_length(content_type: str) -> None:
    # What grows with the square of the length takes ten seconds for this one.
    for fragment in HOSTILE:
        for body in bodies_of(fragment, 30_000):
            assert seconds_to_decode(body, content_type) < 1


@pytest.mark.slow
@pytest.mark.parametrize("fragment", [b"0,", b"{},", b'"\t",', b"[", b"[],", b'"a":0,'])
def test_ten_megabytes_of_what_no_contact_is_are_given_up_in_a_moment(fragment: bytes) -> None:
    for body in bodies_of(fragment, 10_000_000)[2:]:
        assert seconds_to_decode(body, "") < 5


def test_nothing_is_left_out_of_a_reply_full_of_wrong_contacts() -> None:
    wrong = [b'{"userName":7}', b"0", b"{}"] * 20_000
    reply = ready(reply_of(b'{"userName":"a"}', *wrong, b'{"userName":"b"}'))
    assert reply.friends == (Contact("a"), Contact("b"))
    assert [entry.raw for entry in reply.rejected] == wrong


@pytest.mark.parametrize("wrong", [b'{"userName":7}', b'{"userName":}'])
def test_of_more_contacts_than_are_looked_at_one_by_one_all_must_be_sound(wrong: bytes) -> None:
    sound = [b'{"userName":"a"}'] * (MOST_CONTACTS + 1)
    assert len(ready(reply_of(*sound)).friends) == len(sound)
    with pytest.raises(ReplyDecodeError, match="a damaged one of more than 250000 contacts"):
        decoder.decode(reply_of(*sound[1:], wrong))


fragments = st.sampled_from([*HOSTILE, b'},{"userName":"', b"]}}", b"\xef\xbb\xbf"]) | st.binary(
    max_size=4,
)
SOUND = written(
    {
        "code": "1000",
        "message": "成功",
        "data": {"public": [person(0)], "friend": [person(1), person(2)], "group": [person(3)]},
    },
)


@st.composite
def mutated(draw: st.DrawFn, sound: bytes) -> bytes:
    body = bytearray(sound)
    for _ in range(draw(st.integers(1, 5))):
        begin = draw(st.integers(0, len(body)))
        body[begin : begin + draw(st.integers(0, 3))] = draw(fragments)
    return bytes(body)


@given(
    mutated(SOUND) | st.lists(fragments).map(b"".join),
    st.sampled_from(["", GBK, "charset=utf-16", "charset="]) | st.text(max_size=20),
)
def test_any_mutation_of_a_reply_is_a_reply_or_an_error_of_ours(body: bytes, label: str) -> None:
    try:
        reply = decoder.decode(body, label)
    except ReplyDecodeError as error:
        assert "wxid_" not in str(error)  # noqa: PT017
        return
    assert isinstance(reply, Ready | Initializing | Throttled | Refused)
    if isinstance(reply, Ready):
        assert all(entry.raw in body for entry in reply.rejected if not body.count(b"\0"))


# None of them ends the string that it is put into.
text_damage = st.sampled_from(
    [b"\\ud83d", b"\\ude00", b"\xff", b"\xe4\xb8", b"\xed\xa0\x80", b"\t", b"\n", b"\0", b"\\x"],
)
shape_damage = st.sampled_from(
    [
        b"null",
        b"7",
        b"[]",
        b'{"userName":null}',
        b'{"userName":7}',
        b'{"userName":"x","nickName":{"a":[{"b":1},{"c":2}]}}',
        b'{"userName":"x","nickName":[{"b":1},{"c":2}]}',
    ],
)
broken = st.sampled_from([b'"', b"{", b"[", b"]", b"\\", b'\\"', b'","'])


@given(populations, st.data(), st.booleans(), st.sampled_from([text_damage, broken]))
def test_every_contact_that_the_damage_did_not_touch_is_kept_as_it_is(
    people: list[dict[str, Any]],
    data: st.DataObject,
    ascii_only: bool,  # noqa: FBT001
    damage: st.SearchStrategy[bytes],
) -> None:
    contacts = [written(one, ascii_only=ascii_only) for one in people]
    untouched = ready(reply_of(*contacts)).friends
    touched = data.draw(st.sets(st.integers(0, len(people) - 1))) if people else set()
    for index in touched:
        if data.draw(st.booleans()):
            contacts[index] = data.draw(shape_damage)
        else:
            head, tail = contacts[index].split(b'"nickName": "', 1)
            contacts[index] = head + b'"nickName": "' + data.draw(damage) + tail
    reply = ready(reply_of(*contacts))
    kept = [one for index, one in enumerate(untouched) if index not in touched]
    found = {one.user_name: one for one in reply.friends}
    assert [found.get(one.user_name) for one in kept] == kept
    assert len(reply.friends) + len(reply.rejected) >= len(kept)


@on_asyncio
async def test_a_damaged_reply_on_the_wire_gives_every_contact() -> None:
    body = reply_of(*(b'{"userName":"%d","nickName":"\\ud83d\t\xff"}' % i for i in range(1000)))
    async with RawServer(replying(http_reply(b"\xef\xbb\xbf" + body))) as server:
        contacts = await fetch(server.url)
    assert [friend.nick_name for friend in contacts.friends] == ["\ufffd\t\ufffd"] * 1000


@on_asyncio
async def test_the_content_type_on_the_wire_says_that_a_reply_is_in_gb18030() -> None:
    body = (NAMED % "张三").encode("gb18030")
    labelled = http_reply(body, headers=f"Content-Type: {GBK}\n")
    async with RawServer(replying(labelled)) as server:
        contacts = await fetch(server.url)
    assert contacts["wxid_a"].nick_name == "张三"
