"""The database for tasks: one connection, in one worker thread, opened again when it is lost."""

import logging
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Generic

from anyio import CapacityLimiter, Lock, current_time, move_on_after, sleep

from wxcontacts_async._concurrency import Signal
from wxcontacts_async._observing import Observers
from wxcontacts_async.settings import RetryPolicy
from wxcontacts_async.store._database.blocking_call import BlockingCall, ResultT
from wxcontacts_async.store._database.connection import Connection
from wxcontacts_async.store._database.opening import Opening
from wxcontacts_async.store._database.reachability import Reachability
from wxcontacts_async.store._database.schema import prepare
from wxcontacts_async.store._database.url import Address
from wxcontacts_async.store._database.wait_monitor import Waiting, WaitMonitor
from wxcontacts_async.store.errors import StoreConnectionError, StoreError
from wxcontacts_async.store.events import DatabaseDown, DatabaseUp, OperationEnded, StoreEvent

_BACKOFF = RetryPolicy(initial_delay=0.2, max_delay=5.0)
_LONG = 10.0  # seconds, after which it is logged that something took long
_logger = logging.getLogger("wxcontacts_async.store")
_PATIENCE = 3.0  # seconds that a cancelled caller waits; a merge takes a tenth of one


class Database:
    """A connection to a database, shared by the tasks of an event loop.

    Arguments:
        address: Where it is.
        busy_timeout: Seconds to wait for another writer.
        reconnect_timeout: Seconds to try to connect again once the connection was lost.
        opening: What it is opened for.
        on_wait: Called with each sentence that is logged of a wait, and whether it begins.

    Attributes:
        observers: Told what happens.
        announced: How often changes were announced, by this process or another, as far as known.

    """

    def __init__(
        self,
        address: Address,
        *,
        busy_timeout: float,
        reconnect_timeout: float,
        opening: Opening = Opening.MAKE,
        on_wait: Callable[[str, bool], None] = lambda *_: None,
    ) -> None:
        self.dialect = address.dialect
        self._address = address
        self._busy_timeout = busy_timeout
        self._reconnect_timeout = reconnect_timeout
        self._opening = opening
        self._monitor = WaitMonitor(address.shown, on_wait)
        self.observers: Observers[StoreEvent] = Observers()
        self._reachability = Reachability(
            address.shown,
            lambda reason: self.announce(DatabaseDown(reason)),
            lambda seconds: self.announce(DatabaseUp(seconds)),
        )
        self.announced = 0
        self._news = Signal()
        self._listener = address.listener(self._announce) if address.listener else None
        # None while there is no connection.
        self._connection: Connection | None = None
        self._is_closed = False

    async def open(self) -> None:
        """Connect, and make the tables or bring them up to date."""
        # For one task at a time, in order; of the event loop that it is opened in.
        self._turn = Lock()
        self._thread = CapacityLimiter(1)
        self._is_closed = False
        async with self._turn:
            with self._monitor.watching():
                await self._attempt(lambda _: None)
        self._reachability.reached()

    async def close(self) -> None:
        """Close the connection, once what is running has ended."""
        self._is_closed = True
        self._announce()
        if self._listener is not None:
            await self._listener.close()
        async with self._turn:
            connection, self._connection = self._connection, None
            if connection is not None:
                await BlockingCall(connection.close, patience=_PATIENCE).run(self._thread)

    async def run(self, work: Callable[[Connection], ResultT]) -> ResultT:
        """Run some work in the thread; if the connection is lost, connect and run it again.

        Cancelled, it lets what is running end, so that nothing is left half done; a thread whose
        database does not answer within some seconds is abandoned. Raise StoreConnectionError if the
        connection has not come back in time.
        """
        with self._measured(work):
            async with self._turn:
                with self._monitor.watching():
                    return await self._until_connected(work)

    @property
    def is_reached(self) -> bool:
        """Whether the database was reached when it was asked last."""
        return self._reachability.is_reached

    def announce(self, event: StoreEvent) -> None:
        """Tell observers, in the context of the task that the event is of."""
        if self.observers:
            self.observers.tell(event, copy_context())

    @contextmanager
    def _measured(self, work: Callable[..., Any]) -> Iterator[None]:
        """Announce how long it took, and log it if that was long."""
        begun, error_type = perf_counter(), None
        try:
            yield
        except BaseException as error:
            error_type = type(error).__name__
            raise
        finally:
            seconds, operation = perf_counter() - begun, operation_of(work)
            if seconds >= _LONG:
                _logger.warning("%s: %s took %.1f s", self._address.shown, operation, seconds)
            self.announce(OperationEnded(operation, seconds, error_type))

    async def listen(self) -> None:
        """Hear from now on of changes by other processes, where the server tells of them."""
        if self._listener is not None:
            await self._listener.listen()

    async def wait_for_news(self, announced: int) -> None:
        """Return once changes are announced after that many, or it is time to look for them."""
        with move_on_after(self.dialect.look_every):
            while self.announced == announced and not self._is_closed:
                await self._news.wait()

    def _announce(self) -> None:
        self.announced += 1
        self._news.notify()

    async def _until_connected(self, work: Callable[[Connection], ResultT]) -> ResultT:
        failures, lost_at = 0, 0.0
        while True:
            if self._is_closed:
                msg = "the store was left while it was used"
                raise StoreError(msg)
            try:
                value = await self._attempt(work)
            except StoreConnectionError as error:
                self._reachability.lost(error)
                failures += 1
                lost_at = lost_at or current_time()
                self._monitor.lost()
                delay = _BACKOFF.delay(failures, jitter=random.random())  # noqa: S311
                if current_time() + delay > lost_at + self._reconnect_timeout:
                    raise
            else:
                self._reachability.reached()
                return value
            await sleep(delay)

    async def _attempt(self, work: Callable[[Connection], ResultT]) -> ResultT:
        """Run some work once, in the thread. The connection is the thread's for that time."""
        connection, self._connection = self._connection, None
        waiting = self._monitor.thread()
        call = BlockingCall(
            lambda: self._in_thread(connection, work, waiting),
            patience=_PATIENCE,
            discard=_Attempt.discard,
        )
        try:
            attempt = await call.run(self._thread)
        finally:
            if call.result is not None:
                self._connection = call.result.connection
            elif not call.is_begun:
                self._connection = connection
            self._pass_on_news()
        if attempt.error is not None:
            raise attempt.error
        return attempt.value  # type: ignore[return-value]  # there is one where there is no error

    def _pass_on_news(self) -> None:
        """Log and announce what the thread has left in the connection."""
        connection = self._connection
        if connection is not None:
            while connection.notes:
                self._monitor.log(connection.notes.pop(0))
            if connection.has_news:
                connection.has_news = False
                self._announce()

    def _in_thread(
        self,
        connection: Connection | None,
        work: Callable[[Connection], ResultT],
        waiting: Waiting,
    ) -> "_Attempt[ResultT]":
        while True:
            if connection is not None and not connection.is_current:
                connection.close()
                connection = None
            try:
                connection = connection or self._connected(waiting)
            except Exception as error:  # noqa: BLE001  # it is raised in the task
                return _Attempt(None, error=error)
            connection.waiting = waiting
            waiting.is_connected = True
            attempt = self._tried(connection, work)
            # What was read while the file changed may be half old and half new.
            if attempt.connection is None or connection.is_current:
                return attempt

    def _tried(
        self,
        connection: Connection,
        work: Callable[[Connection], ResultT],
    ) -> "_Attempt[ResultT]":
        try:
            return _Attempt(connection, _used(connection, work))
        except StoreConnectionError as error:
            connection.close()
            return _Attempt(None, error=error)
        except Exception as error:  # noqa: BLE001  # it is raised in the task
            return _Attempt(connection, error=error)

    def _connected(self, waiting: Waiting) -> Connection:
        connection = Connection(
            self._address,
            self._busy_timeout,
            opening=self._opening,
            waiting=waiting,
        )
        try:
            _used(connection, prepare)
        except BaseException:
            connection.close()
            raise
        return connection


@dataclass(frozen=True)
class _Attempt(Generic[ResultT]):
    """The outcome of some work, and the connection, unless that is lost."""

    connection: Connection | None
    value: ResultT | None = None
    error: Exception | None = None

    def discard(self) -> None:
        """Close the connection, as the task has gone."""
        if self.connection is not None:
            self.connection.close()


def operation_of(work: Callable[..., Any]) -> str:
    """Return what some work is called in metrics: the name of its function."""
    return str(getattr(getattr(work, "func", work), "__name__", "other")).strip("_<>")


def _used(connection: Connection, work: Callable[[Connection], ResultT]) -> ResultT:
    """Run some work; if the connection is lost, raise StoreConnectionError."""
    try:
        return work(connection)
    except StoreError as error:
        if connection.is_alive:
            raise
        raise StoreConnectionError(error.what) from None
