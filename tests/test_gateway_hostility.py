"""Replies without end, and secrets that must stay secret."""

import tracemalloc
import zlib

import pytest
from anyio.abc import SocketStream

from tests.one_call import QUICKLY, failure, fetch
from tests.raw_server import (
    ONE_FRIEND,
    Answer,
    RawServer,
    http_reply,
    replying,
)
from wxcontacts_async import (
    Gateway,
    ReplyTooLargeError,
)


async def endless(stream: SocketStream, request: bytes) -> None:  # noqa: ARG001
    await stream.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    while True:
        await stream.send(chunk)


def bomb(size: int) -> Answer:
    compressor = zlib.compressobj(wbits=31)
    chunk = b" " * 1_000_000
    parts = [compressor.compress(chunk) for _ in range(size // len(chunk))]
    body = b"".join([*parts, compressor.flush()])
    return replying(http_reply(body, headers="Content-Encoding: gzip\n"))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(replying(http_reply(b" " * 2_000_000)), id="known length"),
        pytest.param(endless, id="endless"),
        pytest.param(bomb(500_000_000), id="decompression bomb"),
    ],
)
async def test_a_reply_past_max_reply_bytes_is_stopped_while_it_arrives(answer: Answer) -> None:
    async with RawServer(answer) as server:
        tracemalloc.start()
        error = await failure(Gateway(server.url, max_reply_bytes=1_000_000), retry=QUICKLY)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        await server.wait_for(lambda: server.open_connections == 0)
    assert isinstance(error, ReplyTooLargeError)
    assert error.calls == 1
    assert "larger than max_reply_bytes, 1000000 bytes" in str(error)
    assert peak < 20_000_000


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
