"""One call: what is sent, and what is accepted as a reply."""

import gzip
import json
import ssl
import zlib

import anyio
import msgspec
import pytest
import trustme
from anyio.abc import SocketStream

from tests.support.one_call import CHUNKED, QUICKLY, W_ID, failure_of, fetch, server_context
from tests.support.raw_server import (
    DOCUMENT_ERROR,
    DOCUMENT_SUCCESS,
    ONE_FRIEND,
    RawServer,
    http_reply,
    replying,
)
from wxcontacts_async import (
    Gateway,
    GatewayRefusedError,
    SessionPool,
)


async def test_the_documents_sample_gives_one_of_each_with_every_field_as_printed() -> None:
    async with RawServer(replying(http_reply(DOCUMENT_SUCCESS.encode()))) as server:
        contacts = await fetch(server.url)
    (official_account,) = contacts.official_accounts
    (friend,) = contacts.friends
    (group,) = contacts.groups
    assert official_account.nick_name == "豆瓣读书"
    assert (
        official_account.signature == "豆瓣读书官方订阅号。在这里，遇见好书。在阅读中，多活几次。"
    )
    assert (friend.user_name, friend.sex) == ("wxid_vao3ptfez4p22", 1)
    assert (group.user_name, group.big_head) == ("22156949594@chatroom", None)
    # Back on the wire they are what the document prints.
    printed = json.loads(DOCUMENT_SUCCESS)["data"]
    assert [msgspec.to_builtins(contact) for contact in contacts] == [
        *printed["public"],
        *printed["friend"],
        *printed["group"],
    ]


async def test_the_documents_error_gives_the_code_and_the_message() -> None:
    error = await failure_of(replying(http_reply(DOCUMENT_ERROR.encode())), retry=QUICKLY)
    assert isinstance(error, GatewayRefusedError)
    assert (error.code, error.message, error.calls) == ("1001", "失败", 1)


@pytest.mark.parametrize(
    ("suffix", "path"),
    [
        ("", "/getAllContact"),
        ("/", "/getAllContact"),
        ("/wx/api", "/wx/api/getAllContact"),
        ("/wx/api/", "/wx/api/getAllContact"),
        ("/a%20b", "/a%20b/getAllContact"),
        ("/getAllContact", "/getAllContact"),
        ("/getAllContact/", "/getAllContact"),
        ("/wx/api/getAllContact", "/wx/api/getAllContact"),
        ("/getAllContacts", "/getAllContacts/getAllContact"),
    ],
)
async def test_the_request_is_exactly_the_documents(suffix: str, path: str) -> None:
    async with RawServer(replying(http_reply())) as server:
        await fetch(Gateway(server.url + suffix, headers={"X-Token": "t"}))
    (request,) = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    assert first == f"POST {path} HTTP/1.1"
    assert headers["content-type"] == "application/json"
    assert headers["x-token"] == "t"
    assert json.loads(body) == {"wId": W_ID}


@pytest.mark.parametrize(
    "w_id",
    [
        '"quoted"',
        '","wId":"another',
        "%0d%0a\\r\\n{}//HTTP/1.1",
        "\ue000\u200d\ufffd",
        "微信🌸",
        "x" * 10_000,
        "a/b?c#d\\",
    ],
)
async def test_any_w_id_arrives_as_it_is(w_id: str) -> None:
    async with RawServer(replying(http_reply())) as server:
        await fetch(server.url, w_id=w_id)
    assert json.loads(server.requests[0].partition(b"\r\n\r\n")[2]) == {"wId": w_id}


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "text/plain; charset=utf-8", "text/html", "nonsense", ""],
)
async def test_a_reply_is_read_whatever_its_content_type(content_type: str) -> None:
    headers = f"Content-Type: {content_type}\n" if content_type else ""
    async with RawServer(replying(http_reply(headers=headers))) as server:
        contacts = await fetch(server.url)
    assert [friend.user_name for friend in contacts.friends] == ["wxid_one"]


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(
            http_reply(gzip.compress(ONE_FRIEND), headers="Content-Encoding: gzip\n"),
            id="gzip",
        ),
        pytest.param(
            http_reply(zlib.compress(ONE_FRIEND), headers="Content-Encoding: deflate\n"),
            id="deflate",
        ),
        pytest.param(CHUNKED + b"0\r\n\r\n", id="chunked"),
        pytest.param(http_reply(status="201 Created"), id="another 2xx"),
    ],
)
async def test_a_reply_may_be_compressed_or_chunked(reply: bytes) -> None:
    async with RawServer(replying(reply)) as server:
        contacts = await fetch(server.url)
    assert [friend.user_name for friend in contacts.friends] == ["wxid_one"]


async def test_a_connection_is_used_again_and_cookies_are_not_kept() -> None:
    reply = http_reply(headers="Set-Cookie: session=1\n")
    async with RawServer(replying(reply)) as server:
        # By name, since no cookie jar keeps the cookies of a bare address.
        async with SessionPool(server.url.replace("127.0.0.1", "localhost")) as pool:
            await pool.fetch("a")
            await pool.fetch("b")
        assert server.connections == 1
    assert b"cookie" not in server.requests[1].lower()


async def test_max_rate_spreads_calls_evenly() -> None:
    times: list[float] = []

    async def answer(stream: SocketStream, request: bytes) -> None:  # noqa: ARG001
        times.append(anyio.current_time())
        await stream.send(http_reply())

    async with (
        RawServer(answer) as server,
        SessionPool(Gateway(server.url, max_rate=20)) as pool,
    ):
        await pool.fetch_all(f"w{i}" for i in range(11))
    assert times[-1] - times[0] >= 0.45
    assert max(sum(t <= other < t + 0.2 for other in times) for t in times) <= 6


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


async def test_tls_trusts_what_its_context_trusts(authority: trustme.CA) -> None:
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    tls = server_context(authority, "127.0.0.1")
    async with RawServer(replying(http_reply()), tls=tls) as server:
        assert await fetch(Gateway(server.url, ssl=trusting))
        assert await fetch(Gateway(server.url, ssl=False))
