"""A reply is the same however it is framed and cut, and its connection is kept where it can be."""

import logging
import zlib
from collections.abc import Callable
from functools import cache

import anyio
import pytest
from anyio.abc import SocketStream

from tests.support.lending import lent
from tests.support.one_call import ONCE, W_ID, failure, fetch
from tests.support.raw_server import ONE_FRIEND, RawServer, http_reply, replying
from wxcontacts_async import (
    Gateway,
    GatewayConnectionError,
    GatewayTimeoutError,
    InvalidArgumentError,
    ReplyDecodeError,
    ReplyTooLargeError,
    SessionPool,
)
from wxcontacts_async._http import client, link

MIB = 1024 * 1024
MANY = 8_000  # some 370 KB
BETWEEN = pytest.param(1_500, marks=pytest.mark.slow)  # some 70 KB


@cache
def contacts(count: int) -> bytes:
    friends = b",".join(b'{"userName":"wxid_%d","nickName":"Some one"}' % n for n in range(count))
    return b'{"code":"1000","message":"ok","data":{"friend":[%b]}}' % friends


def in_chunks(body: bytes, size: int, *, extension: bytes = b"", trailer: bytes = b"") -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    lines = [b"%x%b\r\n%b\r\n" % (len(each), extension, each) for each in pieces]
    return b"".join([head, *lines, b"0\r\n", trailer, b"\r\n"])


def sending(reply: bytes, cut: int) -> "Cut":
    return Cut(reply, cut)


class Cut:
    """Answers with a reply in pieces of so many bytes, each sent by itself."""

    def __init__(self, reply: bytes, size: int) -> None:
        self._pieces = [reply[at : at + size] for at in range(0, len(reply), size)]

    async def __call__(self, stream: SocketStream, request: bytes) -> None:  # noqa: ARG002
        for piece in self._pieces:
            await stream.send(piece)
            await anyio.lowlevel.checkpoint()


@cache
def bomb() -> bytes:
    compressor = zlib.compressobj(wbits=31)
    return b"".join(compressor.compress(bytes(MIB)) for _ in range(150))


KEPT: dict[str, Callable[[bytes], bytes]] = {
    "with a length": http_reply,
    "in chunks of 8 KiB": lambda body: in_chunks(body, 8192),
    "in chunks of 1000": lambda body: in_chunks(body, 1000),
    "in one chunk": lambda body: in_chunks(body, len(body)),
    "with extensions": lambda body: in_chunks(body, 8192, extension=b";a=b"),
    "with trailers": lambda body: in_chunks(body, 8192, trailer=b"X-Sum: 1\r\n"),
    "after 100": lambda body: b"HTTP/1.1 100 Continue\r\n\r\n" + http_reply(body),
}


@pytest.mark.parametrize("framed", KEPT)
@pytest.mark.parametrize(
    ("count", "cut"),
    [(1, 1_000_000), pytest.param(1_500, 1_000_000, marks=pytest.mark.slow), (MANY, 50_000)],
)
async def test_each_framing_is_read_and_its_connection_kept(
    framed: str, count: int, cut: int
) -> None:
    async with (
        RawServer(sending(KEPT[framed](contacts(count)), cut)) as server,
        SessionPool(server.url, retry=ONCE) as pool,
    ):
        for _ in range(3):
            assert len(await pool.fetch(W_ID)) == count
        assert server.connections == 1
        assert lent() == 0


