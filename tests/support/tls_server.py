"""A TLS server of plain blocking sockets, which closes as it is told to or not at all."""

import socket
import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import Self

_AT_ONCE = 64 * 1024


class TLSServer:
    """Serves a loopback port; each connection has one request, which `answer` is given.

    Arguments:
        answer: Called in a thread with the connection, which is closed when the server is left.
        context: Its certificate is for 127.0.0.1.
        delays: Seconds that the first connections wait for the handshake, one after another.

    Attributes:
        url: The base URL.
        port: The port of it.

    """

    def __init__(
        self,
        answer: Callable[[ssl.SSLSocket], None],
        context: ssl.SSLContext,
        *,
        delays: tuple[float, ...] = (),
    ) -> None:
        self._answer = answer
        self._context = context
        self._delays = list(delays)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        self._threads = ThreadPoolExecutor(32)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"https://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._threads.submit(self._accept)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A thread that waits in `accept` or `recv` is not woken by a close alone.
        for each in (self._listener, *self._connections):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._threads.shutdown()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                raw, _ = self._listener.accept()
                self._threads.submit(self._serve, raw, self._delays.pop(0) if self._delays else 0)

    def _serve(self, raw: socket.socket, delay: float) -> None:
        with suppress(OSError):
            time.sleep(delay)
            connection = self._context.wrap_socket(raw, server_side=True)
            self._connections.append(connection)
            while b"}" not in connection.recv(_AT_ONCE):
                pass
            self._answer(connection)
