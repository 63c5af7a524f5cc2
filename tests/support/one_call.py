"""One call to a gateway, as tests make it."""

import ssl

import pytest
import trustme

from tests.support.raw_server import (
    ONE_FRIEND,
    Answer,
    RawServer,
)
from wxcontacts_async import (
    ContactSet,
    Gateway,
    RetryPolicy,
    SessionPool,
    WxContactsError,
)

W_ID = "0000016e-63eb-f319-0001-ed01076abf1f"
ONCE = RetryPolicy(1)
QUICKLY = RetryPolicy(3, initial_delay=0, max_delay=0)


async def fetch(
    gateway: str | Gateway, *, retry: RetryPolicy = ONCE, w_id: str = W_ID
) -> ContactSet:
    async with SessionPool(gateway, retry=retry) as pool:
        return await pool.fetch(w_id)


async def failure(gateway: str | Gateway, *, retry: RetryPolicy = ONCE) -> WxContactsError:
    with pytest.raises(WxContactsError) as raised:
        await fetch(gateway, retry=retry)
    return raised.value


async def failure_of(answer: Answer, *, retry: RetryPolicy = ONCE) -> WxContactsError:
    async with RawServer(answer) as server:
        return await failure(server.url, retry=retry)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(
    b"%x\r\n%c\r\n" % (1, byte) for byte in ONE_FRIEND
)


def server_context(authority: trustme.CA, host: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(host).configure_cert(context)
    return context
