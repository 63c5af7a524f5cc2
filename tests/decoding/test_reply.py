"""From bytes to replies: what is accepted, what is salvaged, what is refused."""

import json
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.raw_server import DOCUMENT_ERROR, DOCUMENT_SUCCESS
from wxcontacts_async import Contact, ContactKind, InvalidArgumentError, ReplyDecodeError, Sex
from wxcontacts_async._decoding.reply import ReplyDecoder
from wxcontacts_async._decoding.verdict import Initializing, Ready, Refused, Throttled, Unready
from wxcontacts_async._http.request import encode_request
from wxcontacts_async._messages import says_initializing

decoder = ReplyDecoder(Contact, says_initializing)


def decode(reply: object) -> Ready[Contact] | Unready:
    return decoder.decode(json.dumps(reply, ensure_ascii=False).encode())


def ready(reply: object) -> Ready[Contact]:
    decoded = decode(reply)
    assert isinstance(decoded, Ready)
    return decoded


def success(**lists: object) -> dict[str, object]:
    return {"message": "成功", "code": "1000", "data": lists}


def only_friend(**fields: object) -> Contact:
    (friend,) = ready(success(friend=[{"userName": "wxid_a", **fields}])).friends
    return friend


def test_the_documents_sample_is_decoded_with_every_field_as_printed() -> None:
    reply = decoder.decode(DOCUMENT_SUCCESS.encode())
    assert isinstance(reply, Ready)
    sample = json.loads(DOCUMENT_SUCCESS)["data"]
    assert msgspec.to_builtins(reply.official_accounts, builtin_types=(tuple,)) == tuple(
        sample["public"]
    )
    assert msgspec.to_builtins(reply.friends) == tuple(sample["friend"])
    assert msgspec.to_builtins(reply.groups) == tuple(sample["group"])
    assert reply.rejected == ()


def test_the_documents_error_is_a_refusal() -> None:
    assert decoder.decode(DOCUMENT_ERROR.encode()) == Refused("1001", "失败")


@pytest.mark.parametrize("code", ["1000", 1000, 1000.0, " 1000 "])
def test_success_is_1000_however_it_is_written(code: object) -> None:
    reply = ready({"code": code, "data": {"friend": [{"userName": "a"}]}})
    assert [friend.user_name for friend in reply.friends] == ["a"]


@pytest.mark.parametrize(
    ("code", "kept"),
    [("1001", "1001"), (10001, "10001"), (0, "0"), (-1, "-1"), ("ERR", "ERR"), (1000.5, "1000.5")],
)
def test_any_other_code_is_a_refusal_and_is_kept_as_text(code: object, kept: str) -> None:
    assert decode({"code": code, "msg": "no", "data": None}) == Refused(kept, "no")


@pytest.mark.parametrize("data", [None, "", [], {}, "text", 7, [1], {"friend": 3}])
def test_on_failure_data_may_be_anything(data: object) -> None:
    assert decode({"message": "失败", "code": 10001, "data": data}) == Refused("10001", "失败")


def test_on_failure_data_may_be_absent() -> None:
    assert decode({"message": "失败", "code": 10001}) == Refused("10001", "失败")


@pytest.mark.parametrize("key", ["msg", "message"])
@pytest.mark.parametrize("code", ["1000", 1001, 10001, None])
def test_the_text_in_either_message_means_initializing_whatever_the_code(
    key: str,
    code: object,
) -> None:
    assert decode({"code": code, key: "微信初始化中", "data": None}) == Initializing("微信初始化中")


def test_the_predicate_for_initializing_can_be_replaced() -> None:
    own = ReplyDecoder(Contact, lambda code, message: code == "1002" and message == "loading")
    assert own.decode(b'{"code":1002,"msg":"loading"}') == Initializing("loading")
    assert own.decode('{"code":1001,"msg":"初始化中"}'.encode()) == Refused("1001", "初始化中")


@pytest.mark.parametrize(
    ("sex", "expected"),
    [
        (0, Sex.UNKNOWN),
        (1, Sex.MALE),
        ("1", Sex.MALE),
        ("2", Sex.FEMALE),
        (None, Sex.UNKNOWN),
        ("", Sex.UNKNOWN),
        (3, 3),
        ("9", 9),
        (1.0, Sex.MALE),
    ],
)
def test_sex_is_a_number_however_it_is_written_and_an_unknown_one_is_kept(
    sex: object,
    expected: int,
) -> None:
    friend = only_friend(sex=sex)
    assert friend.sex == expected
    assert isinstance(friend.sex, Sex)


def test_absent_keys_are_null_and_unknown_keys_are_ignored() -> None:
    assert only_friend(remark={"deep": [1]}) == Contact("wxid_a")


