"""The stream of a watch: instances are synced again and again, without an end."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, Self

from anyio import sleep

from wxcontacts_async.instance import Instance
from wxcontacts_async.outcomes import Failed, Fetched
from wxcontacts_async.store import reading
from wxcontacts_async.store._database.database import Database
from wxcontacts_async.store._merging.reply_digests import ReplyDigests
from wxcontacts_async.store._schedule import Schedule
from wxcontacts_async.store._tabular.own_fields import OwnFields
from wxcontacts_async.store.errors import OF_THE_DATABASE, StoreError
from wxcontacts_async.store.records import ContactsT
from wxcontacts_async.store.sync import Arrival, SyncResult, SyncStream, as_failed

_LOOK_AGAIN = 1.0  # seconds, once the database could not be read


class WatchStream(SyncStream[ContactsT]):
    """What `ContactStore.watch` returns: `async with` starts it, `async for` reads it.

    It is a `SyncStream` that has no end of its own. What was fetched while the database was lost,
    full or busy for too long has failed with that error, and the watch goes on: an instance is
    asked for again an interval later. `stop` and reading on ends it in order.
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
        own: OwnFields,
        schedule: Schedule,
    ) -> None:
        super().__init__(
            outcomes,
            database,
            max_shrink,
            confirm_after,
            digests=digests,
            contacts=contacts,
            own=own,
        )
        self._schedule = schedule

    async def __aenter__(self) -> Self:
        """Start it.

        Raises:
            StoreAccessError: The database can only be read; nothing is fetched then.
            StoreError: It was entered before, or the database cannot be used.

        """
        if self._tasks is not None:
            raise StoreError("a watch is entered once; call store.watch again")
        self._schedule.begin(await self._ages())
        return await super().__aenter__()

    def replace(self, instances: Iterable[str | Instance]) -> tuple[int, int]:
        """Watch these instances from now on; new ones are asked for first.

        What is under way of those that are dropped is still given.

        Returns:
            How many are new, and how many were dropped.

        Raises:
            InvalidArgumentError: They are no instances, or a wId is on two gateways; the ones
                from before are kept.

        """
        return self._schedule.replace(instances)

    async def __anext__(self) -> SyncResult[ContactsT]:
        """Return how the next instance ended. Cancelled, it leaves that to the next reader.

        Raises:
            StoreError: The watch is not open, or the database takes nothing at all.
            PoolClosedError: The pool was left.

        """
        result = await super().__anext__()
        self._schedule.ended(result.w_id)
        return result

    async def _ages(self) -> dict[str, float]:
        """Return the seconds since each instance was last asked for, by wId."""
        now = datetime.now(UTC)
        ages: dict[str, float] = {}
        w_id = ""
        while found := await self._database.run(partial(reading.instances_after, w_id=w_id)):
            w_id = found[-1].w_id
            for instance in found:
                ages[instance.w_id] = max((now - instance.tried_at).total_seconds(), 0.0)
        return ages

    async def _keep_looking_up(self, digests: ReplyDigests) -> None:
        while True:
            with suppress(*OF_THE_DATABASE):  # what cannot be looked up is decoded
                await digests.look_up(self._database)
            await sleep(_LOOK_AGAIN)

    async def _write_batch(self, arrivals: Sequence[Arrival]) -> None:
        """Write a batch; if the database is lost, what is in it has failed of that."""
        try:
            await super()._write_batch(arrivals)
        except OF_THE_DATABASE as error:
            await self._give([_failed_of(error, arrival.outcome) for arrival in arrivals])


def _failed_of(error: StoreError, outcome: Fetched[Any] | Failed) -> Failed:
    if isinstance(outcome, Failed):
        return outcome
    return as_failed(outcome, type(error)(error.what, advice=error.advice))
