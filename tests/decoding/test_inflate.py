"""Compressed replies are inflated piece by piece, with and without isal, and never too far."""

import gzip
import random
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.decoding.test_large_replies import LARGE, MEBIBYTE, Reply, WithRaw, body_of, queue_of
from wxcontacts_async import Contact, GatewayConnectionError, ReplyTooLargeError
from wxcontacts_async import _inflate as inflate
from wxcontacts_async._decoding.reply import ReplyDecoder
from wxcontacts_async._inflate import PIECE, Inflater, InflationGuard
from wxcontacts_async._messages import says_initializing

HUGE = 2**40


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # whichever the loop


@pytest.fixture(params=["isal", "zlib"], autouse=True)
def _library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "zlib":
        monkeypatch.setattr(inflate, "_decompressobj", zlib.decompressobj)
        monkeypatch.setattr(inflate, "_DAMAGED", (zlib.error,))
    else:
        pytest.importorskip("isal")


def raw_deflate(body: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()


FORMS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "zlib": ("deflate", zlib.compress),
    "raw": ("deflate", raw_deflate),
}
every_form = pytest.mark.parametrize("form", FORMS)


def parts_of(body: bytes, size: int) -> list[bytes]:
    return [body[begin : begin + size] for begin in range(0, len(body), size)]


def inflated(encoding: str, parts: list[bytes], max_bytes: int = HUGE) -> bytes:
    inflater = Inflater(encoding, max_bytes)
    pieces: list[bytes] = []
    for part in parts:
        inflater.feed(part)
        while (piece := inflater.step()) is not None:
            assert len(piece) <= PIECE
            pieces.append(piece)
    inflater.finish()
    return b"".join(pieces)


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)  # noqa: S311


BODIES = [b"", b"a", bytes(PIECE), bytes(3 * PIECE + 1), noise(100_000), LARGE, noise(99) * 9_999]


@every_form
@pytest.mark.parametrize("size", [1, 7, 1_000, PIECE, 10**9])
def test_a_body_is_inflated_however_it_is_cut(form: str, size: int) -> None:
    encoding, compress = FORMS[form]
    for body in BODIES:
        compressed = compress(body)
        if len(compressed) / size < 20_000:
            assert inflated(encoding, parts_of(compressed, size)) == body


@pytest.mark.parametrize("size", [1, 30, 10**9])
def test_a_gzip_body_may_have_several_members(size: int) -> None:
    compressed = gzip.compress(b"a" * 200_000) + gzip.compress(b"") + gzip.compress(b"b" * 9)
    assert inflated("gzip", parts_of(compressed, size)) == b"a" * 200_000 + b"b" * 9


def test_a_body_with_more_members_than_any_has_is_damaged() -> None:
    empty = gzip.compress(b"")
    assert inflated("gzip", [empty * 1024]) == b""
    with pytest.raises(GatewayConnectionError):
        inflated("gzip", [empty * 1025])


@every_form
def test_a_body_that_is_cut_off_is_never_a_shorter_one(form: str) -> None:
    encoding, compress = FORMS[form]
    compressed = compress(LARGE[:1_000])
    for end in range(1, len(compressed)):
        with pytest.raises(GatewayConnectionError, match="cut off, or its encoding is damaged"):
            inflated(encoding, [compressed[:end]])
    assert inflated(encoding, []) == b""


@every_form
def test_what_is_no_such_body_is_damaged(form: str) -> None:
    encoding, compress = FORMS[form]
    whole = compress(LARGE)
    cases = [b"\xff" * 99, whole + b"\xff" * 9]
    if form != "raw":  # which has no checksum
        cases += [LARGE, whole[:2_000] + bytes(50) + whole[2_050:], whole[:-4] + bytes(4)]
    for damaged in cases:
        with pytest.raises(GatewayConnectionError):
            inflated(encoding, [damaged])


@given(st.data(), st.sampled_from([*FORMS]))
def test_however_a_body_is_damaged_it_is_inflated_or_an_error_of_ours(
    data: st.DataObject,
    form: str,
) -> None:
    encoding, compress = FORMS[form]
    body = bytearray(compress(data.draw(st.binary(max_size=200)) * data.draw(st.integers(1, 999))))
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        inflated(encoding, parts_of(bytes(body), data.draw(st.integers(1, 500))), 10**6)
    except (GatewayConnectionError, ReplyTooLargeError):
        return


@pytest.fixture(params=FORMS, scope="module")
def bomb(request: pytest.FixtureRequest) -> tuple[str, bytes]:
    encoding, compress = FORMS[request.param]
    return encoding, compress(bytes(100 * MEBIBYTE))


