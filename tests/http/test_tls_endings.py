"""Over TLS, a reply is whole whose connection ends right behind it, and no socket is left."""

import ssl
from contextlib import suppress

import psutil
import pytest
import trustme

from tests.http.test_whole_replies import KEPT, contacts
from tests.support.lending import lent
from tests.support.one_call import ONCE, W_ID, server_context
from tests.support.raw_server import http_reply
from tests.support.tls_server import TLSServer
from wxcontacts_async import Gateway, SessionPool, WxContactsError


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def last(reply: bytes) -> bytes:
    return reply.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)


@pytest.mark.parametrize("framed", ["with a length", "in chunks of 8 KiB", "in one chunk"])
@pytest.mark.parametrize(  # from 100 bytes to 1.9 MB
    "count", [1, 5_000, *(pytest.param(it, marks=pytest.mark.slow) for it in (3_000, 40_000))]
)
async def test_a_reply_is_whole_whose_connection_is_closed_right_behind_it(
    framed: str,
    count: int,
    way: str,
    authority: trustme.CA,
    trusting: ssl.SSLContext,
) -> None:
    if way == "aiohttp":
        pytest.skip("uvloop loses what aiohttp has let it wait with when the end comes")
    reply = last(KEPT[framed](contacts(count)))

    def answer(connection: ssl.SSLSocket) -> None:
        connection.sendall(reply)
        connection.close()

    with TLSServer(answer, server_context(authority, "127.0.0.1")) as server:
        gateway = Gateway(server.url, ssl=trusting)
        async with SessionPool(gateway, retry=ONCE) as pool:
            for number in range(4):
                assert len(await pool.fetch(f"wxid_{number}")) == count
            assert lent() == 0


REPLIES = {
    "whole": last(http_reply()),
    "whole, and large": last(http_reply(contacts(5_000))),
    "with extensions": last(KEPT["with extensions"](contacts(5_000))),
    "of a problem": http_reply(b"x" * 300_000, status="503 Busy"),
    "not HTTP": b"NOT HTTP\r\n\r\n",
}


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
async def test_no_socket_is_left_to_a_gateway_that_does_not_take_part_in_closing(
    reply: bytes, way: str, authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    if way == "aiohttp" and reply == REPLIES["not HTTP"]:
        pytest.skip("aiohttp closes it twice, after which asyncio does not abort it")

    def answer(connection: ssl.SSLSocket) -> None:
        connection.sendall(reply)

    with TLSServer(answer, server_context(authority, "127.0.0.1")) as server:
        async with SessionPool(Gateway(server.url, ssl=trusting), retry=ONCE) as pool:
            with suppress(WxContactsError):
                await pool.fetch(W_ID)
        open_connections = psutil.Process().net_connections("tcp")
        assert [each for each in open_connections if each.raddr[1:] == (server.port,)] == []
