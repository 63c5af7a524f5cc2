"""Whatever a connection of ours accepts, other parsers read as the same body, however it is cut."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any, cast

import aiohttp
import h11
import pytest
from aiohttp.http import HttpResponseParser
from hypothesis import given
from hypothesis import strategies as st

from wxcontacts_async._http.buffers import ReceiveBuffers
from wxcontacts_async._http.connection import Connection
from wxcontacts_async._http.link import Link, read_head
from wxcontacts_async._http.reply_body import ReplyBody

MIB = 1024 * 1024
LIMIT = 4 * MIB


class FakeTransport:
    """Takes what is written, and tells whether it was ended."""

    ended = False

    def get_extra_info(self, name: str) -> "FakeTransport":  # noqa: ARG002
        return self

    def fileno(self) -> int:
        return 0

    def write(self, data: bytes) -> None:
        pass

    def is_closing(self) -> bool:
        return self.ended

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def abort(self) -> None:
        self.ended = True

    close = abort


class FakeLink:
    """Takes what is left to aiohttp."""

    has_spoken = False

    def __init__(self) -> None:
        self.transport = FakeTransport()
        self.received: bytes | None = None

    def hand_over(self, received: bytes) -> None:
        self.received = received


class Owner:
    """Keeps what became of a call."""

    longest_in_chunks = 0

    def __init__(self) -> None:
        self.body: bytes | None = None
        self.error: Exception | None = None
        self.is_handed_over = False

    @property
    def has_ended(self) -> bool:
        return self.body is not None or self.error is not None or self.is_handed_over

    def replied(self, connection: Connection[str], body: ReplyBody) -> None:  # noqa: ARG002
        self.body = b"".join(body.pieces)
        body.release()

    def failed(self, connection: Connection[str], error: Exception) -> None:  # noqa: ARG002
        self.error = error

    def handed_over(self, connection: Connection[str]) -> None:  # noqa: ARG002
        self.is_handed_over = True

    def cancel(self, connection: Connection[str]) -> None:  # noqa: ARG002
        pytest.fail("nothing cancels a call here, and no loop ends its connection")

    def lost(self, connection: Connection[str]) -> None:  # noqa: ARG002
        pytest.fail("nothing cancels a call here, and no loop ends its connection")


def read(raw: bytes, cuts: Sequence[int]) -> tuple[Owner, bytes | None, ReceiveBuffers]:
    """Have a connection of ours read `raw`, in reads of these sizes again and again.

    Returns:
        What became of the call, what was left to aiohttp with what came behind, and the buffers.

    """
    link, owner, buffers = FakeLink(), Owner(), ReceiveBuffers()
    connection = Connection[str](cast("Link", link), owner, buffers, limit=LIMIT)
    connection.send(b"", "call", 0.0)
    at, turn = 0, 0
    while at < len(raw) and not owner.has_ended:
        view = connection.get_buffer(-1)
        assert view
        size = min(len(view), len(raw) - at, cuts[turn % len(cuts)])
        view[:size] = raw[at : at + size]
        connection.buffer_updated(size)
        at += size
        turn += 1
    left = None if link.received is None else link.received + raw[at:]
    if not owner.has_ended:
        connection.abort()
    return owner, left, buffers


def by_aiohttp(raw: bytes) -> bytes | None:
    """Return the body of a reply by aiohttp's parser; None if it is none, or goes on."""
    parser = HttpResponseParser(
        cast("Any", NoFlowControl()),
        asyncio.get_running_loop(),
        MIB,
        payload_exception=aiohttp.ClientPayloadError,
        max_line_size=MIB,
        max_field_size=MIB,
        auto_decompress=False,
    )
    try:
        messages, _, _ = parser.feed_data(raw)
    except aiohttp.http_exceptions.HttpProcessingError:
        return None
    if not messages or not messages[0][1].is_eof():
        return None
    return bytes(messages[0][1].read_nowait(-1))


def beginnings_by_aiohttp(raw: bytes) -> Iterator[bytes | None]:
    """Yield the bodies of replies that stray bytes stand behind, which aiohttp refuses as one."""
    for end in range(len(raw) - 1, max(0, len(raw) - 1_000), -1):
        yield by_aiohttp(raw[:end])


class NoFlowControl:
    _reading_paused = False

    def pause_reading(self) -> None:
        pass

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002
        pass


