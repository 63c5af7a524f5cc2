"""One call: what is sent, what is accepted, and what each fault of a gateway becomes."""

import gzip
import json
import socket
import ssl
import tracemalloc
import zlib
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import anyio
import msgspec
import pytest
import trustme
from anyio.abc import SocketAttribute, SocketStream

from tests.raw_server import (
    DOCUMENT_ERROR,
    DOCUMENT_SUCCESS,
    ONE_FRIEND,
    Answer,
    RawServer,
    http_reply,
    replying,
)
from wxcontacts_async import (
    ContactSet,
    Gateway,
    GatewayConnectionError,
    GatewayHTTPError,
    GatewayRefusedError,
    GatewayTimeoutError,
    InitializationWait,
    ReplyDecodeError,
    ReplyTooLargeError,
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


async def test_the_documents_sample_gives_one_of_each_with_every_field_as_printed() -> None:
    async with RawServer(replying(http_reply(DOCUMENT_SUCCESS.encode()))) as server:
        contacts = await fetch(server.url)
    (official_account,) = contacts.official_accounts
    (friend,) = contacts.friends
    (group,) = contacts.groups
    assert official_account.nick_name == "豆瓣读书"
    assert (
        official_account.signature == "豆瓣读书官方订阅号。在这里，遇见好书。在阅读中，多活几次。"
    )
    assert (friend.user_name, friend.sex) == ("wxid_vao3ptfez4p22", 1)
    assert (group.user_name, group.big_head) == ("22156949594@chatroom", None)
    # Back on the wire they are what the document prints.
    printed = json.loads(DOCUMENT_SUCCESS)["data"]
    assert [msgspec.to_builtins(contact) for contact in contacts] == [
        *printed["public"],
        *printed["friend"],
        *printed["group"],
    ]


async def test_the_documents_error_gives_the_code_and_the_message() -> None:
    error = await failure_of(replying(http_reply(DOCUMENT_ERROR.encode())), retry=QUICKLY)
    assert isinstance(error, GatewayRefusedError)
    assert (error.code, error.message, error.calls) == ("1001", "失败", 1)


@pytest.mark.parametrize(
    ("suffix", "path"),
    [
        ("", "/getAllContact"),
        ("/", "/getAllContact"),
        ("/wx/api", "/wx/api/getAllContact"),
        ("/wx/api/", "/wx/api/getAllContact"),
        ("/a%20b", "/a%20b/getAllContact"),
    ],
)
async def test_the_request_is_exactly_the_documents(suffix: str, path: str) -> None:
    async with RawServer(replying(http_reply())) as server:
        await fetch(Gateway(server.url + suffix, headers={"X-Token": "t"}))
    (request,) = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    assert first == f"POST {path} HTTP/1.1"
    assert headers["content-type"] == "application/json"
    assert headers["x-token"] == "t"
    assert json.loads(body) == {"wId": W_ID}


@pytest.mark.parametrize(
    "w_id",
    ['"quoted"', "new\nline", "\x00\x1f", "微信🌸", "x" * 10_000, "a/b?c#d"],
)
async def test_any_w_id_arrives_as_it_is(w_id: str) -> None:
    async with RawServer(replying(http_reply())) as server:
        await fetch(server.url, w_id=w_id)
    assert json.loads(server.requests[0].partition(b"\r\n\r\n")[2]) == {"wId": w_id}


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "text/plain; charset=utf-8", "text/html", "nonsense", ""],
)
async def test_a_reply_is_read_whatever_its_content_type(content_type: str) -> None:
    headers = f"Content-Type: {content_type}\n" if content_type else ""
    async with RawServer(replying(http_reply(headers=headers))) as server:
        contacts = await fetch(server.url)
    assert [friend.user_name for friend in contacts.friends] == ["wxid_one"]


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(
    b"%x\r\n%c\r\n" % (1, byte) for byte in ONE_FRIEND
)


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(
            http_reply(gzip.compress(ONE_FRIEND), headers="Content-Encoding: gzip\n"),
            id="gzip",
        ),
        pytest.param(
            http_reply(zlib.compress(ONE_FRIEND), headers="Content-Encoding: deflate\n"),
            id="deflate",
        ),
        pytest.param(CHUNKED + b"0\r\n\r\n", id="chunked"),
        pytest.param(http_reply(status="201 Created"), id="another 2xx"),
    ],
)
async def test_a_reply_may_be_compressed_or_chunked(reply: bytes) -> None:
    async with RawServer(replying(reply)) as server:
        contacts = await fetch(server.url)
    assert [friend.user_name for friend in contacts.friends] == ["wxid_one"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_refused_and_says_so(status: int) -> None:
    async with RawServer(replying(http_reply())) as elsewhere:
        headers = f"Location: {elsewhere.url}/getAllContact\n"
        error = await failure_of(
            replying(http_reply(b"", status=f"{status} Moved", headers=headers)),
            retry=QUICKLY,
        )
    assert isinstance(error, GatewayHTTPError)
    assert (error.status, error.calls) == (status, 1)
    assert "Redirects are refused" in str(error)
    assert elsewhere.connections == 0


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 418])
async def test_other_client_errors_are_final_at_once(status: int) -> None:
    error = await failure_of(replying(http_reply(b"", status=f"{status} No")), retry=QUICKLY)
    assert isinstance(error, GatewayHTTPError)
    assert (error.status, error.calls) == (status, 1)
    assert "Check" in str(error)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_statuses_that_may_pass_are_tried_again(status: int) -> None:
    answer = replying(http_reply(b"", status=f"{status} Later"), http_reply())
    async with RawServer(answer) as server:
        contacts = await fetch(server.url, retry=QUICKLY)
    assert len(contacts) == 1
    assert len(server.requests) == 2


