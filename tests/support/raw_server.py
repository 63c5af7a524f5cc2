"""A server that answers with the very bytes it is told to, well-formed or not."""

import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import anyio
from anyio.abc import Listener, SocketAttribute, SocketStream, TaskGroup
from anyio.streams.tls import TLSListener

Answer = Callable[[SocketStream, bytes], Awaitable[None]]

DOCUMENT_SUCCESS = """{
    "message": "成功",
    "code": "1000",
    "data": {
       "public": [
            {
                "userName": "gh_765004365c98",
                "aliasName": null,
                "nickName": "豆瓣读书",
                "bigHead":     "http://wx.qlogo.cn/mmhead/Q3auHgzwzM4ZEYadrntHhXR5BWsxDaUvhlWVRUCicicVKDFVWb5o8PQA/0",
                "smallHead": "http://wx.qlogo.cn/mmhead/Q3auHgzwzM4ZEYadrntHhXR5BWsxDaUvhlWVRUCicicVKDFVWb5o8PQA/132",
                "sex": 0,
                "signature": "豆瓣读书官方订阅号。在这里，遇见好书。在阅读中，多活几次。",
                "country": "中国",
                "province": "北京",
                "city": "朝阳"
            }
        ],
      "friend": [
            {
                "userName": "wxid_vao3ptfez4p22",
                "aliasName": null,
                "nickName": "朋友",
                "bigHead": "http://wx.qlogo.cn/mmhead/ver_1/icJ4nKc9ATfTkkH7Fb8eVO693konq1ibdFWic4icTSe5aLNXNetMGkIe3BlRU4moTpYbeBKAlaO2Nyf0WqzMMPK3wA/0",
                "smallHead": "http://wx.qlogo.cn/mmhead/ver_1/icJ4nKc9ATfTkkH7Fb8eVO693konq1ibdFWic4icTSe5aLNXNetMGkIe3BlRU4moTpYbeBKAlaO2Nyf0WqzMMPK3wA/132",
                "sex": 1,
                "signature": null,
                "country": null,
                "province": null,
                "city": null
            }
         ],
    "group": [
            {
                "userName": "22156949594@chatroom",
                "aliasName": null,
                "nickName": "从来处来从去处去",
                "bigHead": null,
                "smallHead": "http://wx.qlogo.cn/mmcrhead/jclQZ73SnwFCXB4Pk1p34vfXvSicF6r5oN6ALLrktEIflSByugvYuHVV059o9RSw5vYXoHLtWO81zk1ja31QbKOfzAKpUl2wA/0",
                "sex": 0,
                "signature": null,
                "country": null,
                "province": null,
                "city": null
            }
    ]
    }
}
"""

DOCUMENT_ERROR = """{
    "message": "失败",
    "code": "1001",
    "data": null
}
"""

ONE_FRIEND = b'{"message":"ok","code":"1000","data":{"friend":[{"userName":"wxid_one"}]}}'


def http_reply(
    body: bytes = ONE_FRIEND,
    *,
    status: str = "200 OK",
    headers: str = "",
    length: int | None = None,
) -> bytes:
    """Render an HTTP reply; `headers` are lines that each end in a line feed."""
    lines = headers.replace("\n", "\r\n")
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\n{lines}\r\n".encode() + body


def replying(*replies: bytes) -> Answer:
    """Answer with one reply after another; the last one stands for all that follow."""
    left = list(replies)

    async def answer(stream: SocketStream, request: bytes) -> None:  # noqa: ARG001
        await stream.send(left.pop(0) if len(left) > 1 else left[0])

    return answer


class RawServer:
    """Serves a loopback port; each request that comes in is given to `answer` with its socket.

    Attributes:
        url: The base URL.
        requests: The requests so far, head and body as received.
        connections: How many connections were made.
        open_connections: How many are open.

    """

    def __init__(self, answer: Answer, *, tls: ssl.SSLContext | None = None) -> None:
        self._answer = answer
        self._tls = tls
        self.url = ""
        self.requests: list[bytes] = []
        self.connections = 0
        self.open_connections = 0
        self._tasks: TaskGroup
        self._listener: Listener[Any]
        self._news = anyio.Event()

    async def __aenter__(self) -> Self:
        self._listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        self.url = f"http://127.0.0.1:{self._listener.extra(SocketAttribute.local_port)}"
        if self._tls is not None:
            self.url = self.url.replace("http", "https", 1)
            self._listener = TLSListener(self._listener, self._tls, standard_compatible=False)
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        listener: Any = self._listener  # of plain or TLS streams
        self._tasks.start_soon(listener.serve, self._serve)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(None, None, None)
        await self._listener.aclose()

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds, as requests and connections come and go."""
        while not condition():
            await self._news.wait()

    async def _serve(self, stream: SocketStream) -> None:
        self.connections += 1
        self.open_connections += 1
        self._tell()
        received = b""
        try:
            async with stream:
                while True:
                    while not (request := _first_request(received)):
                        received += await stream.receive()
                    received = received[len(request) :]
                    self.requests.append(request)
                    self._tell()
                    await self._answer_unless_gone(stream, request)
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass
        finally:
            self.open_connections -= 1
            self._tell()

    async def _answer_unless_gone(self, stream: SocketStream, request: bytes) -> None:
        """Answer, and stop answering when the client closes the connection."""
        async with anyio.create_task_group() as tasks:

            async def answer() -> None:
                with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                    await self._answer(stream, request)
                tasks.cancel_scope.cancel()

            tasks.start_soon(answer)
            # No client of ours pipelines, so what is received now is the end of the connection.
            try:
                await stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                tasks.cancel_scope.cancel()

    def _tell(self) -> None:
        self._news.set()
        self._news = anyio.Event()


def _first_request(received: bytes) -> bytes:
    head, separator, rest = received.partition(b"\r\n\r\n")
    if not separator:
        return b""
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    if len(rest) < length:
        return b""
    return received[: len(head) + 4 + length]
