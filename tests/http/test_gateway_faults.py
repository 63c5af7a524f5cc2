"""Broken connections, replies and certificates, and silence."""

import gzip
import socket
import ssl
from contextlib import suppress

import anyio
import pytest
import trustme
from anyio.abc import SocketAttribute, SocketStream

from tests.support.one_call import (
    CHUNKED,
    QUICKLY,
    W_ID,
    failure,
    failure_of,
    fetch,
    server_context,
)
from tests.support.raw_server import (
    ONE_FRIEND,
    RawServer,
    http_reply,
    replying,
)
from wxcontacts_async import (
    Gateway,
    GatewayConnectionError,
    GatewayTimeoutError,
    ReplyDecodeError,
    RetryPolicy,
)
from wxcontacts_async.emulator import EmulatedInstance, Fault, FaultKind, GatewayEmulator


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


BREAKS = [
    FaultKind.RESET_BEFORE_HEADERS,
    FaultKind.RESET_IN_HEADERS,
    FaultKind.RESET_AFTER_HEADERS,
    FaultKind.CLOSE_WITHOUT_REPLY,
    FaultKind.SHORT_BODY,
    FaultKind.UNENDED_CHUNKS,
]


@pytest.mark.parametrize("kind", BREAKS)
async def test_a_call_that_breaks_off_twice_gets_every_contact_the_third_time(
    kind: FaultKind,
) -> None:
    twice = Fault(kind, first_calls=2)
    async with GatewayEmulator([W_ID], contacts=50, faults=[twice]) as emulator:
        contacts = await fetch(emulator.url, retry=QUICKLY)
        assert [call.reply for call in emulator.calls] == ["fault", "fault", "ready"]
        assert list(contacts) == list(emulator.contact_set(W_ID))


@pytest.mark.parametrize("kind", BREAKS)
async def test_a_call_that_always_breaks_off_is_a_connection_error(kind: FaultKind) -> None:
    async with GatewayEmulator([W_ID], contacts=50, faults=[Fault(kind)]) as emulator:
        error = await failure(emulator.url, retry=RetryPolicy(2, initial_delay=0))
    assert isinstance(error, GatewayConnectionError)
    assert (error.calls, error.transient) == (2, True)
    assert "Check that the gateway runs" in str(error)


async def test_connections_that_are_reset_as_they_are_made_are_tried_again() -> None:
    twice = Fault(FaultKind.RESET_CONNECTIONS, first_calls=2)
    async with GatewayEmulator([W_ID], contacts=50, faults=[twice]) as emulator:
        assert len(await fetch(emulator.url, retry=QUICKLY)) == 50
        assert [one.turned_away for one in emulator.connections] == [True, True, False]


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
    assert "Check that the gateway runs and that its base_url is right." in str(error)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


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
    assert "Check the gateway's certificate" in str(error)


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


async def test_a_reply_of_one_byte_a_second_ends_in_the_total_timeout() -> None:
    trickle = Fault(FaultKind.TRICKLE, bytes_per_second=1)
    async with GatewayEmulator({W_ID: EmulatedInstance(contacts=1)}, faults=[trickle]) as emulator:
        error = await failure(Gateway(emulator.url, request_timeout=1.2))
        await emulator.wait_until_idle()
        (call,) = emulator.calls
    assert isinstance(error, GatewayTimeoutError)
    assert "no complete reply within 1.2 s" in str(error)
    assert call.ended is not None
    assert 1.1 < call.ended - call.began < 30  # all of it would take minutes


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
