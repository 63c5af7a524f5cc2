"""What is taken from aiohttp below its session: its connector, its parser, its reading of replies.

Some of that is not documented. It is used here and nowhere else, and `why_not` tries it: where it
is missing or does otherwise, calls are sent by aiohttp's session (session.py).
"""

import asyncio
import inspect
from collections.abc import Coroutine
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

import aiohttp
import aiohttp.http
import aiohttp.http_exceptions
import msgspec
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from wxcontacts_async._http.translation import NotHTTPError

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection as HeldConnection

LONGEST_LINE = 64 * 1024  # bytes, of a status line or a header
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None)
_SUCCESS = 200
_INFORMATIONAL = range(100, 200)
_SWITCHED = 101
_READ_AT_ONCE = 64 * 1024
_Result = TypeVar("_Result")
_OURS = (None, "gzip", "deflate")  # the encodings that are undone here


class Head(msgspec.Struct, frozen=True, gc=False):
    """The head of a reply whose body can be read in place.

    Attributes:
        content_type: The Content-Type header.
        encoding: "gzip", "deflate", or "" for neither.
        length: The Content-Length header, above 0; None where the body comes in chunks.
        is_last: Whether the connection ends with the reply.

    """

    content_type: str
    encoding: str
    length: int | None
    is_last: bool


class Answer(NamedTuple):
    """A reply that aiohttp reads: its head, and its body as it comes."""

    status: int
    headers: CIMultiDictProxy[str]
    content: aiohttp.StreamReader


class _NoFlowControl:
    """Stands for the protocol of a parser that is given a head and no body."""

    _reading_paused = False

    def pause_reading(self) -> None:
        """Do nothing."""

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002
        """Do nothing."""


_NO_FLOW_CONTROL = cast("ResponseHandler", _NoFlowControl())


def request_for(url: URL, headers: CIMultiDict[str]) -> aiohttp.ClientRequest:
    """Make what aiohttp connects for, with the headers that its session would send."""
    loop = asyncio.get_running_loop()
    return aiohttp.ClientRequest("POST", url, headers=headers, loop=loop)


