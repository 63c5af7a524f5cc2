"""What the body of an answer says whose HTTP status is no success, and what is made of it."""

from itertools import pairwise

import anyio
import pytest
from anyio.abc import SocketStream

from tests.support.loops import on_asyncio
from tests.support.one_call import ONCE, QUICKLY, failure_of, fetch
from tests.support.raw_server import RawServer, http_reply, replying
from tests.support.scripted import READY, Script, reply
from wxcontacts_async import (
    Gateway,
    GatewayHTTPError,
    GatewayRefusedError,
    InitializationWait,
    SessionPool,
)

pytestmark = on_asyncio

KIBIBYTE = 1024


@pytest.mark.parametrize("status", ["400 No", "404 No", "429 Busy", "500 Oh", "503 Away", "302 On"])
async def test_initializing_is_waited_for_whatever_the_status(status: str) -> None:
    initializing = reply("初始化中，请稍后", status=status)
    script = Script(lambda _, number: initializing if number < 3 else READY)
    async with (
        RawServer(script) as server,
        SessionPool(server.url, retry=ONCE, initialization=InitializationWait(0.1)) as pool,
    ):
        assert len(await pool.fetch("w")) == 1
    times = [at for _, at in script.calls]
    assert len(times) == 3
    assert all(after - before >= 0.1 for before, after in pairwise(times))


async def test_plain_words_say_initializing_as_well() -> None:
    words = http_reply("服务初始化中\n".encode(), status="503 Away")
    script = Script(lambda _, number: words if number < 3 else READY)
    async with (
        RawServer(script) as server,
        SessionPool(server.url, retry=ONCE, initialization=InitializationWait(0.05)) as pool,
    ):
        assert len(await pool.fetch("w")) == 1
    page = http_reply("<html>初始化中".encode(), status="404 No")
    assert isinstance(await failure_of(replying(page)), GatewayHTTPError)


async def test_a_refusal_with_a_client_error_says_all_three_and_is_final() -> None:
    error = await failure_of(replying(reply("wId不存在", status="404 Not Found")), retry=QUICKLY)
    assert isinstance(error, GatewayRefusedError)
    assert (error.status, error.code, error.message) == (404, "1001", "wId不存在")
    assert error.calls == 1
    for said in ("404", "1001", "wId不存在"):
        assert said in str(error)


async def test_a_refusal_with_a_server_error_may_pass_and_carries_the_message() -> None:
    refused = reply("服务异常", status="500 Oh")
    async with RawServer(replying(refused, refused, READY)) as server:
        assert len(await fetch(server.url, retry=QUICKLY)) == 1
    error = await failure_of(replying(refused), retry=QUICKLY)
    assert isinstance(error, GatewayRefusedError)
    assert (error.status, error.message, error.calls) == (500, "服务异常", 3)
    assert error.transient


async def test_a_refusal_of_success_has_no_status() -> None:
    error = await failure_of(replying(reply("失败")))
    assert isinstance(error, GatewayRefusedError)
    assert error.status is None
    assert "HTTP" not in str(error)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><title>404</title></html>",
        b'{"timestamp":1,"status":404,"error":"Not Found","path":"/getAllContact"}',
        b'{"code":"1000","message":"ok","data":{"friend":[{"userName":"wxid_secret"}]}}',
        b'{"code":',
        b"[]",
        b"null",
    ],
)
async def test_what_is_no_refusal_is_an_http_error_that_shows_nothing_of_it(body: bytes) -> None:
    error = await failure_of(replying(http_reply(body, status="404 Not Found")), retry=QUICKLY)
    assert isinstance(error, GatewayHTTPError)
    assert (error.status, error.calls) == (404, 1)
    assert "wxid_secret" not in f"{error} {error!r} {vars(error)}"


@pytest.mark.parametrize("status", ["408 Slow", "425 Early"])
async def test_a_request_that_came_too_slowly_or_too_early_may_pass(status: str) -> None:
    async with RawServer(replying(http_reply(b"", status=status), READY)) as server:
        assert len(await fetch(server.url, retry=QUICKLY)) == 1


async def test_a_body_without_end_is_read_for_64_kib_and_no_more() -> None:
    sent = 0

    async def endless(stream: SocketStream, request: bytes) -> None:  # noqa: ARG001
        nonlocal sent
        await stream.send(b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await stream.send(b"1000\r\n" + b" " * 4 * KIBIBYTE + b"\r\n")
            sent += 4 * KIBIBYTE

    async with RawServer(endless) as server, SessionPool(server.url, retry=ONCE) as pool:
        with anyio.fail_after(30), pytest.raises(GatewayHTTPError) as raised:
            await pool.fetch("w")
        await server.wait_for(lambda: server.open_connections == 0)
    assert raised.value.status == 404
    assert sent < 8192 * KIBIBYTE  # what sockets buffer included


async def test_a_body_that_breaks_off_leaves_the_status() -> None:
    async def cut(stream: SocketStream, request: bytes) -> None:  # noqa: ARG001
        await stream.send(http_reply(b"<html>", status="404 No", length=1_000))
        await stream.aclose()

    error = await failure_of(cut, retry=QUICKLY)
    assert isinstance(error, GatewayHTTPError)
    assert (error.status, error.calls) == (404, 1)


async def test_a_body_that_never_comes_leaves_the_status() -> None:
    async def silent(stream: SocketStream, request: bytes) -> None:  # noqa: ARG001
        await stream.send(http_reply(b"", status="404 No", length=1_000))
        await anyio.sleep_forever()

    async with (
        RawServer(silent) as server,
        SessionPool(Gateway(server.url, request_timeout=0.3), retry=ONCE) as pool,
    ):
        with pytest.raises(GatewayHTTPError):
            await pool.fetch("w")


async def test_json_is_asked_for_unless_the_caller_says_otherwise() -> None:
    async with RawServer(replying(http_reply())) as server:
        await fetch(server.url)
        await fetch(Gateway(server.url, headers={"accept": "application/vnd.gateway+json"}))
    plain, own = (request.lower() for request in server.requests)
    assert b"\r\naccept: application/json\r\n" in plain
    assert own.count(b"accept:") == 1
    assert b"\r\naccept: application/vnd.gateway+json\r\n" in own
