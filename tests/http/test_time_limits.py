"""Each call has its request_timeout, whatever the calls beside it and before it came to."""

import ssl
from contextlib import suppress

import anyio
import pytest
import trustme
from anyio.abc import SocketStream

from tests.http.test_whole_replies import contacts
from tests.support.lending import lent
from tests.support.one_call import ONCE, failure, server_context
from tests.support.raw_server import RawServer, http_reply
from tests.support.tls_server import TLSServer
from wxcontacts_async import Gateway, GatewayTimeoutError, SessionPool, WxContactsError


def silence(connection: ssl.SSLSocket) -> None:
    """Answer nothing, and keep the connection."""


async def test_a_call_has_its_time_limit_after_one_that_aiohttp_read() -> None:
    async def answer(stream: SocketStream, request: bytes) -> None:
        if b"half" in request:
            await stream.send(http_reply(b"x" * 100, status="503 Busy")[:-10])
        await anyio.sleep_forever()

    async with (
        RawServer(answer) as server,
        SessionPool(Gateway(server.url, request_timeout=0.2), retry=ONCE) as pool,
    ):
        with suppress(WxContactsError):
            await pool.fetch("half")
        with anyio.fail_after(30), pytest.raises(GatewayTimeoutError):
            await pool.fetch("silent")


async def test_the_time_to_connect_is_of_the_call_though_another_was_sent_meanwhile() -> None:
    authority = trustme.CA()
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    took = {}
    context = server_context(authority, "127.0.0.1")
    with TLSServer(silence, context, delays=(0.3,)) as server:
        gateway = Gateway(server.url, ssl=trusting, request_timeout=0.5)
        async with SessionPool(gateway, retry=ONCE) as pool, anyio.create_task_group() as tasks:

            async def fail(w_id: str) -> None:
                began = anyio.current_time()
                with pytest.raises(GatewayTimeoutError):
                    await pool.fetch(w_id)
                took[w_id] = anyio.current_time() - began

            tasks.start_soon(fail, "slow")
            await anyio.sleep(0.2)
            tasks.start_soon(fail, "later")
    assert 0.5 <= took["slow"] < took["later"] + 0.2 - 0.1


@pytest.mark.parametrize("received", [0, 50, 100_000])
async def test_a_reply_up_to_the_end_of_its_connection_is_not_ended_by_the_time_limit(
    received: int,
) -> None:
    async def answer(stream: SocketStream, request: bytes) -> None:  # noqa: ARG001
        await stream.send(b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\n" + contacts(8_000)[:received])
        await anyio.sleep_forever()

    async with RawServer(answer) as server:
        gateway = Gateway(server.url, request_timeout=0.2, outage_timeout=0.01)
        assert isinstance(await failure(gateway), GatewayTimeoutError)
        assert lent() == 0
