"""The reading half of the store: contacts, changes and instances, as the database has them."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Generic

from wxcontacts_async.contacts import ContactSet, ContactT
from wxcontacts_async.errors import InvalidArgumentError
from wxcontacts_async.store import _log, reading
from wxcontacts_async.store._database.blocking_call import ResultT
from wxcontacts_async.store._database.connection import Connection
from wxcontacts_async.store._database.database import Database
from wxcontacts_async.store._tabular.own_fields import OwnFields
from wxcontacts_async.store.errors import NotSyncedError, StoreError
from wxcontacts_async.store.records import ContactChange, StoredInstance
from wxcontacts_async.validation import check_number, check_stored_w_id

_LAST_ID = 2**63 - 1  # the largest number of a database


class StoreReader(Generic[ContactT]):
    """Reads a database that is open; `ContactStore` opens it, and writes to it."""

    _database: Database
    _own: OwnFields
    _is_open = False

    async def load(self, w_id: str) -> ContactSet[ContactT]:
        """Return the contacts of one instance, as of its last sync.

        Its `fetched_at` is when they were last in step. Each contact is in the list of its kind
        alone, by `user_name`.

        Raises:
            NotSyncedError: The instance has never been synced.
            InvalidArgumentError: `w_id` is no wId.
            StoreError: The store is not open, or cannot be read.

        """
        check_stored_w_id(w_id)
        contacts = await self._run(partial(reading.load, w_id=w_id, own=self._own))
        if contacts is None:
            raise NotSyncedError.of(w_id)
        return contacts

    async def load_all(self) -> AsyncIterator[ContactSet[ContactT]]:
        """Give the contacts of each instance that was ever synced, by wId.

        Some instances at a time are in memory, and each is as of one moment.

        Raises:
            StoreError: The store is not open, or cannot be read.

        """
        w_id = ""
        while found := await self._run(partial(reading.load_after, w_id=w_id, own=self._own)):
            w_id = found[-1].w_id
            for contacts in found:
                yield contacts

    def changes(
        self,
        *,
        since: datetime | None = None,
        after: int = 0,
        w_id: str | None = None,
    ) -> AsyncIterator[ContactChange[ContactT]]:
        """Give what changed, in the order in which it became visible.

        A reader that goes on from the `id` of its last change, as `after`, is given each change
        once, however slow a writer is. `since` promises no such thing: a change becomes visible
        when it is committed, which is after the time that it bears.

        Arguments:
            since: From then on, aware; else from the beginning. See `ContactChange.at`.
            after: Those with a higher `ContactChange.id`, a whole number of at least 0; 0 is all.
            w_id: Of that instance; else of all.

        Raises:
            InvalidArgumentError: `since` is not aware, `after` is no such number, or `w_id` is no
                wId.
            ChangesPrunedError: What came next after `after` is not there any more.
            StoreError: The store is not open, or cannot be read.

        """
        if since is not None:
            since = in_utc("since", since)
        check_number("after", after, at_least=0, whole=True)
        if w_id is not None:
            check_stored_w_id(w_id)
        self._check_open()
        return _log.changes(
            self._database, self._own, since=since, after=min(after, _LAST_ID), w_id=w_id
        )

    def follow(self, *, after: int | None = None) -> AsyncIterator[ContactChange[ContactT]]:
        """Give changes as they become visible, whichever process makes them, without an end.

        A reader that keeps the `id` of the last change that it has taken, and gives it as `after`
        when it begins again, is given each change once and misses none. Other processes are
        heard of by PostgreSQL's NOTIFY, or by SQLite's `PRAGMA data_version` four times a second.

        Arguments:
            after: Those with a higher `ContactChange.id`, a whole number of at least 0; 0 is all,
                None what comes from now on.

        Raises:
            InvalidArgumentError: `after` is no such number.
            ChangesPrunedError: As for `changes`.
            StoreConnectionError: The database was lost, and not back within `reconnect_timeout`;
                begin again with the last id.
            StoreError: The store is not open, or cannot be read.

        """
        check_number("after", after, at_least=0, whole=True, optional=True)
        self._check_open()
        return _log.follow(
            self._database, self._own, None if after is None else min(after, _LAST_ID)
        )

    async def last_change(self) -> ContactChange[ContactT] | None:
        """Return the change that was seen last; None if there is none yet.

        Its `id` is what to give as `changes(after=...)` for what comes from now on.

        Raises:
            StoreError: The store is not open, or cannot be read.

        """
        return await self._run(partial(reading.last_change, own=self._own))

    async def instances(self) -> AsyncIterator[StoredInstance]:
        """Give what is known of each instance that was ever asked for, by wId.

        Raises:
            StoreError: The store is not open, or cannot be read.

        """
        w_id = ""
        while found := await self._run(partial(reading.instances_after, w_id=w_id)):
            w_id = found[-1].w_id
            for instance in found:
                yield instance

    async def _run(self, work: Callable[[Connection], ResultT]) -> ResultT:
        self._check_open()
        return await self._database.run(work)

    def _check_open(self) -> None:
        if not self._is_open:
            msg = "the store is not open; use it within `async with ContactStore(...) as store`"
            raise StoreError(msg)


def in_utc(name: str, time: object) -> datetime:
    if not isinstance(time, datetime) or time.utcoffset() is None:
        msg = f"{name} must be an aware datetime"
        raise InvalidArgumentError(msg, argument=name)
    try:
        return time.astimezone(UTC)
    except OverflowError:
        msg = f"{name} must be a time from year 1 to 9999 in UTC"
        raise InvalidArgumentError(msg, argument=name) from None
