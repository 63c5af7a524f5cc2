"""One contact's odd value costs that value; one without a readable id costs itself."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.decoding.test_reply import json_values
from tests.support.decoding import ready, reply_of, written
from tests.support.loops import on_asyncio
from tests.support.one_call import fetch
from tests.support.raw_server import RawServer, http_reply, replying
from wxcontacts_async import Contact, ContactKind, ContactSet, FlawedContact, RejectedContact, Sex
from wxcontacts_async._decoding.reply import ReplyDecoder
from wxcontacts_async._decoding.verdict import Ready
from wxcontacts_async._messages import says_initializing

SOUND = {
    "userName": "wxid_a",
    "aliasName": "alias",
    "nickName": "张三",
    "bigHead": "http://big",
    "smallHead": "http://small",
    "sex": 2,
    "signature": "hello",
    "country": "中国",
    "province": "北京",
    "city": "朝阳",
}
AS_IT_IS = msgspec.convert(SOUND, Contact)
TEXT_FIELDS = {
    field.encode_name: field.name
    for field in msgspec.structs.fields(Contact)
    if field.name not in {"user_name", "sex"}
}
WHITE_SPACE = "".join(c for c in map(chr, range(0x10000)) if c.isspace())  # there is none above
NO_JSON = [
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"undefined",
    b"None",
    b"True",
    b"0x1f",
    b"'x'",
    b"nil",
    b"9" * 5000,
    b"1e9999",
]


def one(raw: bytes) -> tuple[Contact, tuple[str, ...]]:
    """Return the only contact of a reply, and which fields of it are told as lost."""
    reply = ready(reply_of(raw))
    (contact,) = reply.friends
    assert reply.rejected == ()
    if not reply.flawed:
        return contact, ()
    (flawed,) = reply.flawed
    assert (flawed.kind, flawed.user_name, flawed.raw) == ("friend", contact.user_name, raw)
    return contact, flawed.fields


def with_value(key: str, value: bytes) -> bytes:
    return written({**SOUND, key: "#"}).replace(b'"#"', value)


@pytest.mark.parametrize(
    ("sex", "meant"),
    [
        ('"男"', Sex.MALE),
        ('" 女 "', Sex.FEMALE),
        ('"未知"', Sex.UNKNOWN),
        ('"unknown"', Sex.UNKNOWN),
        ('" "', Sex.UNKNOWN),
        ('"male"', Sex.MALE),
        ('"Female"', Sex.FEMALE),
        ('"M"', Sex.MALE),
        ('"f"', Sex.FEMALE),
        ('" 1 "', Sex.MALE),
        ('"2.0"', Sex.FEMALE),
        ('{"string":"男"}', Sex.MALE),
        ("null", Sex.UNKNOWN),
        ("7", Sex(7)),
    ],
)
def test_sex_is_what_it_says_in_words_and_in_numbers(sex: str, meant: Sex) -> None:
    expected = msgspec.structs.replace(AS_IT_IS, sex=meant)
    assert one(with_value("sex", sex.encode())) == (expected, ())


@pytest.mark.parametrize(
    "sex",
    [
        "true",
        "false",
        "1.5",
        "[]",
        "{}",
        '"x"',
        '"1.5"',
        '"1e999"',
        f'"{"9" * 5000}"',
        "NaN",
    ],
)
def test_sex_that_means_nothing_is_unknown_and_told(sex: str) -> None:
    expected = msgspec.structs.replace(AS_IT_IS, sex=Sex.UNKNOWN)
    assert one(with_value("sex", sex.encode())) == (expected, ("sex",))


@pytest.mark.parametrize("key", ["string", "str"])
def test_text_printed_as_protobuf_is_that_text_in_every_field_the_id_too(key: str) -> None:
    wrapped = {name: {key: it} if isinstance(it, str) else it for name, it in SOUND.items()}
    assert one(written(wrapped)) == (AS_IT_IS, ())
    assert one(written({"userName": {key: "a"}, "city": {key: None}})) == (Contact("a"), ())
    assert one(written({"userName": "a", "city": {key: 7}})) == (Contact("a", city="7"), ())


@pytest.mark.parametrize("value", [b"[]", b"{}", b"true", b"false", b'{"a":"b"}', *NO_JSON])
@pytest.mark.parametrize("key", ["aliasName", "nickName", "city"])
def test_what_a_text_field_cannot_hold_is_null_and_told(key: str, value: bytes) -> None:
    expected = msgspec.structs.replace(AS_IT_IS, **{TEXT_FIELDS[key]: None})
    assert one(with_value(key, value)) == (expected, (TEXT_FIELDS[key],))


def test_several_lost_values_are_named_in_the_order_of_the_fields() -> None:
    raw = b'{"city":NaN,"sex":true,"nickName":[],"userName":"a","province":"\\ud83d"}'
    assert one(raw) == (Contact("a", province="\ufffd"), ("nick_name", "sex", "city"))


def _is_text(value: object) -> bool:
    if isinstance(value, dict) and len(value) == 1 and value.keys() <= {"string", "str"}:
        (value,) = value.values()
    return value is None or (isinstance(value, str | int | float) and not isinstance(value, bool))


odd_values = json_values | st.sampled_from(NO_JSON).map(msgspec.Raw)


@given(st.dictionaries(st.sampled_from(sorted(TEXT_FIELDS)), odd_values), st.booleans())
def test_whatever_stands_in_optional_text_the_contact_is_kept_and_just_what_is_lost_is_named(
    odd: dict[str, Any],
    ascii_only: bool,  # noqa: FBT001
) -> None:
    values = {**SOUND, **odd}
    raw = b"{%b}" % b",".join(
        b'"%b":%b'
        % (
            key.encode(),
            bytes(it) if isinstance(it, msgspec.Raw) else written(it, ascii_only=ascii_only),
        )
        for key, it in values.items()
    )
    contact, fields = one(raw)
    assert set(fields) == {TEXT_FIELDS[key] for key, value in odd.items() if not _is_text(value)}
    assert all(getattr(contact, name) is None for name in fields)
    untouched = [name for key, name in TEXT_FIELDS.items() if key not in odd]
    for name in ("user_name", "sex", *untouched):
        assert getattr(contact, name) == getattr(AS_IT_IS, name)


class Own(Contact, frozen=True, kw_only=True):
    remark_name: str
    labels: tuple[str, ...] = ()
    level: int = 5
    note: str = ""


own = ReplyDecoder(Own, says_initializing)


def own_reply(*friends: bytes) -> Ready[Own]:
    reply = own.decode(reply_of(*friends))
    assert isinstance(reply, Ready)
    return reply


def test_further_fields_of_a_contact_type_have_their_default_for_a_value_they_cannot_hold() -> None:
    raw = b'{"userName":"a","remarkName":{"string":"r"},"labels":["x",7],"level":NaN,"note":[]}'
    reply = own_reply(raw, b'{"userName":"b","remarkName":"r","labels":null,"sex":"\xe7\x94\xb7"}')
    assert reply.friends == (
        Own("a", remark_name="r"),
        Own("b", remark_name="r", sex=Sex.MALE),
    )
    assert [(it.user_name, it.fields) for it in reply.flawed] == [
        ("a", ("labels", "level", "note")),
    ]


@pytest.mark.parametrize("value", [b"7", b"[]", b"null", b"NaN"])
def test_a_required_field_that_cannot_be_had_rejects_the_contact(value: bytes) -> None:
    raw = b'{"userName":"a","city":[],"remarkName":%b}' % value
    reply = own_reply(raw)
    assert not reply.friends
    assert not reply.flawed
    assert [(it.user_name, it.raw) for it in reply.rejected] == [("a", raw)]
    assert "remarkName" in reply.rejected[0].error


class WithRaw(Contact, frozen=True):
    extra: msgspec.Raw = msgspec.Raw(b"null")
    other: msgspec.Raw | None = None


@pytest.mark.parametrize("sex", ["1", '"男"', "NaN"])
def test_a_value_that_is_held_as_it_stands_there_outlasts_another_odd_one(sex: str) -> None:
    decoder = ReplyDecoder(WithRaw, says_initializing)
    raw = f'{{"userName":"a","extra":{{"a" :1.10}},"other":[ 7],"sex":{sex}}}'.encode()
    reply = decoder.decode(reply_of(raw, raw.replace(b"[ 7]", b"null")))
    assert isinstance(reply, Ready)
    for contact in reply.friends:
        assert bytes(contact.extra) == b'{"a" :1.10}'
    first, second = reply.friends
    assert first.other is not None
    assert bytes(first.other) == b"[ 7]"
    assert second.other is None or bytes(second.other) == b"null"
    assert [it.fields for it in reply.flawed] == ([("sex",)] * 2 if sex == "NaN" else [])


@pytest.mark.parametrize("sex", ["1", '"男"', "NaN"])
@pytest.mark.parametrize("error_type", [ValueError, TypeError, KeyError, msgspec.ValidationError])
def test_what_a_contact_type_raises_is_named_and_never_quoted(
    sex: str,
    error_type: type[Exception],
) -> None:
    class Picky(Contact, frozen=True):
        def __post_init__(self) -> None:
            what = f"{self.user_name} of {self.city}"
            raise error_type(what)

    raw = f'{{"userName":"wxid_secret","city":"天津","sex":{sex}}}'.encode()
    reply = ReplyDecoder(Picky, says_initializing).decode(reply_of(raw))
    assert isinstance(reply, Ready)
    assert [it.error for it in reply.rejected] == [error_type.__name__]


@given(st.text(WHITE_SPACE), st.booleans(), st.booleans())
def test_a_blank_name_of_any_white_space_is_no_id(
    blank: str,
    ascii_only: bool,  # noqa: FBT001
    with_an_odd_value: bool,  # noqa: FBT001
) -> None:
    values = {"userName": blank, "sex": "男" if with_an_odd_value else 1}
    raw = written(values, ascii_only=ascii_only)
    reply = ready(reply_of(b'{"userName":"a"}', raw, b'{"userName":" b\\u3000"}', raw))
    assert [it.user_name for it in reply.friends] == ["a", " b\u3000"]
    assert [(it.kind, it.raw, it.error) for it in reply.rejected] == [
        ("friend", raw, "userName is blank"),
    ] * 2
    assert reply.rejected[0].user_name is None


@pytest.mark.parametrize("key", ["public", "friend", "group"])
def test_a_blank_name_is_noticed_in_every_list(key: str) -> None:
    people = [{"userName": "a"}, {"userName": ""}]
    reply = ready(written({"code": 1000, "data": {key: people}}))
    assert [(it.kind, it.raw) for it in reply.rejected] == [(key, b'{"userName": ""}')]


def test_a_blank_name_in_gb18030_is_rejected_with_its_bytes_as_received() -> None:
    blank = '{"userName":"\u3000","nickName":"张"}'.encode("gb18030")
    body = reply_of('{"userName":"张"}'.encode("gb18030"), blank)
    reply = ready(body, "application/json; charset=gbk")
    assert [it.user_name for it in reply.friends] == ["张"]
    assert [it.raw for it in reply.rejected] == [blank]


def test_what_is_no_whole_object_is_rejected_whatever_its_values() -> None:
    for raw in (
        b'{"userName":"a","city":NaN',
        b'{"userName":"a","city":[NaN}',
        b'{"userName":"a" NaN}',
    ):
        reply = ready(reply_of(b'{"userName":"b"}', raw, b'{"userName":"c"}'))
        assert [it.user_name for it in reply.friends] == ["b", "c"]
        assert [it.raw for it in reply.rejected] == [raw]


@on_asyncio
async def test_a_contact_set_has_what_is_left_of_odd_contacts_and_says_what_is_not() -> None:
    odd = '{"userName":"wxid_secret","nickName":{"string":"张三"},"sex":"男","city":NaN}'.encode()
    body = reply_of(odd, b'{"userName":"","nickName":"x"}', b'{"userName":"","nickName":"y"}')
    async with RawServer(replying(http_reply(body))) as server:
        contacts = await fetch(server.url)
    assert list(contacts) == [Contact("wxid_secret", nick_name="张三", sex=Sex.MALE)]
    assert contacts.flawed == (FlawedContact(ContactKind.FRIEND, "wxid_secret", ("city",), odd),)
    assert [it.raw for it in contacts.rejected] == [
        b'{"userName":"","nickName":"x"}',
        b'{"userName":"","nickName":"y"}',
    ]
    assert repr(contacts).endswith("0 groups, 2 rejected, 1 flawed)")
    assert repr(contacts.flawed) == (
        f"(FlawedContact(kind='friend', fields=('city',), raw=<{len(odd)} bytes>),)"
    )


def test_flawed_is_the_last_field_of_a_contact_set_and_told_where_there_is_one() -> None:
    assert ContactSet.__struct_fields__[-2:] == ("fetched_at", "flawed")
    assert repr(ContactSet("w")).endswith("0 groups, 0 rejected)")


def test_the_name_of_a_rejected_contact_is_read_out_of_protobuf() -> None:
    raw = json.dumps({"userName": {"string": "a"}, "remarkName": 7}).encode()
    assert RejectedContact(ContactKind.FRIEND, raw, "").user_name == "a"


@pytest.mark.slow
def test_the_largest_account_printed_as_protobuf_is_read_whole() -> None:
    wrapped = {name: {"string": it} if isinstance(it, str) else it for name, it in SOUND.items()}
    people = [written(wrapped).replace(b"wxid_a", b"wxid_%d" % number) for number in range(150_000)]
    for reply in (ready(reply_of(*people)), ready(b"\xef\xbb\xbf" + reply_of(*people))):
        assert len(set(reply.friends)) == 150_000
        assert msgspec.structs.replace(reply.friends[-1], user_name="wxid_a") == AS_IT_IS
        assert not reply.flawed
        assert not reply.rejected


@pytest.mark.slow
@pytest.mark.parametrize("odd", [b"NaN", b"[]", b'{"string":"x"}', b'{"a":[NaN]}'])
def test_the_largest_account_with_an_odd_value_in_each_contact_is_read_whole(odd: bytes) -> None:
    people = [
        b'{"userName":"%d","nickName":"x","signature":null,"sex":1,"city":%b}' % (number, odd)
        for number in range(150_000)
    ]
    reply = ready(reply_of(*people))
    assert len(reply.friends) == 150_000
    assert len(reply.flawed) == (0 if odd.startswith(b'{"s') else 150_000)