@pytest.mark.parametrize("count", [1, MANY])
async def test_a_reply_up_to_the_end_of_its_connection_is_read(count: int) -> None:
    async def answer(stream: SocketStream, request: bytes) -> None:  # noqa: ARG001
        await stream.send(b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\n" + contacts(count))
        await stream.aclose()

    async with RawServer(answer) as server, SessionPool(server.url, retry=ONCE) as pool:
        for _ in range(2):
            assert len(await pool.fetch(W_ID)) == count
        assert server.connections == 2


@pytest.mark.parametrize("framed", ["with a length", "in chunks of 8 KiB"])
async def test_a_reply_that_says_so_is_the_last_of_its_connection(framed: str) -> None:
    reply = KEPT[framed](contacts(MANY)).replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
    async with RawServer(replying(reply)) as server, SessionPool(server.url) as pool:
        for _ in range(2):
            assert len(await pool.fetch(W_ID)) == MANY
        assert server.connections == 2


@pytest.mark.parametrize("count", [1, BETWEEN, MANY])
@pytest.mark.parametrize("framed", ["with a length", "in chunks of 8 KiB"])
async def test_stray_bytes_behind_a_reply_cost_its_connection_alone(
    framed: str, count: int, way: str
) -> None:
    if way == "aiohttp":
        pytest.skip("aiohttp's session takes both for one reply that is none")
    reply = KEPT[framed](contacts(count)) + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    async with RawServer(replying(reply)) as server, SessionPool(server.url, retry=ONCE) as pool:
        for _ in range(2):
            assert len(await pool.fetch(W_ID)) == count
        assert server.connections == 2
        assert lent() == 0


async def test_a_header_of_60_kib_is_read() -> None:
    reply = http_reply(headers=f"X-Long: {'x' * 60_000}\n")
    async with RawServer(replying(reply)) as server:
        assert len(await fetch(server.url)) == 1


async def test_chunks_win_over_a_length_or_it_is_said_which_header_is_wrong() -> None:
    reply = in_chunks(ONE_FRIEND, 8192).replace(b"\r\n", b"\r\nContent-Length: 5\r\n", 1)
    async with RawServer(replying(reply)) as server:
        error = await failure(server.url)
        assert isinstance(error, ReplyDecodeError)
        assert not error.transient
        assert "Transfer-Encoding" in str(error) or "Content-Length" in str(error)
        assert len(server.requests) == 1


async def test_one_length_twice_is_one_length_or_it_is_said_which_header_is_wrong() -> None:
    reply = http_reply(headers=f"Content-Length: {len(ONE_FRIEND)}\n")
    async with RawServer(replying(reply)) as server:
        error = await failure(server.url)
        assert isinstance(error, ReplyDecodeError)
        assert not error.transient
        assert "Content-Length" in str(error)
        assert len(server.requests) == 1


@pytest.mark.parametrize("framed", ["with a length", "in chunks of 8 KiB", "in one chunk"])
async def test_a_reply_is_refused_as_soon_as_it_is_known_to_be_too_large(framed: str) -> None:
    whole = KEPT[framed](contacts(MANY))

    async def answer(stream: SocketStream, request: bytes) -> None:  # noqa: ARG001
        await stream.send(whole[:300_000])
        await anyio.sleep_forever()

    async with RawServer(answer) as server:
        error = await failure(Gateway(server.url, max_reply_bytes=200_000))
        assert isinstance(error, ReplyTooLargeError)
        assert lent() == 0
        await server.wait_for(lambda: server.open_connections == 0)


@pytest.mark.parametrize("framed", ["with a length", "in chunks of 8 KiB", "with trailers"])
@pytest.mark.parametrize("received", [10, 100, 40_000, 300_000])
async def test_a_reply_that_is_cut_off_is_said_to_be(framed: str, received: int) -> None:
    async def answer(stream: SocketStream, request: bytes) -> None:  # noqa: ARG001
        await stream.send(KEPT[framed](contacts(MANY))[:received])
        await stream.aclose()

    async with RawServer(answer) as server:
        error = await failure(Gateway(server.url, outage_timeout=0.01))
        assert isinstance(error, GatewayConnectionError)
        assert ("cut off" in str(error)) is (received > 50)
        assert lent() == 0


@pytest.mark.parametrize("received", [0, 10, 100, 300_000])
async def test_a_reply_that_does_not_end_is_given_its_time_and_no_more(received: int) -> None:
    async def answer(stream: SocketStream, request: bytes) -> None:  # noqa: ARG001
        if received:
            await stream.send(http_reply(contacts(MANY))[:received])
        await anyio.sleep_forever()

    async with RawServer(answer) as server:
        gateway = Gateway(server.url, request_timeout=0.3, outage_timeout=0.01)
        began = anyio.current_time()
        error = await failure(gateway)
        assert anyio.current_time() - began >= 0.3
        assert isinstance(error, GatewayTimeoutError)
        assert "within 0.3 s" in str(error)
        assert lent() == 0
        await server.wait_for(lambda: server.open_connections == 0)


@pytest.mark.parametrize("received", [0, 10, 100, 300_000])
async def test_a_cancelled_call_is_gone_for_the_gateway_at_once(received: int) -> None:
    async def answer(stream: SocketStream, request: bytes) -> None:  # noqa: ARG001
        if received:
            await stream.send(http_reply(contacts(MANY))[:received])
        await anyio.sleep_forever()

    async with RawServer(answer) as server, SessionPool(server.url) as pool:
        with anyio.move_on_after(0.2):
            await pool.fetch(W_ID)
        assert lent() == 0
        await server.wait_for(lambda: server.open_connections == 0)
        assert pool.statistics()[server.url].calling == 0


@pytest.mark.slow
async def test_more_large_replies_than_buffers_are_all_read() -> None:
    reply = http_reply(contacts(40_000))
    async with RawServer(sending(reply, 100_000)) as server, SessionPool(server.url) as pool:
        report = await pool.fetch_all(f"wxid_{number}" for number in range(24))
        assert {len(each) for each in report.contacts.values()} == {40_000}
        assert len(report.contacts) == 24
        assert lent() == 0


async def test_large_replies_that_come_slowly_come_beside_each_other() -> None:
    reply = http_reply(contacts(40_000))
    at_once = 0
    most = 0
    all_there = anyio.Event()

    async def answer(stream: SocketStream, request: bytes) -> None:  # noqa: ARG001
        nonlocal at_once, most
        at_once += 1
        await stream.send(reply[:-1])  # which waits until most of it is read
        most = max(most, at_once)
        if at_once == 20:
            all_there.set()
        await all_there.wait()
        await stream.send(reply[-1:])

    async with RawServer(answer) as server, SessionPool(server.url) as pool:
        with anyio.fail_after(30):
            report = await pool.fetch_all(f"wxid_{number}" for number in range(20))
        assert len(report.contacts) == 20
        assert most == 20


async def test_why_the_session_sends_the_calls_is_logged_once(
    way: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_told", set())
    caplog.set_level(logging.INFO, "wxcontacts_async")
    async with RawServer(replying(http_reply())) as server:
        for _ in range(2):
            await fetch(server.url)
    said = [record.getMessage() for record in caplog.records if "session" in record.getMessage()]
    expected = ["calls are sent by aiohttp's session, as WXCONTACTS_HTTP says so"]
    assert said == (expected if way == "aiohttp" else [])


@pytest.mark.parametrize(
    "part",
    ["client_proto.ResponseHandler.read", "http.HttpResponseParser", "BaseConnector.connect"],
)
async def test_an_aiohttp_that_is_not_as_expected_is_used_by_its_session(
    part: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    if way == "aiohttp":
        pytest.skip("it is used so anyhow")
    monkeypatch.setattr(client, "_told", set())
    monkeypatch.setattr(f"aiohttp.{part}", None)
    link.why_not.cache_clear()
    caplog.set_level(logging.INFO, "wxcontacts_async")
    async with RawServer(replying(http_reply())) as server:
        async with SessionPool(server.url):
            pass
        monkeypatch.undo()
        link.why_not.cache_clear()
        assert len(await fetch(server.url)) == 1
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith("calls are sent by aiohttp's session, as aiohttp ")
    assert said.endswith("is not as expected: TypeError")


async def test_another_way_is_an_error_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WXCONTACTS_HTTP", "httpx")
    with pytest.raises(InvalidArgumentError, match="WXCONTACTS_HTTP must be 'aiohttp' or not set"):
        async with SessionPool("http://127.0.0.1:1"):
            pass


@pytest.mark.parametrize("framed", ["with a length", "in chunks of 8 KiB"])
async def test_a_compressed_reply_without_an_end_is_stopped_as_it_comes(framed: str) -> None:
    whole = KEPT[framed](bomb()).replace(b"\r\n", b"\r\nContent-Encoding: gzip\r\n", 1)

    async def answer(stream: SocketStream, request: bytes) -> None:  # noqa: ARG001
        await stream.send(whole[:-100])
        await anyio.sleep_forever()

    async with RawServer(answer) as server:
        error = await failure(Gateway(server.url, max_reply_bytes=MIB))
        assert isinstance(error, ReplyTooLargeError)
        assert lent() == 0
        await server.wait_for(lambda: server.open_connections == 0)


@pytest.mark.parametrize("framed", KEPT)
@pytest.mark.parametrize("count", [1, BETWEEN, MANY])
async def test_a_reply_may_have_as_many_bytes_as_is_set_and_not_one_more(
    framed: str, count: int
) -> None:
    body = contacts(count)
    async with RawServer(replying(KEPT[framed](body))) as server:
        assert len(await fetch(Gateway(server.url, max_reply_bytes=len(body)))) == count
        error = await failure(Gateway(server.url, max_reply_bytes=len(body) - 1))
        assert isinstance(error, ReplyTooLargeError)
        assert lent() == 0