@pytest.mark.parametrize("space", [b" ", b"\n \t"])
@pytest.mark.parametrize("brackets", [b"[]", b"{}"])
def test_an_empty_list_or_data_may_have_space_in_it(brackets: bytes, space: bytes) -> None:
    empty = brackets[:1] + space + brackets[1:]
    for body in (b'{"code":1000,"data":%s}', b'{"code":1000,"data":{"friend":%s,"group":""}}'):
        assert decoder.decode(body % empty) == Ready((), (), ())


def test_either_message_may_say_that_it_is_initializing() -> None:
    assert decode({"code": 1001, "message": "失败", "msg": "初始化中"}) == Initializing("初始化中")


def test_a_contact_type_that_raises_rejects_that_contact_alone() -> None:
    class Picky(Contact, frozen=True):
        def __post_init__(self) -> None:
            if self.user_name == "bad":
                raise LookupError

    picky = ReplyDecoder(Picky, says_initializing)
    reply = picky.decode(
        json.dumps(success(friend=[{"userName": "a"}, {"userName": "bad"}])).encode()
    )
    assert isinstance(reply, Ready)
    assert reply.friends == (Picky("a"),)
    assert [rejected.error for rejected in reply.rejected] == ["LookupError"]


def test_the_reason_of_a_rejection_hides_a_value_that_is_not_listed() -> None:
    class Labelled(Contact, frozen=True, kw_only=True):
        label: Literal["a", "b"]

    labelled = ReplyDecoder(Labelled, says_initializing)
    body = json.dumps(success(friend=[{"userName": "x", "label": "my-secret"}])).encode()
    reply = labelled.decode(body)
    assert isinstance(reply, Ready)
    assert "my-secret" not in reply.rejected[0].error
    assert "label" in reply.rejected[0].error


@pytest.mark.parametrize("empty", [None, [], "", {}])
def test_a_missing_or_null_list_is_empty(empty: object) -> None:
    reply = ready(success(public=empty, friend=[{"userName": "a"}]))
    assert (reply.official_accounts, len(reply.friends), reply.groups) == ((), 1, ())
    assert reply.rejected == ()


@pytest.mark.parametrize("data", [None, {}, "", []])
def test_a_success_without_data_has_no_contacts(data: object) -> None:
    assert ready({"code": 1000, "data": data}) == Ready((), (), ())


def test_a_number_where_text_belongs_is_that_text() -> None:
    assert only_friend(nickName=123, aliasName=1.5) == Contact(
        "wxid_a",
        nick_name="123",
        alias_name="1.5",
    )


WRONG_CONTACTS: list[object] = [
    {},
    {"userName": None},
    {"userName": 7},
    {"userName": ""},
    {"userName": " \t\u3000"},
    {"userName": {"nested": "x"}},
    {"userName": {"string": " "}},
    {"userName": ["x"], "nickName": ["list"]},
    None,
    "text",
    7,
    ["list"],
]


@pytest.mark.parametrize("wrong", WRONG_CONTACTS)
@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("public", ContactKind.OFFICIAL_ACCOUNT),
        ("friend", ContactKind.FRIEND),
        ("group", ContactKind.GROUP),
    ],
)
def test_a_wrong_contact_is_rejected_with_its_bytes_and_harms_no_other(
    wrong: object,
    key: str,
    kind: ContactKind,
) -> None:
    others: list[object] = [{"userName": f"wxid_{i}"} for i in range(20)]
    raw = json.dumps(wrong, ensure_ascii=False).encode()
    reply = ready({**success(), "data": {key: [*others[:9], wrong, *others[9:]]}})
    lists = {
        ContactKind.OFFICIAL_ACCOUNT: reply.official_accounts,
        ContactKind.FRIEND: reply.friends,
        ContactKind.GROUP: reply.groups,
    }
    assert [contact.user_name for contact in lists[kind]] == [f"wxid_{i}" for i in range(20)]
    (rejected,) = reply.rejected
    assert (rejected.kind, rejected.raw) == (kind, raw)
    assert rejected.error


def test_the_reason_of_a_rejection_names_the_field_and_not_its_value() -> None:
    reply = ready(success(friend=[{"userName": {"张三": "secret"}}, {"userName": "\n"}]))
    assert [rejected.error for rejected in reply.rejected] == [
        "Expected `str`, got `object` - at `$.userName`",
        "userName is blank",
    ]


def test_a_list_of_another_shape_is_rejected_as_a_whole() -> None:
    reply = ready(success(friend=[{"userName": "a"}], group={"a": 1}))
    assert [friend.user_name for friend in reply.friends] == ["a"]
    assert [(rejected.kind, rejected.raw) for rejected in reply.rejected] == [
        (ContactKind.GROUP, b'{"a": 1}'),
    ]


