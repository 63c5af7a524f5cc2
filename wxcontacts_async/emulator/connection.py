"""HTTP on one connection of the emulator, which may be as impolite as a fault asks for."""

import asyncio
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Iterable
from time import monotonic
from typing import cast

import msgspec

_LONGEST_HEAD = 64 * 1024
_LONGEST_REQUEST = 1024 * 1024
_REASONS = {
    200: "OK",
    307: "Temporary Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    411: "Length Required",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
JSON = "application/json; charset=utf-8"
# Closing with a linger of no seconds resets the connection.
_NO_LINGER = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


class RecordedConnection(msgspec.Struct):
    """One connection that the emulator accepted.

    Attributes:
        began: When it was accepted, in seconds of `time.monotonic`.
        ended: When it was gone; None while it is open.
        turned_away: Whether it was reset as soon as it was made.

    """

    began: float
    ended: float | None = None
    turned_away: bool = False


class Request(msgspec.Struct, frozen=True):
    """An HTTP request."""

    method: str
    path: str
    body: bytes
    is_last: bool  # of its connection


class _BadRequestError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def http_head(
    status: int = 200,
    *,
    length: int | None,
    content_type: str = JSON,
    headers: Iterable[str] = (),
) -> bytes:
    """Render what stands before a body; None as its length means that it is chunked."""
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    lines = (
        f"HTTP/1.1 {status} {_REASONS[status]}",
        f"Content-Type: {content_type}",
        framing,
        *headers,
    )
    return "\r\n".join([*lines, "", ""]).encode()


def http_reply(
    body: bytes,
    status: int = 200,
    *,
    content_type: str = JSON,
    headers: Iterable[str] = (),
) -> bytes:
    """Render a sound HTTP reply."""
    return http_head(status, length=len(body), content_type=content_type, headers=headers) + body


class Connection(asyncio.Protocol):
    """Reads requests, and gives one at a time to `answer` in a task that ends with it.

    Such a task is no child of a task group's, so that an emulator can be entered in one task
    and left in another, as some test frameworks' fixtures are. It is its connection's, which is
    not over before the task is.

    Arguments:
        answer: Answers one request; it is cancelled when the connection goes.
        over: Told when the connection and its task are gone.

    Attributes:
        record: When it was accepted and went.

    """

    def __init__(
        self,
        *,
        answer: Callable[["Connection", Request], Awaitable[None]],
        over: Callable[["Connection"], None],
    ) -> None:
        self._answer = answer
        self._over = over
        self._transport: asyncio.Transport
        self._is_made = False  # and has a transport
        self._received = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self.record = RecordedConnection(monotonic())

    def write(self, data: bytes) -> None:
        """Send, or keep what cannot be sent now; `drained` waits until it is."""
        self._transport.write(data)

    async def drained(self) -> None:
        """Wait until all is sent that was written."""
        await self._writable.wait()

    def close(self) -> None:
        """Close it once all is sent; reset it if it is not made yet."""
        if self._is_made:
            self._transport.close()
        else:
            self.reset()

    def reset(self) -> None:
        """Reset it (TCP RST), as a process that is killed in the middle of it does.

        One that is accepted and not made yet is reset as soon as it is made.
        """
        if not self._is_made:
            self.record.turned_away = True
            return
        raw: socket.socket | None = self._transport.get_extra_info("socket")
        if raw is not None and not self._transport.is_closing():
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._transport.abort()

    def cancel(self) -> None:
        """Cancel the answer that is under way."""
        if self._task is not None:
            self._task.cancel()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        # Nothing is kept that the client does not read, so that an endless body costs nothing.
        self._transport.set_write_buffer_limits(0)
        self._is_made = True
        if self.record.turned_away:
            self.reset()

    def data_received(self, data: bytes) -> None:
        """Take what the client sends."""
        self._received += data
        if len(self._received) > _LONGEST_REQUEST:
            self.reset()
        self._take_request()

    def eof_received(self) -> None:
        """Stop: a client that closes has gone, even if it could still read."""
        self.cancel()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Stop, and be over once the answer has stopped, too."""
        self.record.ended = monotonic()
        self._writable.set()
        self.cancel()
        if self._task is None:
            self._over(self)

    def pause_writing(self) -> None:
        """Let `drained` wait."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let `drained` wait no longer."""
        self._writable.set()

    def _take_request(self) -> None:
        """Answer the next request if it has come and the one before it is answered."""
        if self._task is not None or self._transport.is_closing():
            return
        try:
            request = _taken_from(self._received)
        except _BadRequestError as error:
            self.write(http_reply(str(error).encode(), error.status, content_type="text/plain"))
            self.close()
            return
        if request is not None:
            self._task = asyncio.get_running_loop().create_task(self._answer_one(request))
            self._task.add_done_callback(self._answered)

    async def _answer_one(self, request: Request) -> None:
        await self._answer(self, request)
        if request.is_last:
            self.close()

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if self.record.ended is not None:
            self._over(self)
        elif task.cancelled():
            self.close()
        elif (error := task.exception()) is not None:
            failure = {"message": "the emulator could not answer", "exception": error}
            asyncio.get_running_loop().call_exception_handler(failure)
            self.reset()
        else:
            self._take_request()


def _taken_from(received: bytearray) -> Request | None:
    """Take the first request from what was received; None if it is not there yet."""
    head, separator, _ = received.partition(b"\r\n\r\n")
    if not separator:
        if len(received) > _LONGEST_HEAD:
            raise _BadRequestError(400, "the head of the request is too long")
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    try:
        method, target, version = first.split(" ")
        parted = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in parted}
        length = int(headers.get("content-length", "0"))
    except ValueError:
        raise _BadRequestError(400, "the request is no HTTP") from None
    if length < 0:
        raise _BadRequestError(400, "the request has a negative Content-Length")
    if "transfer-encoding" in headers:
        raise _BadRequestError(411, "the request needs a Content-Length")
    end = len(head) + len(separator) + length
    if len(received) < end:
        return None
    body = bytes(received[end - length : end])
    del received[:end]
    wish = headers.get("connection", "").lower()
    is_last = wish != "keep-alive" if version == "HTTP/1.0" else wish == "close"
    return Request(method, target.partition("?")[0], body, is_last)
