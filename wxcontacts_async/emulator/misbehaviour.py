"""What a client gets to see of each fault."""

import zlib
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Literal

from anyio import sleep, sleep_forever
from anyio.lowlevel import checkpoint

from wxcontacts_async.emulator.connection import Connection, http_head, http_reply
from wxcontacts_async.emulator.failure import failure
from wxcontacts_async.emulator.faults import Fault, FaultKind

_PAUSE = 0.05
_BLOCK = 64 * 1024
_TINY_CHUNKS = 1_000_000
_TINY_CHUNKS_AT_ONCE = 10_000
_TINY_CHUNK = b"1\r\n \r\n"
_LAST_CHUNK = b"0\r\n\r\n"
_BOMB_BLOCK = 1024 * 1024  # of blanks, about a thousandth of that as gzip
_BOMB_BLOCKS = 10 * 1024
_DEPTH = 100_000
# The host cannot exist.
_LOCATION = "Location: http://elsewhere.invalid/getAllContact"
_HTML = b"<html><head><title>502 Bad Gateway</title></head><body>Try later.</body></html>"

_Then = Literal["go on", "close", "reset"]


def replaces_reply(fault: Fault) -> bool:
    """Tell whether a fault stands in the place of a reply, which then is never made."""
    kind = fault.kind
    return kind in _WITHOUT_REPLY or kind in _WITHOUT_END or kind.status is not None


def delivers_reply(fault: Fault) -> bool:
    """Tell whether a client that is patient enough has the whole reply in the end."""
    return fault.kind in _WHOLE or fault.kind.strikes_contacts


async def misbehave(connection: Connection, fault: Fault, body: bytes) -> None:
    """Let a client meet a fault.

    What ends by itself does so with the last thing that the client sees, without a tick of the
    event loop between them, so that the call is recorded before the client can act on it.

    Arguments:
        connection: The client's.
        fault: One that does not strike contacts.
        body: The reply; it is not looked at if the fault replaces it.

    """
    kind = fault.kind
    if kind in _WITHOUT_END:
        await _WITHOUT_END[kind](connection)
    elif kind is FaultKind.TRICKLE:
        await _trickle(connection, http_reply(body), fault.bytes_per_second)
    elif kind is FaultKind.TINY_CHUNKS:
        await _tiny_chunks(connection, body)
    elif kind in _WITHOUT_REPLY:
        await _write(connection, *_WITHOUT_REPLY[kind])
    elif kind in _WITH_REPLY:
        render, then = _WITH_REPLY[kind]
        await _write(connection, render(body), then)
    else:
        connection.write(_status(fault))


async def _write(connection: Connection, data: bytes, then: _Then) -> None:
    if data:
        connection.write(data)
    if then == "close":
        connection.close()
    elif then == "reset":
        await connection.drained()  # else it would never be sent
        connection.reset()


def _status(fault: Fault) -> bytes:
    headers = [] if fault.retry_after is None else [f"Retry-After: {fault.retry_after}"]
    status = 429 if fault.kind is FaultKind.RATE_LIMIT else fault.kind.status or 500
    return http_reply(_HTML, status, content_type="text/html", headers=headers)


# What is written in the place of a reply, and what becomes of the connection then.
_WITHOUT_REPLY: dict[FaultKind, tuple[bytes, _Then]] = {
    FaultKind.RESET_CONNECTIONS: (b"", "reset"),
    FaultKind.RESET_BEFORE_HEADERS: (b"", "reset"),
    FaultKind.RESET_IN_HEADERS: (http_head(length=_BLOCK)[:40], "reset"),
    FaultKind.CLOSE_WITHOUT_REPLY: (b"", "close"),
    FaultKind.NOT_HTTP: (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "close"),
    FaultKind.NOT_JSON: (http_reply(bytes(range(256))), "go on"),
    FaultKind.HTML: (http_reply(_HTML, content_type="text/html"), "go on"),
    FaultKind.EMPTY_BODY: (http_reply(b""), "go on"),
    FaultKind.NULL: (http_reply(b"null"), "go on"),
    FaultKind.LIST: (http_reply(b'["1000","",{}]'), "go on"),
    FaultKind.DEEP_NESTING: (http_reply(b"[" * _DEPTH + b"]" * _DEPTH), "go on"),
    FaultKind.REDIRECT: (http_reply(b"", 307, headers=[_LOCATION]), "go on"),
    FaultKind.INITIALIZING_500: (http_reply(failure("1001", "初始化中"), 500), "go on"),
    FaultKind.REFUSED_404: (http_reply(failure("1001", "wId不存在"), 404), "go on"),
    FaultKind.THROTTLED: (http_reply(failure("1001", "操作太频繁，请稍后再试")), "go on"),
}


