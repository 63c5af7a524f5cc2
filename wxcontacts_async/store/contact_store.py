"""The store: a database that is kept in step with what gateways answer."""

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Any, Literal, Self, overload

from anyio import CancelScope

from wxcontacts_async._event_loop import running_loop
from wxcontacts_async.contacts import Contact, ContactSet, ContactT
from wxcontacts_async.errors import InvalidArgumentError
from wxcontacts_async.instance import Instance
from wxcontacts_async.pool import SessionPool, decoding_signature, recognizing_stream
from wxcontacts_async.store._database.database import Database
from wxcontacts_async.store._database.opening import Opening
from wxcontacts_async.store._database.url import read_address
from wxcontacts_async.store._merging import acceptance, forgetting
from wxcontacts_async.store._merging.reply_digests import ReplyDigests
from wxcontacts_async.store._one_gateway import OneGateway
from wxcontacts_async.store._reader import StoreReader, in_utc
from wxcontacts_async.store._schedule import Schedule
from wxcontacts_async.store._tabular.own_fields import own_fields
from wxcontacts_async.store.errors import StoreError
from wxcontacts_async.store.records import Suspicion
from wxcontacts_async.store.summary import StoreSummary, summarize
from wxcontacts_async.store.sync import SyncStream
from wxcontacts_async.store.watch import WatchStream
from wxcontacts_async.stream import Instances, OutcomeStream
from wxcontacts_async.validation import check_number, check_stored_w_id