async def test_after_the_last_attempt_the_error_is_the_outcome() -> None:
    error = await failure_of(replying(http_reply(b"", status="502 Bad")), retry=QUICKLY)
    assert isinstance(error, GatewayHTTPError)
    assert (error.status, error.calls, error.w_id) == (502, 3, W_ID)


async def test_an_initializing_reply_starts_the_count_of_attempts_again() -> None:
    bad = http_reply(b"", status="502 Bad")
    initializing = http_reply('{"code":"1001","message":"初始化中"}'.encode())
    answer = replying(bad, bad, initializing, bad, bad, http_reply())
    async with (
        RawServer(answer) as server,
        SessionPool(
            server.url,
            retry=QUICKLY,
            initialization=InitializationWait(0),
        ) as pool,
        pool.stream([W_ID]) as outcomes,
    ):
        assert [outcome.calls async for outcome in outcomes] == [6]


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_retry_after_is_obeyed(form: str) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=2)
    value = "1" if form == "seconds" else moment.strftime("%a, %d %b %Y %H:%M:%S GMT")
    times: list[float] = []

    async def answer(stream: SocketStream, request: bytes) -> None:  # noqa: ARG001
        times.append(anyio.current_time())
        busy = http_reply(b"", status="503 Busy", headers=f"Retry-After: {value}\n")
        await stream.send(busy if len(times) == 1 else http_reply())

    async with RawServer(answer) as server:
        await fetch(server.url, retry=QUICKLY)
    # A date has whole seconds, so it is 1 to 2 seconds away.
    assert times[1] - times[0] >= 0.99


async def test_a_retry_after_of_hours_is_not_waited_for() -> None:
    reply = http_reply(b"", status="429 Slow down", headers="Retry-After: 7200\n")
    error = await failure_of(replying(reply), retry=QUICKLY)
    assert isinstance(error, GatewayHTTPError)
    assert (error.retry_after, error.calls) == (7200, 1)
    assert "asks to come back in 7200 s" in str(error)


@pytest.mark.parametrize("body", [b"", b"<html>502</html>", b"null", ONE_FRIEND[:40]])
async def test_a_body_that_is_no_reply_is_tried_again(body: bytes) -> None:
    async with RawServer(replying(http_reply(body), http_reply())) as server:
        assert len(await fetch(server.url, retry=QUICKLY)) == 1
    error = await failure_of(replying(http_reply(body)), retry=QUICKLY)
    assert isinstance(error, ReplyDecodeError)
    assert error.calls == 3


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(b"", id="closed with no reply"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Le", id="closed within the headers"),
        pytest.param(http_reply(length=1000), id="body shorter than its length"),
        pytest.param(CHUNKED, id="chunked with no end"),
        pytest.param(
            http_reply(gzip.compress(ONE_FRIEND)[:30], headers="Content-Encoding: gzip\n"),
            id="cut gzip",
        ),
        pytest.param(http_reply(ONE_FRIEND, headers="Content-Encoding: gzip\n"), id="no gzip"),
    ],
)
async def test_a_broken_connection_or_body_is_tried_again(broken: bytes) -> None:
    left = [broken, http_reply()]

    async def answer(stream: SocketStream, request: bytes) -> None:  # noqa: ARG001
        await stream.send(left.pop(0))
        if left:
            await stream.aclose()

    async with RawServer(answer) as server:
        assert len(await fetch(server.url, retry=QUICKLY)) == 1

    async def always_broken(stream: SocketStream, request: bytes) -> None:  # noqa: ARG001
        await stream.send(broken)
        await stream.aclose()

    error = await failure_of(always_broken, retry=QUICKLY)
    assert isinstance(error, GatewayConnectionError | ReplyDecodeError)
    assert error.calls == 3


async def test_what_is_not_http_is_an_undecodable_reply_and_shows_no_bytes() -> None:
    error = await failure_of(replying(b"SSH-2.0-OpenSSH_9.2 wxid_secret\r\n\r\n"))
    assert isinstance(error, ReplyDecodeError)
    assert "wxid_secret" not in f"{error} {error!r} {error.__cause__} {error.__context__}"


