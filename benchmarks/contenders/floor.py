"""The floor: a bare asyncio socket and the library's own decode. No pure Python is faster.

A BufferedProtocol reads each reply into one buffer of its known length, decodes it there and sends
the next request. It knows this one server, no error and no fairness.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import cast
from urllib.parse import urlsplit

from benchmarks.contenders import FetchAll, OnFetched
from wxcontacts_async._decoding.reply import ReplyDecoder
from wxcontacts_async._decoding.verdict import Ready
from wxcontacts_async._http.request import encode_request
from wxcontacts_async._messages import says_initializing
from wxcontacts_async.contacts import Contact

_LENGTH = b"Content-Length: "
_HEADERS_END = b"\r\n\r\n"

decode = ReplyDecoder(Contact, says_initializing).decode


class _Connection(asyncio.BufferedProtocol):
    """One connection, which calls one instance after another until there are no more."""

    def __init__(self, host: str) -> None:
        self._head = f"POST /getAllContact HTTP/1.1\r\nHost: {host}\r\n".encode()
        self._buffer = bytearray(256 * 1024)
        self._view = memoryview(self._buffer)
        self._filled = 0
        self._body_at = 0
        self._reply_end = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are none by type

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed the connection"))

    def start(self, w_ids: Iterator[str], on_fetched: OnFetched) -> asyncio.Future[None]:
        self._w_ids = w_ids
        self._on_fetched = on_fetched
        self.done = asyncio.get_running_loop().create_future()
        self._call_next()
        return self.done

    def _call_next(self) -> None:
        w_id = next(self._w_ids, None)
        if w_id is None:
            self.done.set_result(None)
            return
        body = encode_request(w_id)
        self.transport.write(b"%sContent-Length: %d\r\n\r\n%s" % (self._head, len(body), body))

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        return self._view[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        self._filled += nbytes
        if not self._reply_end and not self._read_head():
            return
        if self._filled < self._reply_end:
            return
        body = self._view[self._body_at : self._reply_end]
        self._filled = self._reply_end = 0
        try:
            self._on_fetched(decode(body))
        except Exception as error:  # noqa: BLE001
            self.done.set_exception(error)
            return
        self._call_next()

    def _read_head(self) -> bool:
        head_end = self._buffer.find(_HEADERS_END, 0, self._filled)
        if head_end < 0:
            return False
        length_at = self._buffer.index(_LENGTH, 0, head_end) + len(_LENGTH)
        self._body_at = head_end + len(_HEADERS_END)
        self._reply_end = self._body_at + int(self._buffer[length_at:head_end].split(b"\r")[0])
        if self._reply_end > len(self._buffer):
            received = self._view[: self._filled]
            self._buffer = bytearray(self._reply_end)
            self._buffer[: self._filled] = received
            self._view = memoryview(self._buffer)
        return True


@asynccontextmanager
async def opened(base_url: str, slots: int) -> AsyncGenerator[FetchAll]:
    """Open the connections."""
    address = urlsplit(base_url)
    loop = asyncio.get_running_loop()
    connections = [
        (
            await loop.create_connection(
                lambda: _Connection(address.netloc),
                address.hostname or "",
                address.port or 80,
            )
        )[1]
        for _ in range(slots)
    ]

    async def fetch_all(w_ids: Iterable[str], on_fetched: OnFetched) -> None:
        shared = iter(w_ids)
        await asyncio.gather(*(c.start(shared, on_fetched) for c in connections))

    try:
        yield fetch_all
    finally:
        for connection in connections:
            connection.transport.close()


def user_names(reply: Ready[Contact]) -> Iterable[str]:
    """List the user names of one reply."""
    return [c.user_name for c in (*reply.official_accounts, *reply.friends, *reply.groups)]
