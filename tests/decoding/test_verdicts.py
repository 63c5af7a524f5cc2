"""What a reply says: initializing, throttled, refused, or contacts under keys that are none."""

import json
from typing import Never

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.decoding.test_reply import decode, replyish
from tests.support.decoding import decoder, ready, reply_of, written
from tests.support.loops import on_asyncio
from tests.support.one_call import failure_of, fetch
from tests.support.raw_server import DOCUMENT_SUCCESS, RawServer, http_reply, replying
from wxcontacts_async import (
    Contact,
    GatewayRefusedError,
    InitializationTimeoutError,
    InitializationWait,
    ReplyDecodeError,
    RetryPolicy,
    SessionPool,
    WxContactsError,
)
from wxcontacts_async._decoding.reply import ReplyDecoder
from wxcontacts_async._decoding.verdict import Initializing, Ready, Refused, Throttled
from wxcontacts_async._messages import says_initializing

TOO_OFTEN = "操作太频繁，请稍后再试"


def error_of(body: bytes) -> ReplyDecodeError:
    with pytest.raises(ReplyDecodeError) as raised:
        decoder.decode(body)
    return raised.value


# Keys


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ({"contacts": [{"userName": "wxid_a"}]}, "contacts"),
        ({"Friend": [], "friends": []}, "Friend, friends"),
        ({"data": {"friend": []}}, "data"),
        ({"contacts": None}, "contacts"),
        (
            {f"{key}List": 1 for key in "abcdefg"},
            "aList, bList, cList, dList, eList, 2 others",
        ),
        ({"Count" * 20: 1, "联系人": []}, f"{'Count' * 8}, 1 other"),
        ({"zhangsan": {}, "lisi": [{"userName": "a"}]}, "2 others"),
        ({"zhangsan": {}, "pageSize": 1}, "pageSize, 1 other"),
        ({"not a name": 1, "x@y": 1}, "2 others"),
        ({"wxid_secret": {}, "zhangsan": {}}, "2 others"),
        ({"gh_secret": {}}, "1 other"),
        ({"22156949594@chatroom": {}, "zhangsan": {}}, "2 others"),
        ({"zhangsan": {}, "qq13800138000": {}}, "2 others"),
    ],
)
@pytest.mark.parametrize("damage", ["", "\t", "\\ud83d"])
def test_a_success_with_none_of_the_three_lists_is_an_error_that_names_its_keys(
    data: object,
    named: str,
    damage: str,
) -> None:
    body = written({"code": 1000, "message": "#", "data": data}).replace(b"#", damage.encode())
    error = error_of(body)
    assert f"a success whose data has no public, friend or group but {named}. " in str(error)
    assert not error.transient


def test_keys_are_looked_at_in_damaged_replies_too() -> None:
    error = error_of(b'{"code":1000,"data":{"contacts":[{"userName":NaN}],"total":1}}')
    assert "no public, friend or group but contacts, total. " in str(error)


@pytest.mark.parametrize(
    "data",
    [
        *(None, "", [], {}),
        {"friend": None},
        {"friend": [], "contacts": [1]},
        {"public": "", "count": 0},
        {"group": {}, "count": 0},
    ],
)
def test_a_success_with_no_data_or_an_empty_list_is_one_with_no_contacts(data: object) -> None:
    assert decode({"code": 1000, "data": data}) == Ready((), (), ())
    assert ready(b'{"code":1000,"msg":"\t","data":%b}' % written(data)) == Ready((), (), ())


@on_asyncio
async def test_contacts_under_other_keys_fail_their_instance_after_one_call() -> None:
    body = b'{"code":"1000","data":{"contacts":[{"userName":"wxid_a"}]}}'
    async with RawServer(replying(http_reply(body))) as server:
        with pytest.raises(ReplyDecodeError, match="group but contacts") as raised:
            await fetch(server.url, retry=RetryPolicy(5, initial_delay=0))
        assert len(server.requests) == 1
    assert "wxid_" not in str(raised.value)


# Code and message


@pytest.mark.parametrize("key", ["msg", "message"])
@pytest.mark.parametrize("code", ["1001", 10001, "ERR"])
def test_a_refusal_that_says_too_often_is_throttled(key: str, code: object) -> None:
    assert decode({"code": code, key: TOO_OFTEN}) == Throttled(str(code), TOO_OFTEN)
    other = "msg" if key == "message" else "message"
    assert decode({"code": code, key: TOO_OFTEN, other: "失败"}) == Throttled(str(code), TOO_OFTEN)


def test_initializing_goes_before_success_success_before_throttled_and_that_before_refused() -> (
    None
):
    both = f"初始化中，{TOO_OFTEN}"
    assert decode({"code": 1000, "msg": "初始化中"}) == Initializing("初始化中")
    assert decode({"code": 1001, "msg": both}) == Initializing(both)
    assert decode({"code": 1000, "msg": TOO_OFTEN, "data": None}) == Ready((), (), ())
    assert decode({"code": 1001, "msg": "初始化中断，请重新登录"}) == Refused(
        "1001", "初始化中断，请重新登录"
    )


def test_the_predicate_for_throttled_can_be_replaced() -> None:
    own = ReplyDecoder(Contact, says_initializing, lambda code, _: code == "1002")
    assert own.decode(b'{"code":1002,"msg":"x"}') == Throttled("1002", "x")
    assert own.decode(written({"code": 1001, "msg": TOO_OFTEN})) == Refused("1001", TOO_OFTEN)


@pytest.mark.parametrize(
    ("value", "shown"),
    [({"a": {"secret": "s"}}, "{...}"), (["secret"], "[...]"), ({}, "{...}"), (True, "true")],
)
def test_what_stands_in_an_object_or_a_list_is_not_shown(value: object, shown: str) -> None:
    assert decode({"code": value, "message": "m"}) == Refused(shown, "m")
    assert decode({"code": 1001, "message": value}) == Refused("1001", shown)
    assert decode({"code": 1001, "msg": ["初始化中"]}) == Initializing("[...]")


