"""Replies without end, wIds that are none, and secrets that must stay secret."""

import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from anyio.abc import SocketStream

from tests.support.loops import on_asyncio
from tests.support.one_call import QUICKLY, W_ID, failure, fetch
from tests.support.raw_server import (
    ONE_FRIEND,
    Answer,
    RawServer,
    http_reply,
    replying,
)
from wxcontacts_async import (
    Failed,
    Gateway,
    GatewayTimeoutError,
    Instance,
    InvalidArgumentError,
    ReplyDecodeError,
    ReplyTooLargeError,
    SessionPool,
    WxContactsError,
)
from wxcontacts_async.emulator import Fault, FaultKind, GatewayEmulator

MEBIBYTE = 1024 * 1024


@contextmanager
def at_most(peak: int) -> Iterator[None]:
    """Check that what is allocated meanwhile is never more than so many bytes."""
    tracemalloc.start()
    try:
        yield
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < peak


async def endless(stream: SocketStream, request: bytes) -> None:  # noqa: ARG001
    await stream.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    while True:
        await stream.send(chunk)


async def bomb(stream: SocketStream, request: bytes) -> None:
    compressor = zlib.compressobj(wbits=31)
    chunk = b" " * 1_000_000
    parts = [compressor.compress(chunk) for _ in range(100)]
    body = b"".join([*parts, compressor.flush()])
    await replying(http_reply(body, headers="Content-Encoding: gzip\n"))(stream, request)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(replying(http_reply(b" " * 2_000_000)), id="known length"),
        pytest.param(endless, id="endless"),
        pytest.param(bomb, id="decompression bomb"),
    ],
)
async def test_a_reply_past_max_reply_bytes_is_stopped_while_it_arrives(answer: Answer) -> None:
    async with RawServer(answer) as server:
        with at_most(20_000_000):
            error = await failure(Gateway(server.url, max_reply_bytes=1_000_000), retry=QUICKLY)
        await server.wait_for(lambda: server.open_connections == 0)
    assert isinstance(error, ReplyTooLargeError)
    assert error.calls == 1
    assert "larger than max_reply_bytes, 1000000 bytes" in str(error)


@pytest.mark.parametrize(
    ("kind", "ending"),
    [
        (FaultKind.GZIP_BOMB, ReplyTooLargeError),  # 10 MB that are 10 GB
        (FaultKind.ENDLESS_BODY, ReplyTooLargeError),
        pytest.param(  # a million of a byte each
            FaultKind.TINY_CHUNKS, ReplyTooLargeError, marks=pytest.mark.slow
        ),
        (FaultKind.ENDLESS_HEADERS, ReplyDecodeError),
    ],
)
async def test_what_has_no_end_is_stopped_and_memory_stays_flat(
    kind: FaultKind,
    ending: type[WxContactsError],
) -> None:
    async with GatewayEmulator([W_ID], contacts=1, faults=[Fault(kind)]) as emulator:
        gateway = Gateway(emulator.url, max_reply_bytes=MEBIBYTE // 8)
        await failure(gateway)  # what is made once, and kept, is made now
        with at_most(8 * MEBIBYTE):
            error = await failure(gateway)
        await emulator.wait_until_idle()
    assert type(error) is ending


@pytest.mark.parametrize("kind", [FaultKind.GZIP_BOMB, FaultKind.ENDLESS_BODY])
async def test_what_has_no_end_and_no_limit_is_stopped_by_the_timeout(kind: FaultKind) -> None:
    async with GatewayEmulator([W_ID], contacts=1, faults=[Fault(kind)]) as emulator:
        gateway = Gateway(emulator.url, max_reply_bytes=2**60, request_timeout=0.05)
        error = await failure(gateway)
        await emulator.wait_until_idle()
    assert type(error) is GatewayTimeoutError


@on_asyncio
async def test_a_reply_in_a_million_tiny_chunks_is_read_all_the_same() -> None:
    tiny = Fault(FaultKind.TINY_CHUNKS)
    async with GatewayEmulator([W_ID], contacts=5, faults=[tiny]) as emulator:
        contacts = await fetch(emulator.url)
        assert list(contacts) == list(emulator.contact_set(W_ID))


async def test_a_lone_surrogate_in_a_w_id_is_refused_where_it_is_given() -> None:
    no_text = "w\ud83d"
    async with RawServer(replying(http_reply())) as server, SessionPool(server.url) as pool:
        with pytest.raises(InvalidArgumentError, match="w_id must be valid Unicode"):
            await pool.fetch(no_text)
        with pytest.raises(InvalidArgumentError, match="w_id must be valid Unicode"):
            Instance(no_text)
        report = await pool.fetch_all([no_text, W_ID])
    failed = next(outcome for outcome in report.outcomes if isinstance(outcome, Failed))
    assert isinstance(failed.error, InvalidArgumentError)
    assert str(failed.error).encode()
    assert list(report.contacts) == [W_ID]
    assert len(server.requests) == 1


async def test_a_w_id_of_any_length_and_kind_is_short_and_plain_in_an_error() -> None:
    w_id = "'\"\\\ue000" + "微" * 10_000
    async with RawServer(replying(http_reply(b"", status="404 No"))) as server:
        with pytest.raises(WxContactsError) as raised:
            await fetch(server.url, w_id=w_id)
    assert len(str(raised.value)) < 500
    assert str(raised.value).isprintable()
    assert raised.value.w_id == w_id
    with pytest.raises(InvalidArgumentError) as refused:
        await fetch("http://127.0.0.1:9", w_id="\x1b[2J\r\n\u202e" + w_id)
    assert len(str(refused.value)) < 500
    assert str(refused.value).isprintable()


async def test_a_reply_of_just_max_reply_bytes_is_read() -> None:
    async with RawServer(replying(http_reply())) as server:
        assert await fetch(Gateway(server.url, max_reply_bytes=len(ONE_FRIEND)))
        error = await failure(Gateway(server.url, max_reply_bytes=len(ONE_FRIEND) - 1))
    assert isinstance(error, ReplyTooLargeError)


async def test_headers_are_in_no_error_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    secret = "Bearer s3cret"  # noqa: S105  # invented
    for answer in (
        replying(http_reply(b"", status="401 No")),
        replying(b"not http\r\n\r\n"),
        replying(http_reply(length=99)),
    ):

        async def then_close(stream: SocketStream, request: bytes, answer: Answer = answer) -> None:
            await answer(stream, request)
            await stream.aclose()

        async with RawServer(then_close) as server:
            gateway = Gateway(server.url, headers={"Authorization": secret})
            assert "s3cret" not in repr(gateway)
            error: BaseException | None = await failure(gateway)
            assert b"s3cret" in server.requests[0]
        while error is not None:
            assert "s3cret" not in f"{error} {error!r} {vars(error)} {error.args}"
            error = error.__cause__ or error.__context__
    assert caplog.records
    assert "s3cret" not in caplog.text