def _half_of(body: bytes) -> bytes:
    return body[: len(body) // 2]


def _short(body: bytes) -> bytes:
    return http_head(length=len(body)) + _half_of(body)


def _unended(body: bytes) -> bytes:
    return http_head(length=None) + _chunk(body)


def _in_gb18030(body: bytes) -> bytes:
    content_type = "application/json; charset=GB18030"
    return http_reply(body.decode().encode("gb18030"), content_type=content_type)


def _with_cookie(body: bytes) -> bytes:
    return http_reply(body, headers=["Set-Cookie: session=emulated; Path=/"])


# What is made of a reply, and what becomes of the connection then.
_WITH_REPLY: dict[FaultKind, tuple[Callable[[bytes], bytes], _Then]] = {
    FaultKind.RESET_AFTER_HEADERS: (_short, "reset"),
    FaultKind.CLOSE_AFTER_REPLY: (http_reply, "close"),
    FaultKind.SHORT_BODY: (_short, "close"),
    FaultKind.UNENDED_CHUNKS: (_unended, "close"),
    FaultKind.HALF_JSON: (lambda body: http_reply(_half_of(body)), "go on"),
    FaultKind.BYTE_ORDER_MARK: (lambda body: http_reply(b"\xef\xbb\xbf" + body), "go on"),
    FaultKind.GB18030: (_in_gb18030, "go on"),
    FaultKind.SET_COOKIE: (_with_cookie, "go on"),
}
_WHOLE = {
    FaultKind.CLOSE_AFTER_REPLY,
    FaultKind.TRICKLE,
    FaultKind.TINY_CHUNKS,
    FaultKind.BYTE_ORDER_MARK,
    FaultKind.GB18030,
    FaultKind.SET_COOKIE,
}


async def _silence(connection: Connection) -> None:  # noqa: ARG001  # nothing is said on it
    await sleep_forever()


async def _endless_headers(connection: Connection) -> None:
    connection.write(b"HTTP/1.1 200 OK\r\n")
    line = b"X-More: and more\r\n"
    await _write_on(connection, line * (_BLOCK // len(line)))


async def _endless_body(connection: Connection) -> None:
    connection.write(http_head(length=None))
    await _write_on(connection, _chunk(b" " * _BLOCK))


async def _gzip_bomb(connection: Connection) -> None:
    connection.write(http_head(length=None, headers=["Content-Encoding: gzip"]))
    first, repeated = _bomb()
    connection.write(_chunk(first))
    await _write_on(connection, _chunk(repeated), times=_BOMB_BLOCKS)
    connection.write(_LAST_CHUNK)


# What stands in the place of a reply, too, and goes on until the client has enough of it.
_WITHOUT_END: dict[FaultKind, Callable[[Connection], Awaitable[None]]] = {
    FaultKind.SILENCE: _silence,
    FaultKind.ENDLESS_HEADERS: _endless_headers,
    FaultKind.ENDLESS_BODY: _endless_body,
    FaultKind.GZIP_BOMB: _gzip_bomb,
}


async def _trickle(connection: Connection, reply: bytes, bytes_per_second: float) -> None:
    # Faster ones go some bytes at a time, as a pause has a shortest length.
    step = max(1, int(bytes_per_second * _PAUSE))
    for start in range(0, len(reply), step):
        if start:
            await connection.drained()
            await sleep(step / bytes_per_second)
        connection.write(reply[start : start + step])


async def _tiny_chunks(connection: Connection, body: bytes) -> None:
    connection.write(http_head(length=None))
    block = _TINY_CHUNK * _TINY_CHUNKS_AT_ONCE
    await _write_on(connection, block, times=_TINY_CHUNKS // _TINY_CHUNKS_AT_ONCE)
    connection.write(_chunk(body) + _LAST_CHUNK)


async def _write_on(connection: Connection, block: bytes, *, times: int | None = None) -> None:
    """Write a block again and again, no faster than the client reads it, and let others run."""
    while times is None or times > 0:
        connection.write(block)
        await connection.drained()
        await checkpoint()
        times = None if times is None else times - 1


def _chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


@cache
def _bomb() -> tuple[bytes, bytes]:
    """Return the gzip of a block of blanks: the first time, and every time after that."""
    gzip = zlib.compressobj(9, wbits=31)
    first, repeated = (
        gzip.compress(b" " * _BOMB_BLOCK) + gzip.flush(zlib.Z_FULL_FLUSH) for _ in range(2)
    )
    return first, repeated