def head_of(request: aiohttp.ClientRequest) -> bytes:
    """Return the head of each call, up to the value of its Content-Length, which comes last."""
    headers = request.headers
    lines = [f"POST {request.url.raw_path_qs} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items() if name != "Content-Length"]
    return "\r\n".join([*lines, "Content-Length: "]).encode()


def read_head(received: memoryview, loop: asyncio.AbstractEventLoop) -> Head | None:
    """Read a head that ends with `received`; None is one of a reply that aiohttp is to read."""
    parser = aiohttp.http.HttpResponseParser(
        _NO_FLOW_CONTROL,
        loop,
        _READ_AT_ONCE,
        payload_exception=aiohttp.ClientPayloadError,
        max_line_size=LONGEST_LINE,
        max_field_size=LONGEST_LINE,
        auto_decompress=False,
    )
    try:
        messages, upgraded, _ = parser.feed_data(received)  # type: ignore[arg-type]  # reads it
    except Exception:  # noqa: BLE001  # aiohttp will say it in its own way
        return None
    if len(messages) != 1 or upgraded:
        return None
    message, content = messages[0]
    headers = message.headers
    if message.code != _SUCCESS or message.compression not in _OURS:
        return None
    # Where a line ends otherwise for the parser than for us, it has begun with the body.
    if content.is_eof() or content.total_bytes:
        return None
    length = None
    if not message.chunked:
        written = headers.get("Content-Length", "")
        if not (written.isascii() and written.isdigit()):
            return None
        length = int(written)
    return Head(
        headers.get("Content-Type", ""),
        message.compression or "",
        length,
        message.should_close,
    )


class Link:
    """A connection that aiohttp made, and that we read unless told to let aiohttp do it.

    Attributes:
        transport: Its transport.

    """

    __slots__ = ("_handler", "_held", "transport")

    def __init__(self, held: "HeldConnection") -> None:
        handler, transport = held.protocol, held.transport
        if handler is None or transport is None:
            held.close()
            raise aiohttp.ServerDisconnectedError
        self._held = held
        self._handler = handler
        self.transport = transport

    @classmethod
    async def opened(
        cls, connector: aiohttp.BaseConnector, request: aiohttp.ClientRequest
    ) -> "Link":
        """Connect. Cancelled, it leaves nothing behind.

        Raises:
            aiohttp.ClientError, OSError: There is no connection.

        """
        return cls(await connector.connect(request, [], _NO_TIMEOUT))

    @property
    def has_spoken(self) -> bool:
        """Whether aiohttp has got an answer before any request, or the end."""
        return self._handler.should_close

    @property
    def is_kept(self) -> bool:
        """Whether aiohttp has read a whole reply, behind which there may be another."""
        return not self._handler.should_close and self._handler.is_connected()

    def attach(self, protocol: asyncio.BaseProtocol) -> None:
        """Let a protocol read from now on."""
        # uvloop wants a transport that does not read meanwhile.
        self.transport.pause_reading()
        self.transport.set_protocol(protocol)
        self.transport.resume_reading()

    def hand_over(self, received: bytes) -> None:
        """Let aiohttp read from now on, beginning with what was received."""
        self.transport.pause_reading()
        self.transport.set_protocol(self._handler)
        self._handler.set_response_params(
            read_until_eof=True,
            max_line_size=LONGEST_LINE,
            max_field_size=LONGEST_LINE,
        )
        if received:
            self._handler.data_received(received)
        self.transport.resume_reading()

    async def answer(self) -> Answer:
        """Wait for the head of the reply that aiohttp reads.

        Raises:
            NotHTTPError: It is none.
            aiohttp.ClientError, OSError: The connection broke.

        """
        try:
            while True:
                message, content = await self._handler.read()
                if message.code not in _INFORMATIONAL or message.code == _SWITCHED:
                    return Answer(message.code, message.headers, content)
        except aiohttp.http_exceptions.HttpProcessingError as error:
            raise NotHTTPError(error.message) from None

    def lost(self, reason: Exception | None) -> None:
        """Let aiohttp take note that the connection has ended."""
        self._handler.connection_lost(reason)
        self._held.close()

    def close(self) -> None:
        """Close it in order."""
        self._held.close()

    def abort(self) -> None:
        """Close it at once: in order, TLS would wait for a gateway that says nothing more."""
        self.transport.abort()
        self._held.close()


@cache
def why_not() -> str | None:
    """Tell why aiohttp cannot be used so; None if it can be, which is found out once."""
    loop = asyncio.get_running_loop()
    try:
        plain = read_head(memoryview(bytearray(_PLAIN)), loop)
        chunked = read_head(memoryview(bytearray(_CHUNKED)), loop)
        handler = aiohttp.client_proto.ResponseHandler(loop)
        handler.set_response_params(
            read_until_eof=True, max_line_size=LONGEST_LINE, max_field_size=LONGEST_LINE
        )
        handler.data_received(_PLAIN + b"{}")
        message, content = _result(handler.read())
        _ = head_of(request_for(URL("http://localhost/"), CIMultiDict()))
        _ = inspect.signature(aiohttp.BaseConnector.connect).bind(None, None, [], _NO_TIMEOUT)
        _ = aiohttp.http_exceptions.HttpProcessingError
        read = (message.code, content.at_eof(), handler.should_close, handler.is_connected())
    except (AttributeError, TypeError, ValueError, RuntimeError) as error:
        return f"aiohttp {aiohttp.__version__} is not as expected: {type(error).__name__}"
    if (plain, chunked, read) != (
        Head("a/b", "", 2, is_last=False),
        Head("", "gzip", None, is_last=True),
        (_SUCCESS, False, False, False),
    ):
        return f"aiohttp {aiohttp.__version__} reads a reply in another way than expected"
    return None


def _result(coroutine: Coroutine[object, None, _Result]) -> _Result:
    """Run a coroutine that has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: _Result = end.value
        return result
    coroutine.close()
    raise RuntimeError


_PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: a/b\r\n\r\n"
_CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n"
    b"Connection: close\r\n\r\n"
)
