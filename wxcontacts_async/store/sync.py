"""The stream of a sync: instances are fetched, and merged into the database in batches."""

from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from math import inf
from typing import Any, Generic, Self, TypeAlias

import msgspec
from anyio import CancelScope, current_time, get_cancelled_exc_class
from anyio.abc import TaskGroup

from wxcontacts_async._concurrency import Signal, enter_task_group, leave_task_group
from wxcontacts_async._recognition import Undecoded, decoded
from wxcontacts_async.errors import WxContactsError, own_error
from wxcontacts_async.outcomes import Failed, Fetched
from wxcontacts_async.store._announcing import ResultAnnouncer
from wxcontacts_async.store._database.connection import Connection
from wxcontacts_async.store._database.database import Database
from wxcontacts_async.store._database.values import is_key, storable
from wxcontacts_async.store._merging.batch import Batch, BatchResult
from wxcontacts_async.store._merging.fingerprints import Fingerprinted, fingerprinted
from wxcontacts_async.store._merging.merge import merge
from wxcontacts_async.store._merging.reply_digests import ReplyDigests
from wxcontacts_async.store._tabular.own_fields import NO_FIELDS, OwnFields
from wxcontacts_async.store.errors import OF_THE_DATABASE, StoreError
from wxcontacts_async.store.records import ContactsT, Synced, UndecodedSynced
from wxcontacts_async.stream import OutcomeStream

SyncResult: TypeAlias = Synced[ContactsT] | Failed  # `type` needs Python 3.12


@dataclass(frozen=True)
class Arrival:
    """What was fetched, its contacts if there are any, and when it came."""

    outcome: Fetched[Any] | Failed
    contacts: Fingerprinted | None
    came_at: float

    @property
    def size(self) -> int:
        """How much of a batch it is, in contacts as received; merging them is for the thread."""
        match self.outcome:
            case Undecoded(reply_bytes=reply_bytes):  # its bytes, which are kept until then
                return reply_bytes // _BYTES_A_CONTACT
            case Fetched(contacts=contacts):
                return sum(len(listed) for _, listed in contacts.lists())
            case _:
                return 0


# What shares a transaction, at most. An instance with more contacts has one of its own.
_CONTACTS_A_BATCH = 20_000
_INSTANCES_A_BATCH = 500
_NARROW = 8  # calls under way and outcomes unread, while the database is slower than the gateway
_BYTES_A_CONTACT = 500  # that is not decoded, which are one or two contacts


