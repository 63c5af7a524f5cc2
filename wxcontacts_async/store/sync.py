"""The stream of a sync: instances are fetched, and merged into the database in batches."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self, TypeAlias

import msgspec
from anyio import CancelScope, current_time, get_cancelled_exc_class
from anyio.abc import TaskGroup

from wxcontacts_async._concurrency import Signal, enter_task_group, leave_task_group
from wxcontacts_async.errors import WxContactsError, own_error
from wxcontacts_async.outcomes import Failed, Fetched
from wxcontacts_async.store._database.connection import Connection
from wxcontacts_async.store._database.database import Database
from wxcontacts_async.store._database.values import is_key, storable
from wxcontacts_async.store._merging.batch import Batch, BatchResult
from wxcontacts_async.store._merging.fingerprints import Fingerprinted, fingerprinted
from wxcontacts_async.store._merging.merge import merge
from wxcontacts_async.store.errors import OF_THE_DATABASE, StoreError
from wxcontacts_async.store.records import Synced
from wxcontacts_async.stream import OutcomeStream

SyncResult: TypeAlias = Synced | Failed  # `type` needs Python 3.12


@dataclass(frozen=True)
class _Arrival:
    """What was fetched, its contacts if there are any, and when it came."""

    outcome: Fetched[Any] | Failed
    contacts: Fingerprinted | None
    came_at: float


# What shares a transaction, at most. An instance with more contacts has one of its own.
_CONTACTS_A_BATCH = 20_000
_INSTANCES_A_BATCH = 500


class SyncStream:
    """What `ContactStore.sync` returns: `async with` starts it, `async for` reads it.

    While one batch is written the next one gathers, so batches are small while the database is
    quick and larger while it is slow. What is fetched and not yet written or read is bounded: a
    slow reader, or database, slows the fetching down.

    Several tasks may read it. Leaving the `async with` cancels what is being fetched; a batch
    that is being written is written to its end. To read the results of that batch, call `stop`
    and read on before leaving.

    Attributes:
        unclear: The wIds that were being written when the database was lost, or did not answer
            in time, so that it may have them or not. Of all others it has what was read from
            here, and nothing else.

    """

    def __init__(
        self,
        outcomes: OutcomeStream[Any],
        database: Database,
        max_shrink: float,
        confirm_after: float,
    ) -> None:
        self._outcomes = outcomes
        self._database = database
        self._max_shrink = max_shrink
        self._confirm_after = confirm_after
        self.unclear: set[str] = set()
        self._tasks: TaskGroup | None = None
        self._gathering, self._writing = CancelScope(), CancelScope()
        self._is_open = False
        # The next batch, by wId as the database has it.
        self._gathered: dict[str, _Arrival] = {}
        self._contacts = 0
        self._all_fetched = False
        # What is written and not read yet; then comes the end, or the error.
        self._inbox: deque[SyncResult] = deque()
        self._all_written = False
        self._error: Exception | None = None
        # Given when there is something to write, room to gather, something to read, none unread.
        self._fetched, self._has_room = Signal(), Signal()
        self._written, self._read = Signal(), Signal()

    async def __aenter__(self) -> Self:
        """Start it.

        Raises:
            StoreAccessError: The database can only be read; nothing is fetched then.
            StoreError: It was entered before, or the database cannot be used.

        """
        if self._tasks is not None:
            raise StoreError("a sync is entered once; call store.sync again")
        await self._database.run(Connection.check_may_write)
        self._tasks = await enter_task_group()
        self._is_open = True
        self._tasks.start_soon(self._gather)
        self._tasks.start_soon(self._write)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._tasks is None:
            return
        self._is_open = False
        self._inbox.clear()
        self._written.notify()
        self._tasks.cancel_scope.cancel()
        await leave_task_group(self._tasks)

    def stop(self) -> None:
        """Fetch and write no more than what is being written, which ends within some seconds.

        Reading on gives what was written and not read yet, and then ends.
        """
        self._gathering.cancel()
        self._writing.cancel()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SyncResult:
        """Return how the next instance ended. Cancelled, it leaves that to the next reader.

        Raises:
            StoreConnectionError: The database was lost and has not come back in time.
            StoreBusyError: Another writer has been at work for too long.
            StoreFullError: The disk of the database is full.
            StoreAccessError: The database can only be read by now.
            StoreError: The sync is not open, or the database takes nothing at all.
            PoolClosedError: The pool was left.
            Exception: What the source of instances raised.

        """
        while not self._inbox:
            if not self._is_open:
                msg = "the sync is not open; read it within `async with store.sync(...)`"
                raise StoreError(msg)
            if self._all_written:
                if self._error is not None:
                    raise self._error
                raise StopAsyncIteration
            await self._written.wait()
        result = self._inbox.popleft()
        if not self._inbox:
            self._read.notify()
        return result

    async def _gather(self) -> None:
        """Take what is fetched, until there is enough for a batch."""
        try:
            # Cancelled when nothing can be written any more.
            with self._gathering:
                async with self._outcomes as outcomes:
                    async for outcome in outcomes:
                        came_at = current_time()
                        outcome, contacts = await self._fingerprinted(outcome)  # noqa: PLW2901
                        while self._is_too_much(outcome):
                            await self._has_room.wait()
                        arrival = _Arrival(outcome, contacts, came_at)
                        self._gathered[self._key(outcome)] = arrival
                        self._contacts += _size(outcome)
                        self._fetched.notify()
                        # Or they would stay in memory until the next one comes.
                        del outcome, contacts, arrival
        except Exception as error:  # noqa: BLE001  # it is the reader's
            self._error = self._error or error
        self._all_fetched = True
        self._fetched.notify()

    async def _fingerprinted(
        self,
        outcome: Fetched[Any] | Failed,
    ) -> tuple[Fetched[Any] | Failed, Fingerprinted | None]:
        if isinstance(outcome, Failed):
            return outcome, None
        try:
            contacts = await fingerprinted(outcome.contacts, self._database.dialect)
            if contacts.received is not outcome.contacts:
                outcome = msgspec.structs.replace(outcome, contacts=contacts.received)
            return outcome, contacts  # noqa: TRY300
        except Exception as error:  # noqa: BLE001  # a contact type may hold what has no encoding
            return _failed(outcome, own_error(error)), None

    def _key(self, outcome: Fetched[Any] | Failed) -> str:
        return storable(outcome.w_id, self._database.dialect)

    def _is_too_much(self, outcome: Fetched[Any] | Failed) -> bool:
        return (
            len(self._gathered) >= _INSTANCES_A_BATCH
            or (self._contacts > 0 and self._contacts + _size(outcome) > _CONTACTS_A_BATCH)
            # A wId that was asked for twice is merged twice.
            or self._key(outcome) in self._gathered
        )

    async def _write(self) -> None:
        """Write batch after batch. Cancelled, the one being written is written to its end."""
        try:
            with self._writing:
                await self._write_batches()
        except Exception as error:  # noqa: BLE001  # it is the reader's
            self._error = error
            self._gathering.cancel()
            while not self._all_fetched:  # what is given up is not fetched any more
                await self._fetched.wait()
        finally:  # what was written can be read after a cancellation, too
            self._all_written = True
            self._written.notify()

    async def _write_batches(self) -> None:
        while True:
            while not self._gathered and not self._all_fetched:
                await self._fetched.wait()
            if not self._gathered:
                break
            arrivals = list(self._gathered.values())
            self._gathered, self._contacts = {}, 0
            self._has_room.notify()
            await self._write_batch(arrivals)
            del arrivals  # or they would stay in memory until the next ones come

    async def _write_batch(self, arrivals: Sequence[_Arrival]) -> None:
        """Write a batch and give its results to the readers.

        If the database refuses it, each instance is written by itself, so that none fails because
        of another.
        """
        try:
            results = await self._merged(arrivals)
        except OF_THE_DATABASE:
            raise
        except Exception as error:
            if len(arrivals) > 1:
                for arrival in arrivals:
                    await self._write_batch([arrival])
                return
            (arrival,) = arrivals
            if isinstance(arrival.outcome, Failed):
                raise  # not even that can be written down
            failed = _failed(arrival.outcome, own_error(error))
            results = await self._merged([_Arrival(failed, None, arrival.came_at)])
        await self._give(results)

    async def _merged(self, arrivals: Sequence[_Arrival]) -> list[SyncResult]:
        """Write a batch in one transaction; return how each instance of it ended."""
        fitting = [it for it in arrivals if is_key(it.outcome.w_id)]
        batch = Batch(
            {it.outcome.w_id: it.outcome for it in fitting},
            {it.outcome.w_id: it.contacts for it in fitting if it.contacts is not None},
            datetime.now(UTC),
        )
        results: Mapping[str, BatchResult] = {}
        try:
            if fitting:
                results = await self._database.run(
                    lambda connection: merge(
                        connection, batch, self._max_shrink, self._confirm_after
                    ),
                )
        except get_cancelled_exc_class():  # by now the merge has ended, or has not in time
            batch.commit.give_up()
            self._note_unclear(batch)
            if batch.commit.is_done:  # what is in the database is given all the same
                await self._give([_result(it, batch.commit.results) for it in arrivals])
            raise
        except OF_THE_DATABASE:
            self._note_unclear(batch)
            raise
        return [_result(it, results) for it in arrivals]

    async def _give(self, results: Sequence[SyncResult]) -> None:
        """Give results to the readers, once those before have been read, or when cancelled."""
        try:
            while self._inbox:
                await self._read.wait()
        finally:
            if self._is_open:
                self._inbox.extend(results)
            self._written.notify()

    def _note_unclear(self, batch: Batch) -> None:
        if batch.commit.is_unclear:
            self.unclear.update(batch.outcomes)


def _size(outcome: Fetched[Any] | Failed) -> int:
    """Count contacts as received; merging them is for the worker thread."""
    if isinstance(outcome, Failed):
        return 0
    return sum(len(contacts) for _, contacts in outcome.contacts.lists())


def _result(arrival: _Arrival, results: Mapping[str, BatchResult]) -> SyncResult:
    outcome = arrival.outcome
    if isinstance(outcome, Failed):
        return outcome
    if outcome.w_id not in results:
        return _failed(outcome, StoreError("the wId is too long for a key of the database"))
    result = results[outcome.w_id]
    return Synced(
        outcome.w_id,
        result.delta_counts,
        outcome.contacts,
        outcome.elapsed + current_time() - arrival.came_at,
        outcome.gateway,
        outcome.calls,
        outcome.waited,
        result.suspicion,
        result.held_back,
    )


def _failed(outcome: Fetched[Any], error: WxContactsError) -> Failed:
    error.located(w_id=outcome.w_id, gateway=outcome.gateway, calls=outcome.calls)
    return Failed(
        outcome.w_id,
        outcome.gateway,
        error,
        outcome.calls,
        outcome.waited,
        outcome.elapsed,
    )