async def test_a_bomb_takes_no_more_memory_than_it_may_and_a_piece(
    bomb: tuple[str, bytes],
) -> None:
    queue = queue_of()
    encoding, body = bomb
    reply = Reply(body)
    reply.content_encoding, reply.max_bytes = encoding, 5 * MEBIBYTE
    queue.add(reply)
    steps = 0
    tracemalloc.start()
    while queue.decode_next():
        steps += 1
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    (error,) = reply.results
    assert isinstance(error, ReplyTooLargeError)
    assert error.what == f"the reply is larger than max_reply_bytes, {5 * MEBIBYTE} bytes"
    assert 80 <= steps <= 5 * MEBIBYTE / PIECE + 30
    assert most < MEBIBYTE  # beside what it is inflated into
    assert queue._joiner._written <= 5 * MEBIBYTE + PIECE  # noqa: SLF001
    assert reply.pieces == []


def test_a_reply_may_be_as_large_as_it_may_be() -> None:
    assert inflated("gzip", [gzip.compress(LARGE)], len(LARGE)) == LARGE
    with pytest.raises(ReplyTooLargeError):
        inflated("gzip", [gzip.compress(LARGE)], len(LARGE) - 1)


@pytest.mark.parametrize("contact_type", [Contact, pytest.param(WithRaw, marks=pytest.mark.slow)])
@pytest.mark.parametrize("contacts", [1, 100, 4_000])
@every_form
async def test_a_compressed_reply_is_inflated_and_decoded_in_pieces(
    form: str,
    contacts: int,
    contact_type: type[Contact],
) -> None:
    encoding, compress = FORMS[form]
    queue = queue_of(contact_type)
    bodies = [body_of(contacts, name) for name in "ab"]
    replies = []
    for body in bodies:
        compressed = compress(body)
        for pieces in (
            [compressed],
            parts_of(compressed, 999),
            [memoryview(bytearray(compressed))],
        ):
            reply = Reply(*pieces)
            reply.content_encoding = encoding
            queue.add(reply)
            replies.append((reply, body))
    while queue.decode_next():
        pass
    for reply, body in replies:
        assert reply.results == [ReplyDecoder(contact_type, says_initializing).decode(body)]
        assert reply.reply_bytes == len(body)
        assert reply.pieces == []


async def test_a_compressed_reply_that_is_damaged_costs_no_other() -> None:
    queue = queue_of()
    damaged = [gzip.compress(LARGE)[:-9], b"", b"\x1f", LARGE]
    replies = [Reply(body) for body in damaged]
    for reply in replies:
        reply.content_encoding = "gzip"
        queue.add(reply)
    sound = Reply(LARGE)
    queue.add(sound)
    while queue.decode_next():
        pass
    kinds = [type(reply.results[0]).__name__ for reply in replies]
    assert kinds == [
        "GatewayConnectionError",
        "ReplyDecodeError",
        "GatewayConnectionError",
        "GatewayConnectionError",
    ]
    assert sound.results == [ReplyDecoder(Contact, says_initializing).decode(LARGE)]


async def test_what_is_half_inflated_when_it_is_cleared_is_given_up() -> None:
    queue = queue_of()
    memory = bytearray(gzip.compress(noise(MEBIBYTE)))
    reply = Reply(memoryview(memory))
    reply.content_encoding = "gzip"
    queue.add(reply)
    for _ in range(3):
        assert queue.decode_next()
    queue.clear()
    assert not queue.decode_next()
    assert reply.results == []
    memory += b"x"  # which no view of it forbids any more


def test_a_guard_stops_a_bomb_as_it_arrives_and_holds_nothing(bomb: tuple[str, bytes]) -> None:
    encoding, body = bomb
    guard = InflationGuard(encoding, 5 * MEBIBYTE)

    def arrive() -> None:
        for number, part in enumerate(parts_of(body, 1_000)):
            assert number < 20
            guard.feed(memoryview(part))
            while guard.inflate_some():
                pass

    tracemalloc.start()
    with pytest.raises(ReplyTooLargeError):
        arrive()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < MEBIBYTE


def test_a_guard_lets_all_else_pass_sound_or_not() -> None:
    compressed = gzip.compress(LARGE)
    for body in (compressed, compressed[:-5], compressed + b"x" * 99_999, LARGE, b""):
        guard = InflationGuard("gzip", len(LARGE))
        for part in parts_of(body, 10_000):
            memory = bytearray(part)
            guard.feed(memoryview(memory))
            memory[:] = bytes(len(memory))
            while guard.inflate_some():
                pass