@on_asyncio
async def test_a_predicate_for_throttled_that_raises_fails_its_instance() -> None:
    def broken(code: str, message: str) -> Never:
        raise LookupError(code, message)

    answer = replying(http_reply(b'{"code":1001,"msg":"no"}'))
    error = await failure_of(answer, retry=RetryPolicy(1, is_throttled=broken))
    assert type(error) is WxContactsError
    assert error.what == "is_throttled raised LookupError"
    assert isinstance(error.__cause__, LookupError)


@on_asyncio
async def test_a_refusals_message_is_shown_on_one_line_and_at_most_200_characters_of_it() -> None:
    message = "第一行\n第二行 " + "很" * 300
    body = written({"code": "9" * 100, "message": message})
    error = await failure_of(replying(http_reply(body)))
    assert isinstance(error, GatewayRefusedError)
    assert error.message == message
    assert "\n" not in str(error)
    assert f"code {'9' * 80!r}... (100 characters) and message {message[:200]!r}... (" in str(error)


@on_asyncio
async def test_an_initialization_that_takes_too_long_quotes_the_last_message() -> None:
    replies = [written({"code": 1001, "msg": f"初始化中\n{step}" + "…" * 300}) for step in "ab"]

    async with RawServer(replying(*map(http_reply, replies))) as server:
        wait = InitializationWait(0.05, timeout=0.05)
        async with SessionPool(server.url, initialization=wait) as pool:
            with pytest.raises(InitializationTimeoutError) as raised:
                await pool.fetch("w")
    assert "of at most 0.05 s; the gateway says '初始化中\\nb…" in str(raised.value)
    assert "… (306 characters)" not in str(raised.value)
    assert "'... (306 characters)" in str(raised.value)


# The body of an answer that is no success by its status


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        ('{"code":"1001","message":"wId不存在"}', Refused("1001", "wId不存在")),
        ('\ufeff {"code":404,"msg":"no"}', Refused("404", "no")),
        ('{"code":1001,"message":"初始化中"}', Initializing("初始化中")),
        ('{"message":"初始化中"}', Initializing("初始化中")),
        (f'{{"code":1001,"message":"{TOO_OFTEN}"}}', Throttled("1001", TOO_OFTEN)),
        ('{"code":1001,"message":"a\\ud83d\tb"}', Refused("1001", "a\ufffd\tb")),
        ('{"code":{"a":1},"message":["b"]}', Refused("{...}", "[...]")),
        ('{"code":1001,"message":"no","data":{"friend":[{"userName":"wxi', Refused("1001", "no")),
        ('{"code":1001,"message":"no","da', Refused("1001", "no")),
        ('{"code":1001,"message":"no', Refused("1001", "")),
        ('{"code":1001,"message":NaN}', Refused("1001", "")),
        ('{"code":"1000","message":"成功"}', None),
        ('{"message":"API rate limit exceeded"}', None),
        ('{"timestamp":1,"status":500,"error":"Internal Server Error"}', None),
        ('{"data":{"friend":[{"userName":"wxi', None),
        ("<html>code 1001</html>", None),
        ("upstream timed out", None),
        ("[1001]", None),
        ("null", None),
        ("", None),
    ],
)
def test_the_body_of_another_status_says_what_its_envelope_says(
    body: str,
    verdict: object,
) -> None:
    assert decoder.verdict(body.encode()) == verdict


def test_the_body_of_another_status_is_read_in_its_encoding_and_however_it_is_cut() -> None:
    text = '{"message":"wId不存在","code":"1001"}'
    for encoding in ("utf-16", "utf-8-sig"):
        assert decoder.verdict(text.encode(encoding)) == Refused("1001", "wId不存在")
    label = "application/json; charset=gbk"
    assert decoder.verdict(text.encode("gbk"), label) == Refused("1001", "wId不存在")
    cut = '{"code":"1001","message":"失败","data":"'.encode("gbk") + b"\xd5" * 65_499
    assert decoder.verdict(cut, label) == Refused("1001", "失败")


def test_no_value_of_the_body_of_another_status_is_read_but_code_and_message() -> None:
    assert decoder.verdict(DOCUMENT_SUCCESS.encode()) is None
    assert decoder.verdict(reply_of(b'{"userName":"a"}')) is None


hostile = st.sampled_from([b"[", b'{"a":', b"\\", b'"', b"\xff", b"\x00", b'"\t",', b"\\ud83d"])


@given(
    st.binary()
    | replyish.map(lambda it: json.dumps(it).encode())
    | hostile.map(lambda it: it * 9999),
    st.integers(0, 400),
    st.sampled_from(["", "charset=gbk", "charset=utf-16"]),
)
def test_any_body_of_another_status_is_something_said_or_nothing(
    body: bytes,
    cut: int,
    content_type: str,
) -> None:
    for part in (body, body[:cut], b'{"code":1,"data":' + body):
        verdict = decoder.verdict(part, content_type)
        assert verdict is None or isinstance(verdict, Initializing | Throttled | Refused)


def test_a_predicate_that_raises_is_an_error_of_ours_there_too() -> None:
    def broken(code: str, message: str) -> Never:
        raise LookupError(code, message)

    with pytest.raises(WxContactsError, match="is_initializing raised LookupError"):
        ReplyDecoder(Contact, broken).verdict(b'{"code":1}')
    with pytest.raises(WxContactsError, match="is_throttled raised LookupError"):
        ReplyDecoder(Contact, says_initializing, broken).verdict(b'{"code":1}')