async def test_a_dead_gateway_is_a_connection_error_that_says_what_to_check() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        error = await failure(url, retry=QUICKLY)
    assert isinstance(error, GatewayConnectionError)
    assert str(error) == (
        f"wId '{W_ID}' at gateway '{url}' after 3 calls: no connection: Connection refused. "
        "Check that the gateway runs and that its base_url is right."
    )


async def test_a_host_that_does_not_exist_is_a_connection_error() -> None:
    error = await failure("http://gateway.invalid")
    assert isinstance(error, GatewayConnectionError)
    assert "could not be resolved" in str(error)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_context(authority: trustme.CA, host: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(host).configure_cert(context)
    return context


async def test_tls_trusts_what_its_context_trusts(authority: trustme.CA) -> None:
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    tls = server_context(authority, "127.0.0.1")
    async with RawServer(replying(http_reply()), tls=tls) as server:
        assert await fetch(Gateway(server.url, ssl=trusting))
        assert await fetch(Gateway(server.url, ssl=False))


@pytest.mark.parametrize("fault", ["unknown authority", "another host's certificate"])
async def test_a_certificate_that_is_not_trusted_is_final_and_says_what_to_check(
    authority: trustme.CA,
    fault: str,
) -> None:
    trusting = ssl.create_default_context()
    host = "127.0.0.1"
    if fault == "another host's certificate":
        authority.configure_trust(trusting)
        host = "gateway.invalid"
    async with RawServer(replying(http_reply()), tls=server_context(authority, host)) as server:
        error = await failure(Gateway(server.url, ssl=trusting), retry=QUICKLY)
    assert isinstance(error, GatewayConnectionError)
    assert error.calls == 1
    assert "no TLS connection" in str(error)
    assert "Check the gateway's certificate" in str(error)


async def test_a_gateway_that_speaks_no_tls_is_final_and_says_what_to_check() -> None:
    async def greet(stream: SocketStream) -> None:
        async with stream:
            await stream.send(b"220 no tls here\r\n")
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                while True:
                    await stream.receive()

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, greet)
        port = listener.extra(SocketAttribute.local_port)
        error = await failure(f"https://127.0.0.1:{port}", retry=QUICKLY)
        tasks.cancel_scope.cancel()
    assert isinstance(error, GatewayConnectionError)
    assert error.calls == 1
    assert "no TLS connection" in str(error)


async def test_silence_ends_in_a_timeout() -> None:
    async def never(stream: SocketStream, request: bytes) -> None:  # noqa: ARG001
        await anyio.sleep_forever()

    async with RawServer(never) as server:
        error = await failure(Gateway(server.url, request_timeout=0.2), retry=RetryPolicy(2))
        await server.wait_for(lambda: server.open_connections == 0)
    assert isinstance(error, GatewayTimeoutError)
    assert error.calls == 2
    assert "no complete reply within 0.2 s" in str(error)


async def test_a_reply_that_trickles_ends_in_the_total_timeout() -> None:
    async def trickle(stream: SocketStream, request: bytes) -> None:  # noqa: ARG001
        await stream.send(http_reply(b"", length=10**6))
        while True:
            await stream.send(b" ")
            await anyio.sleep(0.01)

    async with RawServer(trickle) as server:
        error = await failure(Gateway(server.url, request_timeout=0.3))
    assert isinstance(error, GatewayTimeoutError)


async def test_no_connection_within_the_connect_timeout_is_a_timeout() -> None:
    # A listener that does not accept, and whose queue is full, lets further ones wait.
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(8)]
        for filler in fillers:
            filler.settimeout(0)
            filler.connect_ex(address)
        gateway = Gateway(f"http://127.0.0.1:{address[1]}", connect_timeout=0.3)
        error = await failure(gateway)
        for filler in fillers:
            filler.close()
    assert isinstance(error, GatewayTimeoutError)
    assert "no connection within 0.3 s" in str(error)


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


async def test_a_connection_is_used_again_and_cookies_are_not_kept() -> None:
    reply = http_reply(headers="Set-Cookie: session=1\n")
    async with RawServer(replying(reply)) as server, SessionPool(server.url) as pool:
        await pool.fetch("a")
        await pool.fetch("b")
        assert server.connections == 1
    assert b"cookie" not in server.requests[1].lower()


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


async def test_max_rate_spreads_calls_evenly() -> None:
    times: list[float] = []

    async def answer(stream: SocketStream, request: bytes) -> None:  # noqa: ARG001
        times.append(anyio.current_time())
        await stream.send(http_reply())

    async with (
        RawServer(answer) as server,
        SessionPool(Gateway(server.url, max_rate=20)) as pool,
    ):
        await pool.fetch_all(f"w{i}" for i in range(11))
    assert times[-1] - times[0] >= 0.45
    assert max(sum(t <= other < t + 0.2 for other in times) for t in times) <= 6
