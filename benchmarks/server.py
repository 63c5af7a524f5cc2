"""The gateway of the benchmarks: prerendered replies over a raw asyncio protocol.

It costs as little as it can, so that what is measured is the client. It prints one JSON line, an
Announcement, once it listens, and ends when its stdin is closed.
"""

import asyncio
import re
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import cast

import msgspec

from benchmarks.instances import Setup, reply_of
from benchmarks.pinning import pin_to
from benchmarks.replies import replies, response

_CHUNK = 256 * 1024
_HEADERS_END = b"\r\n\r\n"
_CONTENT_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_ASKS_FOR_GZIP = re.compile(rb"(?i)\r\naccept-encoding:[^\r]*\bgzip\b")
_NOT_ASKED_FOR = memoryview(b"HTTP/1.1 406 Not Acceptable\r\nContent-Length: 0\r\n\r\n")
_W_ID = re.compile(rb'"wId" *: *"([0-9a-f]{8})')
_INITIALIZING = '{"message":"初始化中","code":"1001","data":null}'.encode()


class Announcement(msgspec.Struct, frozen=True):
    """What a server says once it listens; the n-th fingerprint is of the n-th reply's contacts."""

    url: str
    fingerprints: list[int]
    reply_bytes: int


class _Gateway:
    """The replies, and how often each initializing instance has called."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        made = replies(setup)
        self.fingerprints = [reply.fingerprint for reply in made]
        self.reply_bytes = len(made[0].body)
        self._replies = [response(reply.body, setup.form) for reply in made]
        self._initializing = response(_INITIALIZING, setup.form)
        self._calls: dict[int, int] = {}

    def reply_to(self, w_id: bytes, headers: bytes) -> memoryview:
        if self.setup.form == "gzip" and not _ASKS_FOR_GZIP.search(headers):
            return _NOT_ASKED_FOR
        number = int(w_id, 16)
        if number % 2 and self.setup.initializing_calls:
            calls = self._calls[number] = self._calls.get(number, 0) + 1
            if calls <= self.setup.initializing_calls:
                return self._initializing
        return self._replies[reply_of(number, self.setup.bodies)]


class _Connection(asyncio.Protocol):
    """One connection: one request at a time, kept alive for ever."""

    def __init__(self, gateway: _Gateway) -> None:
        self._gateway = gateway
        self._received = b""
        self._unsent = memoryview(b"")
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none by type
        self._transport.set_write_buffer_limits(high=_CHUNK)

    def data_received(self, data: bytes) -> None:
        received = self._received = self._received + data
        headers_end = received.find(_HEADERS_END)
        if headers_end < 0:
            return
        length = _CONTENT_LENGTH.search(received, 0, headers_end)
        body_at = headers_end + len(_HEADERS_END)
        if length is None or len(received) < body_at + int(length[1]):
            return
        self._received = b""
        w_id = _W_ID.search(received, body_at)
        if w_id is None:
            self._transport.close()
            return
        reply = self._gateway.reply_to(w_id[1], received[:headers_end])
        if self._gateway.setup.latency:
            loop = asyncio.get_running_loop()
            loop.call_later(self._gateway.setup.latency, self._send, reply)
        else:
            self._send(reply)

    def _send(self, reply: memoryview) -> None:
        self._unsent = reply
        self._send_more()

    def _send_more(self) -> None:
        # In chunks, as a transport copies what the socket does not take at once.
        while self._unsent and not self._paused and not self._transport.is_closing():
            chunk, self._unsent = self._unsent[:_CHUNK], self._unsent[_CHUNK:]
            self._transport.write(chunk)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._send_more()


async def _serve(setup: Setup) -> None:
    gateway = _Gateway(setup)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(gateway), "127.0.0.1", 0, backlog=1024)
    port = server.sockets[0].getsockname()[1]
    announcement = Announcement(
        f"http://127.0.0.1:{port}",
        gateway.fingerprints,
        gateway.reply_bytes,
    )
    sys.stdout.write(msgspec.json.encode(announcement).decode() + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    server.close()


def main() -> None:
    """Serve until stdin is closed."""
    setup = msgspec.json.decode(sys.argv[1], type=Setup)
    pin_to(setup.core)
    new_event_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    if find_spec("uvloop"):
        new_event_loop = import_module("uvloop").new_event_loop
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_serve(setup))


if __name__ == "__main__":
    main()
