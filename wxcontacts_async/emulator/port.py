"""A listening port that can be closed for a while and keeps its number."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine

from anyio import CancelScope, move_on_after, notify_closing, sleep, wait_readable

from wxcontacts_async._concurrency import Signal
from wxcontacts_async.emulator.connection import Connection, RecordedConnection, Request

_BACKLOG = 512
_LEAVING_SECONDS = 0.1  # for replies that are not read yet, which may be never
_SECONDS_WITHOUT_FILES = 0.1  # until this process may have closed some


class Port:
    """A TCP port of this machine with its connections; closed until it is opened.

    While it is closed a socket stays bound to it. Connections are refused all the same, and
    its number goes to no other server, and to no client that would then, asking for a
    connection to the closed port, be connected to itself.

    It accepts by itself: asyncio's own server forgets a connection that it has accepted and not
    yet made as it is closed, and leaves the client waiting.

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
        self._accepting: asyncio.Task[None] | None = None  # unless it is closed
        # Connections from when they are accepted until they are gone.
        self._open: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()  # that accept and make connections
        self._one_over = Signal()
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

    def open(self) -> None:
        """Listen, unless it does."""
        if self._accepting is None:
            self._socket.listen(_BACKLOG)
            self._accepting = self._start(self._accept_connections(self._socket))

    def close(self) -> None:
        """Refuse connections, unless it does; those that wait to be accepted are reset."""
        if self._accepting is not None:
            family, address = self._socket.family, self._socket.getsockname()
            self.release()
            self._socket = _bound(family, address)

    def release(self) -> None:
        """Give up the number."""
        if self._accepting is not None:
            notify_closing(self._socket)
            self._accepting.cancel()
            self._accepting = None
        self._socket.close()

    async def reset_connections(self) -> None:
        """Reset what is open, and wait until it has gone; not for what comes meanwhile."""
        going = set(self._open)
        for connection in going:
            connection.reset()
        while going & self._open:
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
            if self._tasks:
                await asyncio.wait(self._tasks)

    async def _accept_connections(self, listening: socket.socket) -> None:
        while True:
            await wait_readable(listening)
            try:
                # As many as wait, in one tick; each is known as soon as it is accepted.
                for _ in range(_BACKLOG):
                    self._accepted(listening.accept()[0])
            except (BlockingIOError, ConnectionAbortedError):
                continue
            except OSError as error:  # too many open files
                failure = {"message": "the emulator could not accept", "exception": error}
                asyncio.get_running_loop().call_exception_handler(failure)
                await sleep(_SECONDS_WITHOUT_FILES)

    def _accepted(self, accepted: socket.socket) -> None:
        accepted.settimeout(0)
        connection = Connection(answer=self._answer, over=self._over)
        self.records.append(connection.record)
        self._open.add(connection)
        if not self._admit(len(self.records)):
            connection.reset()
        _ = self._start(self._make_connection(connection, accepted))
        self._tell()

    async def _make_connection(self, connection: Connection, accepted: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(lambda: connection, accepted)
        except OSError as error:  # the client has gone meanwhile
            accepted.close()
            connection.connection_lost(error)

    def _start(self, coroutine: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _over(self, connection: Connection) -> None:
        self._open.remove(connection)
        self._one_over.notify()
        self._tell()


def _bound(family: int, address: tuple[object, ...]) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.settimeout(0)
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
