"""Listens to what a PostgreSQL server announces, on a connection of its own."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from threading import Thread
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from anyio import Event, current_time, move_on_after

CHANNEL = "wxcontacts_changes"

_TRY_AGAIN = 10.0  # seconds after which it connects anew
_CONNECT_TIMEOUT = 5.0  # seconds
_CLOSE_TIMEOUT = 1.0  # seconds
# What asyncpg knows of libpq's parameters; it would send others to the server as settings.
_KNOWN = {
    *("host", "port", "dbname", "user", "password", "passfile", "service", "target_session_attrs"),
    *("sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslpassword", "krbsrvname"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version", "gsslib"),
}

_logger = logging.getLogger("wxcontacts_async")


class Listener:
    """Calls back when another process announces changes; without a connection, it does not.

    ADBC cannot listen, so this is asyncpg's connection. It may be refused, as by a standby, or
    hear nothing, as behind PgBouncer in transaction mode: who waits must look now and then.

    Arguments:
        url: The database's.
        on_news: Called in the event loop.

    """

    def __init__(self, url: str, on_news: Callable[[], None]) -> None:
        self._url = _for_asyncpg(url)
        self._on_news = on_news
        self._session: _Session | None = None
        self._try_at = 0.0

    async def listen(self) -> None:
        """Connect, unless it is connected or has just tried to."""
        if self._session is not None and self._session.ended.is_set():
            self._session = None
        if self._session is None and current_time() >= self._try_at:
            self._try_at = current_time() + _TRY_AGAIN
            self._session = _Session(self._url, self._on_news)
        if self._session is not None:
            await self._session.begun.wait()

    async def close(self) -> None:
        """Close the connection."""
        session, self._session = self._session, None
        if session is not None:
            session.end()
            with move_on_after(2 * _CLOSE_TIMEOUT):
                await session.ended.wait()


class _Session:
    """A connection that listens, in a thread: to make one reads files, and imports asyncpg.

    Attributes:
        begun: Whether it listens, or has ended before that.
        ended: Whether it has ended.

    """

    def __init__(self, url: str, on_news: Callable[[], None]) -> None:
        self.begun, self.ended = Event(), Event()
        self._url = url
        self._on_news = on_news
        self._loop = asyncio.get_running_loop()
        self._own_loop = asyncio.new_event_loop()
        self._listening = self._own_loop.create_task(self._listen())
        Thread(target=self._run, name="wxcontacts listener", daemon=True).start()

    def end(self) -> None:
        """Have the thread close the connection and end."""
        with suppress(RuntimeError):  # it has ended by itself
            self._own_loop.call_soon_threadsafe(self._listening.cancel)

    def _run(self) -> None:
        try:
            self._own_loop.run_until_complete(self._listening)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # to look does as well
            _logger.debug("the database server tells no news: %s", type(error).__name__)
        finally:
            self._own_loop.close()
            self._tell(self.begun.set)
            self._tell(self.ended.set)

    async def _listen(self) -> None:
        lost = asyncio.Event()
        connection = await import_module("asyncpg").connect(
            self._url,
            timeout=_CONNECT_TIMEOUT,
            server_settings={"application_name": "wxcontacts_async"},
        )
        try:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(CHANNEL, lambda *_: self._tell(self._on_news))
            self._tell(self.begun.set)
            await lost.wait()
        finally:
            await connection.close(timeout=_CLOSE_TIMEOUT)

    def _tell(self, callback: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop may be closed by now
            self._loop.call_soon_threadsafe(callback)


def _for_asyncpg(url: str) -> str:
    parts = urlsplit(url)
    known = [(name, value) for name, value in parse_qsl(parts.query) if name in _KNOWN]
    return urlunsplit(parts._replace(query=urlencode(known)))
