"""Each fault of the emulator really happens on the wire."""

import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import aiohttp
import anyio
import pytest

from tests.support.loops import on_asyncio
from wxcontacts_async import (
    Fetched,
    GatewayHTTPError,
    InitializationWait,
    Instance,
    InvalidArgumentError,
    ReplyTooLargeError,
    RetryPolicy,
    SessionPool,
)
from wxcontacts_async.emulator import EmulatedInstance, Fault, FaultKind, GatewayEmulator
from wxcontacts_async.settings import Gateway

REQUEST = (
    b'POST /getAllContact HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n\r\n{"wId":"a"}'
)


def gateway(*faults: Fault, contacts: int = 40) -> GatewayEmulator:
    return GatewayEmulator({"a": EmulatedInstance(contacts=contacts, faults=faults)})


async def received_from(url: str) -> tuple[bytes, str]:
    """Send one call; return what comes back before the connection ends, and how it ends."""
    received = b""
    with anyio.fail_after(30):
        async with await anyio.connect_tcp("127.0.0.1", int(url.rpartition(":")[2])) as stream:
            try:
                await stream.send(REQUEST)
                while True:
                    received += await stream.receive()
            except anyio.EndOfStream:
                return received, "closed"
            except anyio.BrokenResourceError:
                return received, "reset"


@asynccontextmanager
async def called(emulator: GatewayEmulator) -> AsyncIterator[aiohttp.ClientResponse]:
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.post(
            f"{emulator.url}/getAllContact",
            json={"wId": "a"},
            allow_redirects=False,
        ) as response,
    ):
        yield response


def body_length(head: bytes) -> int:
    return int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])


@pytest.mark.parametrize(
    ("kind", "ending"),
    [
        (FaultKind.RESET_BEFORE_HEADERS, "reset"),
        (FaultKind.RESET_IN_HEADERS, "reset"),
        (FaultKind.RESET_AFTER_HEADERS, "reset"),
        (FaultKind.CLOSE_WITHOUT_REPLY, "closed"),
        (FaultKind.CLOSE_AFTER_REPLY, "closed"),
        (FaultKind.SHORT_BODY, "closed"),
        (FaultKind.UNENDED_CHUNKS, "closed"),
        (FaultKind.NOT_HTTP, "closed"),
    ],
)
async def test_a_connection_breaks_where_the_fault_says(kind: FaultKind, ending: str) -> None:
    async with gateway(Fault(kind)) as emulator:
        received, ended = await received_from(emulator.url)
        await emulator.wait_until_idle()
        head, separator, body = received.partition(b"\r\n\r\n")
        whole = emulator.population.reply("a", 40)

        assert ended == ending
        assert emulator.calls[0].fault is kind
        assert emulator.faults_met == {kind: 1}
        assert emulator.calls[0].reply == (
            "ready" if kind is FaultKind.CLOSE_AFTER_REPLY else "fault"
        )
    match kind:
        case FaultKind.RESET_BEFORE_HEADERS | FaultKind.CLOSE_WITHOUT_REPLY:
            assert received == b""
        case FaultKind.RESET_IN_HEADERS:
            assert received.startswith(b"HTTP/1.1 200 OK")
            assert not separator
        case FaultKind.CLOSE_AFTER_REPLY:
            assert b"onnection:" not in head
            assert body == whole
        case FaultKind.RESET_AFTER_HEADERS | FaultKind.SHORT_BODY:
            assert body_length(head) == len(whole)
            assert whole.startswith(body)
            assert 0 < len(body) < len(whole)
        case FaultKind.UNENDED_CHUNKS:
            assert b"Transfer-Encoding: chunked" in head
            assert body == b"%x\r\n%s\r\n" % (len(whole), whole)
        case FaultKind.NOT_HTTP:
            assert not received.startswith(b"HTTP")