class SyncStream(Generic[ContactsT]):
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
        outcomes: AbstractAsyncContextManager[AsyncIterator[Fetched[Any] | Failed]],
        database: Database,
        max_shrink: float,
        confirm_after: float,
        *,
        digests: ReplyDigests | None,
        contacts: bool,
        on_end: Callable[[str], None] = lambda _: None,
        own: OwnFields = NO_FIELDS,
    ) -> None:
        self._outcomes = outcomes
        self._on_end = on_end
        self._database = database
        self._digests = digests
        self._max_shrink = max_shrink
        self._confirm_after = confirm_after
        self._gives_contacts = contacts
        self._limit(_NARROW)
        self._own = own
        self.unclear: set[str] = set()
        self._tasks: TaskGroup | None = None
        self._gathering, self._writing, self._looking = CancelScope(), CancelScope(), CancelScope()
        self._is_open = False
        # The next batch, by wId as the database has it.
        self._gathered: dict[str, Arrival] = {}
        self._contacts = 0
        self._all_fetched = False
        # What is written and not read yet; then comes the end, or the error.
        self._inbox: deque[SyncResult[ContactsT]] = deque()
        self._all_written = False
        self._error: Exception | None = None
        self._announcer = ResultAnnouncer(database)
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
        await self._announcer.begin()
        self._tasks = await enter_task_group()
        self._is_open = True
        if self._digests is not None:
            self._tasks.start_soon(self._look_up, self._digests)
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

    async def __anext__(self) -> SyncResult[ContactsT]:
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
                        if self._digests is not None:
                            self._digests.forget(outcome.w_id)
                        arrival = await self._arrived(outcome, came_at)
                        while self._is_too_much(arrival):
                            self._limit(_NARROW)
                            await self._has_room.wait()
                        self._gathered[self._key(arrival)] = arrival
                        self._contacts += arrival.size
                        self._fetched.notify()
                        # Or they would stay in memory until the next one comes.
                        del outcome, arrival
        except Exception as error:  # noqa: BLE001  # it is the reader's
            self._error = self._error or error
        self._all_fetched = True
        self._looking.cancel()
        self._fetched.notify()

    async def _look_up(self, digests: ReplyDigests) -> None:
        """Look up what is being fetched; if the database cannot be read, end the sync."""
        try:
            with self._looking:
                await self._keep_looking_up(digests)
        except Exception as error:  # noqa: BLE001  # it is the reader's
            self._error = self._error or error
            self._gathering.cancel()

    async def _keep_looking_up(self, digests: ReplyDigests) -> None:
        await digests.look_up(self._database)

    async def _arrived(self, outcome: Fetched[Any] | Failed, came_at: float) -> Arrival:
        """Make fingerprints of what has contacts."""
        if isinstance(outcome, Failed | Undecoded):
            return Arrival(outcome, None, came_at)
        return await self._fingerprinted(outcome, came_at)

    async def _fingerprinted(self, outcome: Fetched[Any], came_at: float) -> Arrival:
        try:
            contacts = await fingerprinted(outcome.contacts, self._database.dialect, self._own)
            if contacts.received is not outcome.contacts:
                outcome = msgspec.structs.replace(outcome, contacts=contacts.received)
            return Arrival(outcome, contacts, came_at)
        except Exception as error:  # noqa: BLE001  # a contact type may hold what has no encoding
            return Arrival(as_failed(outcome, own_error(error)), None, came_at)

    def _key(self, arrival: Arrival) -> str:
        return storable(arrival.outcome.w_id, self._database.dialect)

    def _is_too_much(self, arrival: Arrival) -> bool:
        return (
            len(self._gathered) >= _INSTANCES_A_BATCH
            or (self._contacts > 0 and self._contacts + arrival.size > _CONTACTS_A_BATCH)
            # A wId that was asked for twice is merged twice.
            or self._key(arrival) in self._gathered
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
        await self._wait_for_some()  # the first, however quick the gateway is
        while self._gathered:
            arrivals = list(self._gathered.values())
            self._gathered, self._contacts = {}, 0
            self._has_room.notify()
            await self._write_batch(arrivals)
            del arrivals  # or they would stay in memory until the next ones come
            if not self._gathered:
                self._limit(inf)
                await self._wait_for_some()

    async def _wait_for_some(self) -> None:
        """Wait until there is something to write, or all is fetched."""
        while not self._gathered and not self._all_fetched:
            await self._fetched.wait()

    def _limit(self, window: float) -> None:
        """Hold fewer outcomes while the database is slower than the gateway.

        A call more would not make it quicker, and each outcome of 2,000 contacts takes 3 MB.
        """
        if isinstance(self._outcomes, OutcomeStream):
            self._outcomes.limit(window)

    async def _write_batch(self, arrivals: Sequence[Arrival]) -> None:
        """Write a batch and give its results to the readers.

        If the database refuses it, each instance is written by itself, so that none fails because
        of another. What was not decoded and had to be is decoded and written then.
        """
        try:
            results, left_out = await self._merged(arrivals)
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
            failed = as_failed(arrival.outcome, own_error(error))
            results, left_out = await self._merged([Arrival(failed, None, arrival.came_at)])
        await self._give(results)
        for arrival in left_out:
            await self._write_batch([await self._decoded(arrival)])

    async def _decoded(self, arrival: Arrival) -> Arrival:
        """Decode what was recognised, as the database has been changed since it was."""
        outcome = arrival.outcome
        assert isinstance(outcome, Undecoded)  # noqa: S101  # nothing else is left out
        return await self._fingerprinted(decoded(outcome), arrival.came_at)

    async def _merged(
        self, arrivals: Sequence[Arrival]
    ) -> tuple[list[SyncResult[ContactsT]], list[Arrival]]:
        """Write a batch in one transaction; return how instances ended, and what was left out."""
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
                    partial(
                        merge,
                        batch=batch,
                        max_shrink=self._max_shrink,
                        confirm_after=self._confirm_after,
                        own=self._own,
                    ),
                )
        except get_cancelled_exc_class():  # by now the merge has ended, or has not in time
            batch.commit.give_up()
            self._note_unclear(batch)
            if batch.commit.is_done:  # what is in the database is given all the same
                await self._give(self._results(fitting, batch.commit.results))
            raise
        except OF_THE_DATABASE:
            self._note_unclear(batch)
            raise
        self.unclear.difference_update(results)
        left_out = [it for it in fitting if it.outcome.w_id not in results]
        unfit = [_unfit(it.outcome) for it in arrivals if not is_key(it.outcome.w_id)]
        return [*self._results(fitting, results), *unfit], left_out

    def _results(
        self, arrivals: Sequence[Arrival], results: Mapping[str, BatchResult]
    ) -> list[SyncResult[ContactsT]]:
        """Return how instances ended; those that a merge has left out have not."""
        return [
            _synced(it, results[it.outcome.w_id], gives_contacts=self._gives_contacts)
            for it in arrivals
            if it.outcome.w_id in results
        ]

    async def _give(self, results: Sequence[SyncResult[ContactsT]]) -> None:
        """Give results to the readers, once those before have been read, or when cancelled."""
        self._announcer.stored(results)
        for result in results:
            self._on_end(result.w_id)
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


def _synced(
    arrival: Arrival,
    result: BatchResult,
    *,
    gives_contacts: bool,
) -> SyncResult[Any]:
    outcome = arrival.outcome
    if isinstance(outcome, Failed):
        return outcome
    values = (
        outcome.elapsed + current_time() - arrival.came_at,
        outcome.gateway,
        outcome.calls,
        outcome.waited,
        result.suspicion,
        result.held_back,
        result.is_unchanged,
        result.kind_counts,
    )
    if result.is_unchanged and not gives_contacts:
        return Synced(outcome.w_id, result.delta_counts, None, *values)
    if isinstance(outcome, Undecoded):
        return UndecodedSynced(
            outcome.w_id,
            result.delta_counts,
            None,  # type: ignore[arg-type]  # a property hides it
            *values,
            outcome=outcome,
        )
    return Synced(outcome.w_id, result.delta_counts, outcome.contacts, *values)


def _unfit(outcome: Fetched[Any] | Failed) -> Failed:
    if isinstance(outcome, Failed):
        return outcome
    return as_failed(outcome, StoreError("the wId is too long for a key of the database"))


def as_failed(outcome: Fetched[Any], error: WxContactsError) -> Failed:
    """Return an instance that was fetched as one that failed."""
    error.located(w_id=outcome.w_id, gateway=outcome.gateway, calls=outcome.calls)
    return Failed(
        outcome.w_id,
        outcome.gateway,
        error,
        outcome.calls,
        outcome.waited,
        outcome.elapsed,
    )
