"""What will be the same each time is not tried again: no HTTP, TLS alerts, another protocol."""

import asyncio
import ssl

import pytest
import trustme
from anyio.abc import SocketStream

from tests.support.loops import on_asyncio
from tests.support.one_call import QUICKLY, failure, failure_of, fetch, server_context
from tests.support.raw_server import RawServer, http_reply, replying
from wxcontacts_async import Gateway, GatewayConnectionError, ReplyDecodeError

SECRET = b"wxid_secret"


@on_asyncio
@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (b"SSH-2.0-OpenSSH_9.2 wxid_secret\r\n\r\n", "Bad status line"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "Invalid response status"),
        (b"HTTP/1.1 200 OK\r\nX-Bad: a\x00wxid_secret\r\n\r\n", "eader"),
        (b"HTTP/1.1 200 OK\r\nNo Name: wxid_secret\r\n\r\n", "Invalid header token"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
            "in the header Content-Length",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", "in the header Content-Length"),
        (
            b"HTTP/1.1 200 OK\r\nX-Long: " + SECRET * 10_000 + b"\r\n\r\n",
            "Got more than 65536 bytes in a line of its head",
        ),
        (b"HTTP/1.1 200 OK\r\n" + b"X-More: 1\r\n" * 200 + b"\r\n", "Too many headers"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nwxid_secret\r\n", "chunk size"),
        (b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80\x00", "status line"),
    ],
)
async def test_what_the_parser_refuses_is_final_and_says_why(reply: bytes, reason: str) -> None:
    async with RawServer(replying(reply)) as server:
        error = await failure(server.url, retry=QUICKLY)
        assert len(server.requests) == error.calls == 1
    assert isinstance(error, ReplyDecodeError)
    assert reason in str(error)
    assert "secret" not in f"{error} {error!r} {vars(error)} {error.__cause__} {error.__context__}"
    assert str(error).isprintable()


async def test_a_tls_alert_to_plain_http_says_that_tls_is_spoken_there() -> None:
    error = await failure_of(replying(b"\x15\x03\x01\x00\x02\x02\x46"), retry=QUICKLY)
    assert isinstance(error, GatewayConnectionError)
    assert error.calls == 1
    assert "TLS is spoken there. Let base_url begin with https://" in str(error)


async def test_what_nginx_says_to_plain_http_at_a_tls_port_is_said() -> None:
    body = b"<html><center>The plain HTTP request was sent to HTTPS port</center></html>"
    error = await failure_of(replying(http_reply(body, status="400 Bad Request")), retry=QUICKLY)
    assert error.calls == 1
    assert "TLS is spoken there. Let base_url begin with https://" in str(error)


async def test_what_nginx_says_to_a_client_without_a_certificate_is_said() -> None:
    body = b"<html><center>No required SSL certificate was sent</center></html>"
    error = await failure_of(replying(http_reply(body, status="400 Bad Request")), retry=QUICKLY)
    assert error.calls == 1
    assert "wants a client certificate" in str(error)


async def test_a_gateway_that_closes_on_plain_http_may_speak_tls() -> None:
    async def close(stream: SocketStream, request: bytes) -> None:  # noqa: ARG001
        await stream.aclose()

    error = await failure_of(close, retry=QUICKLY)
    assert "If TLS is spoken there, it must begin with https://" in str(error)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


async def test_a_gateway_that_speaks_plain_http_at_an_https_url_is_final_and_says_so() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as plain:
        port = plain.sockets[0].getsockname()[1]
        error = await failure(f"https://127.0.0.1:{port}", retry=QUICKLY)
    assert isinstance(error, GatewayConnectionError)
    assert error.calls == 1
    assert "no TLS is spoken there" in str(error)
    assert "http://" in str(error)


async def test_a_context_that_offers_http2_and_gets_it_is_final_and_says_so(
    authority: trustme.CA,
) -> None:
    context = server_context(authority, "127.0.0.1")
    context.set_alpn_protocols(["h2", "http/1.1"])
    offering = ssl.create_default_context()
    authority.configure_trust(offering)
    offering.set_alpn_protocols(["h2", "http/1.1"])
    async with RawServer(replying(http_reply()), tls=context) as server:
        error = await failure(Gateway(server.url, ssl=offering), retry=QUICKLY)
        assert server.requests == []
    assert isinstance(error, GatewayConnectionError)
    assert error.calls == 1
    assert "HTTP/2" in str(error)
    context.set_alpn_protocols(["http/1.1"])
    async with RawServer(replying(http_reply()), tls=context) as server:
        assert len(await fetch(Gateway(server.url, ssl=offering))) == 1