@on_asyncio
@pytest.mark.parametrize(
    ("kind", "begin"),
    [
        (FaultKind.NOT_JSON, b"\x00\x01"),
        (FaultKind.HTML, b"<html>"),
        (FaultKind.EMPTY_BODY, b""),
        (FaultKind.NULL, b"null"),
        (FaultKind.LIST, b'["1000"'),
        (FaultKind.DEEP_NESTING, b"[" * 100_000),
        (FaultKind.HALF_JSON, '{"message":"成功"'.encode()),
        (FaultKind.BYTE_ORDER_MARK, b'\xef\xbb\xbf{"message"'),
    ],
)
async def test_a_body_is_no_reply_but_sound_http(kind: FaultKind, begin: bytes) -> None:
    async with gateway(Fault(kind)) as emulator, called(emulator) as response:
        body = await response.read()
        truth = emulator.population.reply("a", 40)
        assert response.status == 200
        assert emulator.calls[0].fault is kind
    assert body.startswith(begin)
    if kind is FaultKind.HALF_JSON:
        assert body == truth[: len(truth) // 2]
    elif kind is FaultKind.BYTE_ORDER_MARK:
        assert body == b"\xef\xbb\xbf" + truth
    elif kind in {FaultKind.EMPTY_BODY, FaultKind.NULL}:
        assert body == begin


@on_asyncio
@pytest.mark.parametrize("kind", [kind for kind in FaultKind if kind.status])
async def test_a_status_is_answered(kind: FaultKind) -> None:
    async with gateway(Fault(kind, first_calls=1), Fault(kind, retry_after=7)) as emulator:
        async with called(emulator) as response:
            assert response.status == int(kind[-3:])
            assert "Retry-After" not in response.headers
        async with called(emulator) as response:
            assert response.status == int(kind[-3:])
            assert response.headers["Retry-After"] == "7"
        assert emulator.faults_met == {kind: 2}
        assert [call.reply for call in emulator.calls] == ["fault", "fault"]


@on_asyncio
@pytest.mark.parametrize(
    ("kind", "status", "message"),
    [
        (FaultKind.INITIALIZING_500, 500, "初始化中"),
        (FaultKind.REFUSED_404, 404, "wId不存在"),
        (FaultKind.THROTTLED, 200, "操作太频繁，请稍后再试"),
    ],
)
async def test_a_reply_says_no_with_a_status_and_a_message(
    kind: FaultKind,
    status: int,
    message: str,
) -> None:
    async with gateway(Fault(kind)) as emulator, called(emulator) as response:
        assert response.status == status
        assert await response.json() == {"code": "1001", "message": message, "data": None}
        assert (emulator.calls[0].reply, emulator.calls[0].fault) == ("fault", kind)


@on_asyncio
async def test_a_rate_limit_lets_calls_through_one_by_one_and_refuses_the_others() -> None:
    limit = Fault(FaultKind.RATE_LIMIT, per_second=5, retry_after=3)
    async with GatewayEmulator({"a": EmulatedInstance(contacts=1)}, faults=[limit]) as emulator:
        statuses: list[int] = []
        while statuses.count(200) < 3 or statuses.count(429) < 3:
            async with called(emulator) as response:
                statuses.append(response.status)
                if response.status == 429:
                    assert response.headers["Retry-After"] == "3"
        through = [call.began for call in emulator.calls if call.reply == "ready"]
        assert emulator.faults_met == {FaultKind.RATE_LIMIT: statuses.count(429)}
    assert statuses[0] == 200
    assert len(through) == statuses.count(200)
    assert all(after - before >= 1 / 5 - 0.001 for before, after in pairwise(through))


@on_asyncio
async def test_a_rate_limit_is_over_when_its_time_is() -> None:
    # It comes again, as a busy machine may sleep through the first time.
    limit = Fault(FaultKind.RATE_LIMIT, per_second=0.001, during=0.3, every=0.6)
    async with GatewayEmulator({"a": EmulatedInstance(contacts=1)}, faults=[limit]) as emulator:
        while emulator.faults_met.total() == 0:
            async with called(emulator):
                pass
        with anyio.fail_after(30):
            while emulator.calls[-1].reply != "ready":
                async with called(emulator):
                    await anyio.sleep(0.02)


def test_a_rate_limit_is_of_all_calls_of_the_gateway() -> None:
    for wrong in ({"share": 0.5}, {"first_calls": 1}):
        with pytest.raises(InvalidArgumentError, match="share must be 1 and first_calls None"):
            Fault(FaultKind.RATE_LIMIT, **wrong)
    with pytest.raises(InvalidArgumentError, match="counts the calls of all"):
        EmulatedInstance(faults=(Fault(FaultKind.RATE_LIMIT),))
    with pytest.raises(InvalidArgumentError, match="per_second"):
        Fault(FaultKind.RATE_LIMIT, per_second=0)


@on_asyncio
async def test_a_redirect_leads_to_another_host_and_a_cookie_is_set() -> None:
    async with gateway(
        Fault(FaultKind.REDIRECT, first_calls=1), Fault(FaultKind.SET_COOKIE)
    ) as emulator:
        async with called(emulator) as response:
            assert response.status == 307
            assert response.headers["Location"].startswith("http://elsewhere.invalid/")
        async with called(emulator) as response:
            assert response.cookies["session"].value == "emulated"
            assert await response.read() == emulator.population.reply("a", 40)
        async with SessionPool(emulator.url) as pool:
            emulator.set_instance("a", EmulatedInstance(faults=(Fault(FaultKind.REDIRECT),)))
            with pytest.raises(GatewayHTTPError, match="307"):
                await pool.fetch("a")


@on_asyncio
async def test_the_encoding_is_gb18030_and_the_content_type_says_so() -> None:
    async with gateway(Fault(FaultKind.GB18030)) as emulator, called(emulator) as response:
        assert response.charset == "GB18030"
        truth = emulator.population.reply("a", 40)
        assert (await response.read()).decode("gb18030").encode() == truth


async def test_silence_is_recorded_when_the_client_has_gone() -> None:
    async with gateway(Fault(FaultKind.SILENCE)) as emulator:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(received_from, emulator.url)
            await emulator.wait_for_calls(1)
            assert emulator.under_way == 1
            tasks.cancel_scope.cancel()
        await emulator.wait_until_idle()
        assert emulator.faults_met == {FaultKind.SILENCE: 1}
        assert (emulator.calls[0].reply, emulator.calls[0].fault) == ("gone", FaultKind.SILENCE)


async def test_a_trickle_is_as_slow_as_it_is_told_and_gives_the_whole_reply() -> None:
    fault = Fault(FaultKind.TRICKLE, bytes_per_second=2000)
    async with gateway(fault, contacts=1) as emulator, called(emulator) as response:
        body = await response.read()
        await emulator.wait_until_idle()
        (call,) = emulator.calls
        assert body == emulator.population.reply("a", 1)
        assert call.ended is not None
        assert call.ended - call.began >= (len(body) - 100) / 2000
        assert call.reply == "ready"


@pytest.mark.parametrize(
    "kind",
    [FaultKind.ENDLESS_HEADERS, FaultKind.ENDLESS_BODY, FaultKind.GZIP_BOMB],
)
async def test_what_is_endless_waits_for_its_reader_and_ends_with_it(kind: FaultKind) -> None:
    async with gateway(Fault(kind)) as emulator:
        port = int(emulator.url.rpartition(":")[2])
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            await stream.send(REQUEST)
            await emulator.wait_for_calls(1)
            with anyio.fail_after(30):
                await anyio.wait_all_tasks_blocked()  # the emulator's, too, as nobody reads
            size = 0
            beginning = b""
            while size < 8 * 2**20:
                received = await stream.receive()
                beginning = beginning or received
                size += len(received)
            assert beginning.startswith(b"HTTP/1.1 200 OK\r\n")
            assert emulator.under_way == 1
        await emulator.wait_until_idle()
        assert emulator.calls[0].reply == "gone"


@on_asyncio
async def test_a_gzip_bomb_is_a_thousand_times_what_is_sent() -> None:
    async with gateway(Fault(FaultKind.GZIP_BOMB)) as emulator:
        async with called(emulator) as response:
            assert response.headers["Content-Encoding"] == "gzip"
            inflating = zlib.decompressobj(wbits=31)
            sent = inflated = 0
            while inflated < 50 * 2**20:
                piece = await response.content.readany()
                sent += len(piece)
                inflated += len(inflating.decompress(piece))
        assert inflated > 500 * sent
        async with SessionPool(Gateway(emulator.url, max_reply_bytes=2**20)) as pool:
            with pytest.raises(ReplyTooLargeError):
                await pool.fetch("a")
        await emulator.wait_until_idle()


async def test_tiny_chunks_are_a_million_before_the_reply() -> None:
    async with gateway(Fault(FaultKind.TINY_CHUNKS), contacts=1) as emulator:
        port = int(emulator.url.rpartition(":")[2])
        received = bytearray()
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            await stream.send(REQUEST)
            while not received.endswith(b"\r\n0\r\n\r\n"):
                received += await stream.receive()
        assert received.count(b"1\r\n \r\n") == 1_000_000
        assert emulator.population.reply("a", 1) in received


@pytest.mark.parametrize(
    "kind", [FaultKind.SILENCE, FaultKind.ENDLESS_BODY, FaultKind.TRICKLE, FaultKind.GZIP_BOMB]
)
async def test_nothing_is_left_when_the_emulator_is_left_in_the_middle(kind: FaultKind) -> None:
    async with anyio.create_task_group() as tasks:
        with anyio.fail_after(30):
            async with gateway(Fault(kind)) as emulator:
                port = int(emulator.url.rpartition(":")[2])
                stream = await anyio.connect_tcp("127.0.0.1", port)
                await stream.send(REQUEST)
                await emulator.wait_for_calls(1)
        await stream.aclose()
        assert emulator.under_way == 0
        assert emulator.calls[0].reply == "gone"
        assert emulator.connections[0].ended is not None
        tasks.cancel_scope.cancel()


async def test_every_kind_of_fault_is_retried_or_ends_in_an_error_of_ours() -> None:
    lasting = {
        FaultKind.REFUSE_CONNECTIONS,
        FaultKind.RESET_CONNECTIONS,
        FaultKind.TINY_CHUNKS,
        FaultKind.RATE_LIMIT,
    }
    without_end = {
        FaultKind.SILENCE,
        FaultKind.TRICKLE,
        FaultKind.ENDLESS_HEADERS,
        FaultKind.ENDLESS_BODY,
    }
    kinds = [kind for kind in FaultKind if kind not in lasting]
    instances = {
        kind.value: EmulatedInstance(contacts=5, faults=(Fault(kind, first_calls=1),))
        for kind in kinds
    }
    async with GatewayEmulator(instances) as emulator:
        async with SessionPool(
            {
                "patient": Gateway(emulator.url, max_reply_bytes=2**20),
                "hasty": Gateway(emulator.url, max_reply_bytes=2**20, request_timeout=1.5),
            },
            initialization=InitializationWait(0.1),
            retry=RetryPolicy(2, initial_delay=0),
        ) as pool:
            report = await pool.fetch_all(
                Instance(kind.value, gateway="hasty" if kind in without_end else "patient")
                for kind in kinds
            )
        await emulator.wait_until_idle()
        assert emulator.faults_met == dict.fromkeys(kinds, 1)
    assert len(report.outcomes) == len(kinds)
    fetched = {outcome.w_id for outcome in report.outcomes if isinstance(outcome, Fetched)}
    assert {"status-503", "reset-in-headers", "silence", "short-body"} <= fetched
    assert not {"status-404", "gzip-bomb", "redirect"} & fetched