class ContactStore(StoreReader[ContactT]):
    """Keeps the contacts of many instances in a database, and the log of what changed in them.

    Enter it with `async with`; any number of tasks of that event loop may share it. It has one
    connection, which one worker thread uses, so the event loop never waits for the database.
    wIds are taken to be unique, on whichever gateway they are.

    Several stores, in one process or many, may write to one database: each transaction waits for
    the one before. Do not open a store's SQLite file with the `sqlite3` module
    in the same process: the driver has an SQLite of its own, and neither would see the other's
    locks (https://www.sqlite.org/howtocorrupt.html, 2.2.1). Other processes may.

    Arguments:
        url: `sqlite:///contacts.db`, with four slashes for an absolute path, or
            `postgresql://user@host/database`, with any parameters of libpq. A password is better
            kept in the environment (PGPASSWORD, or PGPASSFILE) than in the URL; it is never
            shown. The tables are made, or brought up to date, when the store is entered; if they
            are up to date nothing is written, so that reading needs no right to write. A new
            SQLite file is for its owner alone (0600); in its name ? is written %3F, # is %23, and
            the % before one of these is %25.
        max_shrink: The share of an instance's contacts that may leave at once, 0 to 1, as gateways
            sometimes answer with too little. An answer is suspicious if it lacks more than that
            share, of all contacts or of one kind (public, friend, group) with at least 20; if it
            lacks all of a kind, however few; or if contacts are held already. It adds and changes,
            but removes nothing: the contacts that it lacks are held until `confirm_after` has
            passed or they are accepted. 1 removes always and at once.
        confirm_after: Seconds, at least 0 and at most 100 years, for which every answer must have
            lacked a contact before it is removed, counted from answer to answer; an answer that
            has it again ends that. An answer with no contact at all is never believed, only
            accepted.
        contact_type: `Contact`, or a subclass of it, each own field of which is kept as well: in
            the column `more` of `contacts`, an object of JSON, and wherever the others are. A
            field must have a default, and is remembered. One that is new to the database is
            filled in by the next sync of each instance, which is no change of its contacts.
        busy_timeout: Seconds, at least 0 and at most a day, to wait for another writer.
        reconnect_timeout: Seconds, at least 0, to try to connect again after a connection is
            lost; what is to be written is kept meanwhile. A wait of more than a second is logged.

    Raises:
        InvalidArgumentError: An argument cannot be used.

    """

    _opening = Opening.MAKE  # the command's stores may be opened for less
    _on_wait: Callable[[str, bool], None] = staticmethod(lambda *_: None)  # as of `Database`

    @overload
    def __init__(
        self: "ContactStore[Contact]",
        url: str,
        *,
        max_shrink: float = ...,
        confirm_after: float = ...,
        busy_timeout: float = ...,
        reconnect_timeout: float = ...,
    ) -> None: ...

    @overload
    def __init__(
        self,
        url: str,
        *,
        max_shrink: float = ...,
        confirm_after: float = ...,
        contact_type: type[ContactT],
        busy_timeout: float = ...,
        reconnect_timeout: float = ...,
    ) -> None: ...

    def __init__(
        self,
        url: str,
        *,
        max_shrink: float = 0.5,
        confirm_after: float = 86_400.0,
        contact_type: type[ContactT] = Contact,  # type: ignore[assignment]  # see the overloads
        busy_timeout: float = 60.0,
        reconnect_timeout: float = 60.0,
    ) -> None:
        self._own = own_fields(contact_type)
        self._address = read_address(url)
        check_number("max_shrink", max_shrink, at_least=0, at_most=1)
        check_number("confirm_after", confirm_after, at_least=0, at_most=_CENTURY)
        check_number("busy_timeout", busy_timeout, at_least=0, at_most=_DAY)
        check_number("reconnect_timeout", reconnect_timeout, at_least=0)
        self._max_shrink = max_shrink
        self._confirm_after = confirm_after
        self._database = Database(
            self._address,
            busy_timeout=busy_timeout,
            reconnect_timeout=reconnect_timeout,
            opening=self._opening,
            on_wait=self._on_wait,
        )
        self._is_open = False

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            StoreConnectionError: There is no such database, or no way to it.
            StoreVersionError: Its tables are of a newer version of this library.
            StoreBusyError: Its tables must be made, and another writer is at work.
            StoreAccessError: Its tables must be made, and it can only be read.
            StoreFullError: The disk is full.
            StoreError: It cannot be used otherwise; such as if its encoding is not UTF-8.
            WxContactsError: The event loop is not asyncio's.

        """
        if self._is_open:
            raise StoreError("the store is open already")
        running_loop("a ContactStore")
        self._is_open = True
        try:
            await self._database.open()
        except BaseException:
            # Cancelled just as the connection was made, it would stay open.
            with CancelScope(shield=True):
                await self._database.close()
            self._is_open = False
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self._is_open:
            return
        self._is_open = False
        with CancelScope(shield=True):  # it takes some milliseconds, and leaves a whole file
            await self._database.close()

    @overload
    def sync(
        self,
        pool: SessionPool[Any],
        instances: Instances,
        *,
        max_pending: int = ...,
        contacts: Literal[True] = ...,
    ) -> SyncStream: ...

    @overload
    def sync(
        self,
        pool: SessionPool[Any],
        instances: Instances,
        *,
        max_pending: int = ...,
        contacts: bool,
    ) -> SyncStream[ContactSet[Contact] | None]: ...

    def sync(
        self,
        pool: SessionPool[Any],
        instances: Instances,
        *,
        max_pending: int = 10_000,
        contacts: bool = True,
    ) -> SyncStream[Any]:
        """Fetch the contacts of many instances, and bring the database in step with each.

        Each is in the database wholly as before or wholly as after, whatever happens.

        Arguments:
            pool: Where they are fetched.
            instances: wIds or Instances, as for `SessionPool.stream`, each wId on one gateway: of
                a collection that is checked at once, of what is read lazily while it is under
                way.
            max_pending: As for `SessionPool.stream`.
            contacts: Whether `Synced.contacts` has the contacts of unchanged instances, too. They
                are decoded when they are first asked for, and their replies are in memory as
                long as that may be.

        A reply of the very bytes that the contacts in the database are of is not decoded, unless
        `InitializationWait(is_initializing=...)` was given, which might have its say.

        Returns:
            What to enter with `async with` and to read with `async for`; it gives a `Synced` or
            a `Failed` for each instance, once that is in the database.

        Raises:
            InvalidArgumentError: An argument cannot be used.
            PoolClosedError: The pool is not open.
            StoreError: The store is not open.

        """
        source = OneGateway(instances)
        outcomes, digests = self._stream_of(pool, source.instances, max_pending, contacts=contacts)
        return SyncStream(
            outcomes,
            self._database,
            self._max_shrink,
            self._confirm_after,
            digests=digests,
            contacts=contacts,
            on_end=source.ended,
            own=self._own,
        )

    @overload
    def watch(
        self,
        pool: SessionPool[Any],
        instances: Iterable[str | Instance],
        *,
        every: float = ...,
        contacts: Literal[True] = ...,
    ) -> WatchStream: ...

    @overload
    def watch(
        self,
        pool: SessionPool[Any],
        instances: Iterable[str | Instance],
        *,
        every: float = ...,
        contacts: bool,
    ) -> WatchStream[ContactSet[Contact] | None]: ...

    def watch(
        self,
        pool: SessionPool[Any],
        instances: Iterable[str | Instance],
        *,
        every: float = 600.0,
        contacts: bool = True,
    ) -> WatchStream[Any]:
        """Sync the same instances again and again, each once an interval, without an end.

        They are spread evenly over the interval, and none is asked for again while it is under
        way. Those that the database does not know go first, at most a second apart, then those
        that were asked for longest ago, so that a restart asks for none too soon.

        Arguments:
            pool: Where they are fetched.
            instances: wIds or Instances, each wId on one gateway; there may be none yet.
                `WatchStream.replace` takes others while it runs.
            every: Seconds, at least 0.1, from one start of an instance to the next.
            contacts: As for `sync`.

        Returns:
            What to enter with `async with` and to read with `async for`; it gives a `Synced` or
            a `Failed` each time that an instance was synced or could not be. What was fetched
            while the database was away for longer than `reconnect_timeout`, or full, is a
            `Failed` with that error, and the watch goes on.

        Raises:
            InvalidArgumentError: An argument cannot be used.
            PoolClosedError: The pool is not open.
            StoreError: The store is not open.

        """
        check_number("every", every, at_least=0.1)
        schedule = Schedule(instances, every)
        outcomes, digests = self._stream_of(pool, schedule, _ALL, contacts=contacts)
        return WatchStream(
            outcomes,
            self._database,
            self._max_shrink,
            self._confirm_after,
            digests=digests,
            contacts=contacts,
            own=self._own,
            schedule=schedule,
        )

    def _stream_of(
        self,
        pool: SessionPool[Any],
        instances: Instances,
        max_pending: int,
        *,
        contacts: bool,
    ) -> tuple[OutcomeStream[Any], ReplyDigests | None]:
        """Return what fetches, and what it recognises replies by, if it does."""
        self._check_open()
        if not isinstance(pool, SessionPool):
            msg = f"pool must be a SessionPool, not {type(pool).__name__}"
            raise InvalidArgumentError(msg, argument="pool")
        if not isinstance(contacts, bool):
            msg = f"contacts must be True or False, not {contacts!r}"
            raise InvalidArgumentError(msg, argument="contacts")
        lacking = set(self._own.names).difference(pool.contact_type.__struct_fields__)
        if lacking:
            what = ", ".join(sorted(lacking))
            msg = f"pool must have a contact_type with the store's field {what}"
            raise InvalidArgumentError(msg, argument="pool")
        if (signature := decoding_signature(pool)) is None:
            return pool.stream(instances, max_pending=max_pending), None
        signature = " ".join([signature, *self._own.names])
        digests = ReplyDigests(signature, self._database.dialect)
        stream = recognizing_stream(pool, instances, max_pending=max_pending, recognition=digests)
        return stream, digests

    async def summary(self, *, since: datetime, names: bool = True) -> StoreSummary:
        """Sum up what is in the database and what happened in it, which the database counts.

        Arguments:
            since: From when on changes count, aware.
            names: Whether to read the names of the contacts that are on the most instances, and
                those that came and went last.

        Raises:
            InvalidArgumentError: `since` is not aware.
            StoreError: The store is not open, or cannot be read.

        """
        since = in_utc("since", since)
        return await self._run(partial(summarize, since=since, names=names))

    async def accept(self, w_id: str) -> Suspicion | None:
        """Accept that the contacts that are missing from an instance's answers are gone.

        The next sync removes those that are still missing, all at once; a contact that is there
        again is accepted no more. If the last answer had no contact at all, all are accepted.
        Where an older version of this library did not store which contacts are missing, an
        answer that lacks more of them than were accepted, or all, removes none.

        Returns:
            What was accepted; None if nothing is suspicious of it.

        Raises:
            NotSyncedError: The instance has never been synced.
            InvalidArgumentError: `w_id` is no wId.
            StoreBusyError: Another writer has been at work for too long.
            StoreError: The store is not open, or cannot be written to.

        """
        check_stored_w_id(w_id)
        return await self._run(partial(acceptance.accept, w_id=w_id))

    async def forget(self, w_id: str) -> int:
        """Remove an instance that is no more, and log that its contacts are removed.

        One that is still synced or watched comes back with all of them.

        Returns:
            How many contacts there were of it.

        Raises:
            NotSyncedError: The database does not know it.
            InvalidArgumentError: `w_id` is no wId.
            StoreBusyError: Another writer has been at work for too long.
            StoreError: The store is not open, or cannot be written to.

        """
        check_stored_w_id(w_id)
        return await self._run(partial(forgetting.forget, w_id=w_id))

    async def prune(self, *, before: datetime) -> int:
        """Remove the oldest changes from the log, those before the first one since a time.

        It does so in short transactions, between which others write; the last change of all
        stays. A reader that has not yet read what is removed gets a ChangesPrunedError.

        Arguments:
            before: The time, aware; see `ContactChange.at`.

        Returns:
            How many changes were removed.

        Raises:
            InvalidArgumentError: `before` is not aware.
            StoreBusyError: Another writer has been at work for too long; what was removed by
                then is.
            StoreError: The store is not open, or cannot be written to.

        """
        before = in_utc("before", before)
        pruned = 0
        begin: int | None = 0
        while begin is not None:
            removed, begin = await self._run(
                partial(forgetting.prune, before=before, begin=begin),
            )
            pruned += removed
        return pruned

    def __repr__(self) -> str:
        return f"ContactStore({self._address.shown!r})"


_ALL = 2**31  # instances of a watch that may be pending; each is so once at most
_DAY = 86_400.0
_CENTURY = 36_500 * _DAY
