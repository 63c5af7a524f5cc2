"""The gateway of the benchmarks: prerendered replies over a raw asyncio protocol.

It costs as little as it can, so that what is measured is the client. It prints one JSON line, an
Announcement, once it listens, and ends when its stdin is closed.
"""

import asyncio
import re
import sys
import zlib
from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.util import find_spec
from typing import cast

import msgspec

from benchmarks.pinning import pin_to
from wxcontacts_async import Contact
from wxcontacts_async.emulator.population import Population

_CHUNK = 256 * 1024
_HEADERS_END = b"\r\n\r\n"
_CONTENT_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_W_ID = re.compile(rb'"wId" *: *"([0-9a-f]{8})')
_SUCCESS = '{"message":"成功","code":"1000","data":%s}'.encode()
_INITIALIZING = '{"message":"初始化中","code":"1001","data":null}'.encode()


class Setup(msgspec.Struct, frozen=True):
    """What a server is told on its command line, as JSON.

    Attributes:
        contacts: How many contacts each instance has.
        latency: Seconds before each answer.
        initializing_calls: How many calls an instance of odd number is first told 初始化中.
        bodies: How many different replies there are; the instances take turns with them.
        changed: The share of the contacts that differ from what a server without it says: of ten,
            eight have another name, one is gone and one is replaced by somebody else.
        core: The core to run on; None is any.

    """

    contacts: int
    latency: float = 0.0
    initializing_calls: int = 0
    bodies: int = 4
    changed: float = 0.0
    core: int | None = None


class Announcement(msgspec.Struct, frozen=True):
    """What a server says once it listens; the n-th fingerprint is of the n-th reply's contacts."""

    url: str
    fingerprints: list[int]
    reply_bytes: int


def w_id_of(number: int) -> str:
    """Return the wId of the instance of that number, of which the server reads the number only."""
    return f"{number:08x}-63eb-f319-0001-ed01076abf1f"


def reply_of(number: int, bodies: int) -> int:
    """Return which reply the instance of that number gets, odd or even."""
    return number // 2 % bodies


def fingerprint(user_names: Iterable[str]) -> int:
    """Return a checksum of all user names, in whatever order they come."""
    return zlib.crc32("\n".join(sorted(user_names)).encode())


class _Gateway:
    """The replies, and how often each initializing instance has called."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        population = Population()
        self.fingerprints: list[int] = []
        self._replies: list[memoryview] = []
        for number in range(setup.bodies):
            name = f"reply {number}"
            contacts = population.contact_set(name, setup.contacts)
            body = population.reply(name, setup.contacts)
            if setup.changed:
                lists = [
                    (kind, _changed(some, round(1 / setup.changed)))
                    for kind, some in contacts.lists()
                ]
                body = _SUCCESS % msgspec.json.encode(dict(lists))
                names = [contact.user_name for _, some in lists for contact in some]
            else:
                names = [contact.user_name for contact in contacts]
            self.fingerprints.append(fingerprint(names))
            self._replies.append(_response(body))
        self.reply_bytes = len(population.reply("reply 0", setup.contacts))
        self._initializing = _response(_INITIALIZING)
        self._calls: dict[int, int] = {}

    def reply_to(self, w_id: bytes) -> memoryview:
        number = int(w_id, 16)
        if number % 2 and self.setup.initializing_calls:
            calls = self._calls[number] = self._calls.get(number, 0) + 1
            if calls <= self.setup.initializing_calls:
                return self._initializing
        return self._replies[reply_of(number, self.setup.bodies)]


def _changed(contacts: tuple[Contact, ...], every: int) -> list[Contact]:
    """Change every so many of the contacts."""
    found = []
    for number, contact in enumerate(contacts):
        turn = number // every % 10
        if number % every:
            found.append(contact)
        elif turn == 1:
            found.append(msgspec.structs.replace(contact, user_name=f"{contact.user_name}_2"))
        elif turn != 2:  # noqa: PLR2004  # else it is gone
            found.append(msgspec.structs.replace(contact, nick_name=f"{contact.nick_name} 2"))
    return found


def _response(body: bytes) -> memoryview:
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return memoryview(head.encode() + body)


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
        reply = self._gateway.reply_to(w_id[1])
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
