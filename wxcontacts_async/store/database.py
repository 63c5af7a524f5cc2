"""The database as tasks see it: one connection, in one worker thread, opened again when lost."""

import random
from collections.abc import Callable
from functools import partial

from anyio import CapacityLimiter, Lock, current_time, sleep

from wxcontacts_async.backoff import RetryPolicy
from wxcontacts_async.store.dialects import Address
from wxcontacts_async.store.errand import Errand, ResultT
from wxcontacts_async.store.errors import StoreConnectionError, StoreError
from wxcontacts_async.store.schema import prepare
from wxcontacts_async.store.session import Session

_BACKOFF = RetryPolicy(initial_delay=0.2, max_delay=5.0)
_PATIENCE = 5.0  # seconds that a cancelled caller waits; a merge takes a tenth of one


class Database:
    """One connection to a database, shared by the tasks of an event loop.

    Arguments:
        address: Where it is.
        busy_timeout: Seconds to wait for another one that writes.
        reconnect_timeout: Seconds to try to connect again once the connection was lost.

    """

    def __init__(self, address: Address, *, busy_timeout: float, reconnect_timeout: float) -> None:
        self._address = address
        self._busy_timeout = busy_timeout
        self._reconnect_timeout = reconnect_timeout
        # None while there is no connection.
        self._session: Session | None = None
        self._is_closed = False

    async def open(self) -> None:
        """Connect, and make the tables or bring them up to date.

        Raises:
            StoreError: That cannot be done; see `errors`.

        """
        # One at a time, in the order in which they ask; of the event loop that it is opened in.
        self._turn = Lock()
        self._thread = CapacityLimiter(1)
        async with self._turn:
            self._is_closed = False
            await self._in_thread(self._connect)

    async def close(self) -> None:
        """Close the connection, once what is running has ended."""
        self._is_closed = True
        async with self._turn:
            if self._session is not None:
                await self._in_thread(self._drop_session)

    async def run(self, work: Callable[[Session], ResultT]) -> ResultT:
        """Run some work with the connection; if it is lost, connect and run it again.

        Cancelled, it lets what is running end, so that nothing is left half done; a database
        that does not answer within some seconds then is left to itself.

        Arguments:
            work: Must be such that it may run twice.

        Raises:
            StoreConnectionError: The connection was lost and has not come back in time.
            StoreError: Whatever else the work raised, or the store was left.

        """
        async with self._turn:
            failures, lost_at = 0, 0.0
            while True:
                self._check_open()
                try:
                    return await self._in_thread(partial(self._work, work))
                except StoreConnectionError:
                    failures += 1
                    lost_at = lost_at or current_time()
                    delay = _BACKOFF.delay(failures, jitter=random.random())  # noqa: S311
                    if current_time() + delay > lost_at + self._reconnect_timeout:
                        raise
                await sleep(delay)

    def _check_open(self) -> None:
        if self._is_closed:
            msg = "the store was left while it was used"
            raise StoreError(msg)

    async def _in_thread(self, work: Callable[[], ResultT]) -> ResultT:
        errand = Errand(work, patience=_PATIENCE)
        try:
            return await errand.run(self._thread)
        finally:
            if errand.is_abandoned:
                self._session = None  # the thread that hangs has it, and drops it when it ends

    def _connect(self) -> Session:
        session = Session(self._address, self._busy_timeout)
        try:
            _use(session, prepare)
            self._check_open()  # the store may have been left by whoever waited for this
        except BaseException:
            session.close()
            raise
        self._session = session
        return session

    def _work(self, work: Callable[[Session], ResultT]) -> ResultT:
        session = self._session or self._connect()
        try:
            return _use(session, work)
        except StoreConnectionError:
            self._session = None
            raise
        finally:
            if self._session is not session:  # it is lost, or was abandoned meanwhile
                session.close()

    def _drop_session(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()


def _use(session: Session, work: Callable[[Session], ResultT]) -> ResultT:
    """Run some work; what it raises because the connection is lost is a StoreConnectionError."""
    try:
        return work(session)
    except StoreError as error:
        if session.is_alive:
            raise
        raise StoreConnectionError(error.what) from None