@pytest.mark.parametrize(
    ("body", "looks_like"),
    [
        (b"", "empty"),
        (b" \r\n", "empty"),
        (b"null", "other text of 4 bytes that begins 'null'"),
        (b"[]", "a JSON list of 2 bytes"),
        (
            b"<html><h1>502 Bad Gateway</h1>",
            "a web page of 30 bytes that begins '<html><h1>502 Bad",
        ),
        (b"upstream timed out", "other text of 18 bytes that begins 'upstream timed out'"),
        (DOCUMENT_SUCCESS.encode()[:700], "a damaged JSON object of 700 bytes"),
        (b'{"a":' + b"[" * 100_000, "a damaged JSON object of 100005 bytes"),
        (b'{"a":' * 100_000, "a damaged JSON object"),
        (b'{"timestamp":1,"status":404}', "a JSON object without a code"),
        (b'{"code":1000,"data":"text"}', "a success whose data is no JSON object"),
        (b'{"code":1000,"data":[1]}', "a success whose data is no JSON object"),
        (b"7", "other text of 1 bytes that begins '7'"),
        (b"<c><userName>wxid_secret</userName></c>", "a web page of 39 bytes."),
        (b'secret" , "nickName" : "x"}', "other text of 27 bytes."),
    ],
)
def test_what_is_no_reply_is_refused_and_says_what_it_looked_like(
    body: bytes,
    looks_like: str,
) -> None:
    with pytest.raises(ReplyDecodeError) as raised:
        decoder.decode(body)
    assert f"the reply is no getAllContact reply but {looks_like}" in str(raised.value)
    assert raised.value.transient


@pytest.mark.parametrize("cut", range(0, len(DOCUMENT_SUCCESS.encode()) - 2, 37))
def test_no_cut_reply_shows_a_contact_in_its_error(cut: int) -> None:
    body = DOCUMENT_SUCCESS.encode()
    for part in (body[:cut], body[cut:-2]):
        with pytest.raises(ReplyDecodeError) as raised:
            decoder.decode(part)
        message = str(raised.value)
        for secret in ("wxid_", "gh_", "chatroom", "qlogo", "朋友", "豆瓣", "从来处", "朝阳"):
            assert secret not in message


def test_contacts_of_ones_own_type_have_their_own_fields() -> None:
    class MyContact(Contact, frozen=True):
        remark_name: str | None = None
        labels: tuple[str, ...] = ()

    own = ReplyDecoder(MyContact, says_initializing)
    body = json.dumps(
        success(
            friend=[
                {"userName": "a", "remarkName": "r", "labels": ["x"]},
                {"userName": "b", "sex": None},
            ],
        ),
    ).encode()
    assert own.decode(body) == Ready(
        (),
        (MyContact("a", remark_name="r", labels=("x",)), MyContact("b")),
        (),
    )


def test_a_contact_type_that_cannot_be_decoded_is_refused_at_once() -> None:
    class Wrong(Contact, frozen=True):
        handle: int | str | list[int] | tuple[int, ...] = 0

    with pytest.raises(InvalidArgumentError, match="^contact_type Wrong cannot be decoded"):
        ReplyDecoder(Wrong, says_initializing)


@given(st.text())
def test_any_w_id_is_sent_as_correct_json(w_id: str) -> None:
    assert json.loads(encode_request(w_id)) == {"wId": w_id}


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
contact_keys = st.sampled_from(["userName", "nickName", "sex", "city", "unknown"])
contactish = st.dictionaries(contact_keys, json_values) | json_values
replyish = st.fixed_dictionaries(
    {},
    optional={
        "code": st.sampled_from(["1000", 1000, "1001", 1000.0]) | json_values,
        "msg": st.sampled_from(["成功", "初始化中"]) | json_values,
        "message": json_values,
        "data": st.dictionaries(
            st.sampled_from(["public", "friend", "group"]),
            st.lists(contactish, max_size=4) | json_values,
        )
        | json_values,
    },
)


@given(st.binary() | replyish.map(lambda reply: json.dumps(reply).encode()))
def test_any_bytes_are_a_reply_or_an_error_of_ours(body: bytes) -> None:
    try:
        reply = decoder.decode(body)
    except ReplyDecodeError:
        return
    assert isinstance(reply, Ready | Initializing | Throttled | Refused)


@given(st.lists(contactish, max_size=6))
def test_every_contact_is_either_decoded_or_rejected_with_its_bytes(members: list[Any]) -> None:
    reply = ready(success(friend=members))
    assert len(reply.friends) + len(reply.rejected) == len(members)
    remaining = iter(reply.friends)
    rejected = [entry.raw for entry in reply.rejected]
    for member in members:
        raw = json.dumps(member, ensure_ascii=False).encode()
        if raw in rejected:
            continue
        contact = next(remaining)
        assert contact.user_name == member["userName"]
        assert contact.user_name.strip()