def by_h11(raw: bytes) -> bytes | None:
    """Return the body of a reply by h11; None if it is none, or goes on."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MIB)
    connection.send(h11.Request(method="POST", target="/", headers=[("Host", "a")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(raw)
    body = b""
    try:
        while True:
            match connection.next_event():
                case h11.Data(data=data):
                    body += data
                case h11.EndOfMessage():
                    return body
                case h11.NEED_DATA | h11.PAUSED:
                    return None
    except h11.RemoteProtocolError:
        return None


HEADERS = [
    b"Connection: close",
    b"Content-Encoding: gzip",
    b"Content-Length: 5",
    b"Content-Length: +5",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: identity",
    b"Bad Header: 1",
    b"X: \xff",
    b" folded",
]
CHUNKED = [
    b"Transfer-Encoding: chunked",
    b"transfer-encoding:chunked",
    b"Transfer-Encoding: Chunked ",
]
bodies = st.one_of(
    st.binary(max_size=300),
    st.tuples(st.binary(min_size=1, max_size=50), st.integers(1, 3 * MIB)).map(
        lambda it: (it[0] * (it[1] // len(it[0]) + 1))[: it[1]]
    ),
)


@st.composite
def replies(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """Make a body, and a reply with it as a server writes it."""
    body = draw(bodies)
    headers = [b"Content-Type: application/json"]
    if draw(st.booleans()):
        headers.append(b"Content-Length: %d" % len(body))
        written = body
    else:
        headers.append(draw(st.sampled_from(CHUNKED)))
        written = draw(chunked(body))
    headers += draw(st.lists(st.sampled_from(HEADERS), max_size=1))
    line = draw(st.sampled_from([*[b"HTTP/1.1 200 OK"] * 9, b"HTTP/1.0 200 OK", b"HTTP/1.1 200"]))
    head = b"\r\n".join([line, *draw(st.permutations(headers))])
    return body, head + b"\r\n\r\n" + written


@st.composite
def chunked(draw: st.DrawFn, body: bytes) -> bytes:
    least = max(1, len(body) // 400)
    size = draw(st.sampled_from([least, least + 15, least + 8192, len(body) + 1]))
    form = draw(st.sampled_from([b"%x", b"%X", b"%04x", b"00%x"]))
    behind = draw(st.sampled_from([b"", b"", b"", b";a=b", b" "]))
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    lines = [form % len(chunk) + behind + b"\r\n" + chunk + b"\r\n" for chunk in chunks]
    end = draw(st.sampled_from([*[b"0\r\n\r\n"] * 4, b"00\r\n\r\n", b"0\r\nX: y\r\n\r\n"]))
    return b"".join(lines) + end


cuts_of = st.lists(
    st.one_of(st.integers(1, 40), st.integers(1_000, 200_000)), min_size=1, max_size=5
).map(lambda sizes: [*sizes, 65_536])


def check(raw: bytes, cuts: Sequence[int]) -> Owner:
    """Read a reply our way and others' ways."""

    async def reading() -> Owner:
        owner, left, buffers = read(raw, cuts)
        if left is not None:
            # What is left to aiohttp says what was sent.
            assert by_aiohttp(left) == by_aiohttp(raw)
        if owner.body is not None:
            whole = by_aiohttp(raw)
            assert owner.body == whole or owner.body in beginnings_by_aiohttp(raw)
            strict = by_h11(raw)
            assert strict in {None, owner.body}
        assert buffers.lent == buffers.undecoded == 0
        return owner

    return asyncio.run(reading())


@given(replies(), cuts_of)
def test_a_reply_is_the_same_body_for_all(reply: tuple[bytes, bytes], cuts: list[int]) -> None:
    body, raw = reply
    owner = check(raw, cuts)
    if owner.body is not None and b"Content-Length: 5\r\n" not in raw:
        assert owner.body == body


@given(replies(), cuts_of, st.data())
def test_damage_is_the_same_for_all(
    reply: tuple[bytes, bytes], cuts: list[int], data: st.DataObject
) -> None:
    raw = bytearray(reply[1])
    for _ in range(data.draw(st.integers(1, 3))):
        if not raw:
            break
        at = data.draw(st.integers(0, min(len(raw) - 1, 2_000)))
        match data.draw(st.sampled_from(["replace", "delete", "insert", "cut", "behind"])):
            case "replace":
                raw[at] = data.draw(st.sampled_from(b"\r\n\x00 :;0aF\xff"))
            case "delete":
                del raw[at]
            case "insert":
                raw[at:at] = data.draw(st.sampled_from([b"\r", b"\n", b"\r\n", b"0"]))
            case "cut":
                del raw[max(at, 1) :]
            case "behind":
                raw += data.draw(st.sampled_from([b"x", b"HTTP/1.1 200 OK\r\n\r\n"]))
    check(bytes(raw), cuts)


@pytest.mark.parametrize("size", [1, 300, 130_000, 1_000_000])
@pytest.mark.parametrize("cut", [7_000, 65_536, 200_000])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_what_is_plain_is_read_in_place(size: int, cut: int, is_chunked: bool) -> None:  # noqa: FBT001
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    if is_chunked:
        chunks = [body[at : at + 8192] for at in range(0, size, 8192)]
        written = b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in chunks) + b"0\r\n\r\n"
        raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + written
    else:
        raw = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (size, body)
    assert check(raw, [cut]).body == body


async def test_a_head_that_another_parser_ends_elsewhere_is_left_to_it() -> None:
    loop = asyncio.get_running_loop()
    head = bytearray(b"HTTP/1.1 200 OK\r\nContent-Length: 9\n\nX: y\r\n\r\n")
    assert read_head(memoryview(head), loop) is None
