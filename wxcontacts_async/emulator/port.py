"""A listening port that can be closed for a while and keeps its number."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable

from anyio import CancelScope, Event, move_on_after

from wxcontacts_async.emulator.connection import Connection, RecordedConnection, Request

_BACKLOG = 512
_LEAVING_SECONDS = 0.1  # for replies that are not read yet, which may be never


class Port:
    """A TCP port of this machine with its connections; closed until it is opened.

    While it is closed a socket stays bound to it. Connections are refused all the same, and
    nobody else gets its number: no other server, and no client that would then, asking for a
    connection to the closed port, be connected to itself.

    Arguments:
        admit: Tells whether to serve a connection that has been made; `number` counts from 1.
        answer: Answers one request; it is cancelled when its connection goes.
        tell: Told when a connection has come or gone.

    Attributes:
        records: The connections that were accepted, in the order of arrival.
        number: The port's number.

    """

    def __init__(
        self,
        *,
        admit: Callable[[int], bool],
        answer: Callable[[Connection, Request], Awaitable[None]],
        tell: Callable[[], None],
    ) -> None:
        self._admit = admit
        self._answer = answer
        self._tell = tell
        self._socket: socket.socket
        self._server: asyncio.Server | None = None
        self._open: set[Connection] = set()
        self._one_over = Event()
        self.records: list[RecordedConnection] = []
        self.host = ""
        self.number = 0

    async def bind(self, host: str, number: int) -> None:
        """Take the number, 0 for a free one; raise OSError if it cannot be had."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, number, type=socket.SOCK_STREAM)
        family, _, _, _, address = found[0]
        self._socket = _bound(family, address)
        self.host, self.number = self._socket.getsockname()[:2]

    async def open(self) -> None:
        """Listen, unless it does."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(
                self._connection,
                sock=self._socket,
                backlog=_BACKLOG,
            )

    def close(self) -> None:
        """Refuse connections, unless it does; those that wait to be accepted are reset."""
        if self._server is not None:
            family, address = self._socket.family, self._socket.getsockname()
            self.release()
            self._socket = _bound(family, address)

    def release(self) -> None:
        """Give up the number."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self._socket.close()

    async def reset_connections(self) -> None:
        """Reset what is open, and wait until it has gone."""
        while self._open:
            for connection in list(self._open):
                connection.reset()
            await self._one_over.wait()

    async def leave(self) -> None:
        """Give up the number and close what is open, at the latest after a moment."""
        with CancelScope(shield=True):  # else sockets would stay open
            self.release()
            for connection in list(self._open):
                connection.cancel()
                connection.close()
            with move_on_after(_LEAVING_SECONDS):
                while self._open:
                    await self._one_over.wait()
            await self.reset_connections()

    def _connection(self) -> Connection:
        return Connection(made=self._made, answer=self._answer, over=self._over)

    def _made(self, connection: Connection) -> None:
        self.records.append(connection.record)
        self._open.add(connection)
        # One may have been accepted just before the port was closed.
        if self._server is None or not self._admit(len(self.records)):
            connection.record.turned_away = True
            connection.reset()
        self._tell()

    def _over(self, connection: Connection) -> None:
        self._open.remove(connection)
        self._one_over.set()
        self._one_over = Event()
        self._tell()


def _bound(family: int, address: tuple[object, ...]) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere it would let two servers have the same number
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        reason = (error.strerror or str(error)).lower()
        message = f"cannot listen at {address[0]}:{address[1]}: {reason}"
        raise OSError(error.errno, message) from None
    return bound
