"""Prints the log of changes from some change on, as it grows."""

from contextlib import suppress

from anyio import Event, move_on_after, to_thread

from wxcontacts_async.cli.jobs.change_printer import ChangePrinter
from wxcontacts_async.cli.jobs.changes import print_changes
from wxcontacts_async.cli.options.cursor import Cursor, Mark
from wxcontacts_async.cli.options.database import DatabaseError, DatabaseOption
from wxcontacts_async.store import ContactChange, ContactStore, StoreError

READER_TIMEOUT = 2.0  # seconds, with who reads nothing of what is left
_LOOK_EVERY = 1.0  # seconds, for what others have written
_LAST_SECONDS = 8.0  # to read what is left from a database that may have gone
_ADVICE = (
    "Remove that file to begin at the end of the log, or give --after ID as well to begin elsewhere"
)


class LogFollower:
    """The log of one database, on its way to standard output.

    Arguments:
        database: Whose log it is.
        printer: Where it goes.
        cursor: Where the last run left off, and this one is to.
        after: Where to begin if there is no cursor yet: behind that id, else at the log's end.

    Attributes:
        is_behind: Whether something may be left that was not printed.

    """

    def __init__(
        self,
        database: DatabaseOption,
        printer: ChangePrinter,
        cursor: Cursor | None,
        after: int | None,
    ) -> None:
        self.is_behind = False
        self._database = database
        self._printer = printer
        self._cursor = cursor
        self._after = after
        self._news = Event()

    @property
    def after(self) -> int:
        """The id of the last change that was printed."""
        return self._printer.after

    async def begin(self, store: ContactStore) -> None:
        """Find where to go on, and set the cursor there.

        Raises:
            DatabaseError: That is not in this log.
            OutputError: The cursor cannot be set.
            StoreError: The log cannot be read.

        """
        last = await store.last_change()
        mark = None if self._cursor is None else self._cursor.mark
        if mark is not None:
            await self._check(mark, last, store)
        elif self._after is not None:
            mark = await self._mark_at(self._after, last, store)
        else:
            mark = Mark(0) if last is None else Mark(last.id, last.at)
        await to_thread.run_sync(self._printer.begin, mark)

    async def _check(self, mark: Mark, last: ContactChange | None, store: ContactStore) -> None:
        """Raise DatabaseError if the cursor is of another log."""
        found = await _found(mark.id, store)
        is_beyond = mark.id > (0 if last is None else last.id)
        if is_beyond or (found is not None and mark.at not in {None, found.at}):
            name = "" if self._cursor is None else self._cursor.name
            msg = (
                f"{self._database.name} is not the database of the cursor {name}, or not what it "
                f"was: its log has no such change {mark.id}. {_ADVICE}"
            )
            raise DatabaseError(msg)

    async def _mark_at(self, after: int, last: ContactChange | None, store: ContactStore) -> Mark:
        end = 0 if last is None else last.id
        if after > end:
            msg = f"--after {after}: the log of {self._database.name} ends at {end}"
            raise DatabaseError(msg)
        found = await _found(after, store)
        return Mark(after) if found is None else Mark(after, found.at)

    def notify(self) -> None:
        """Say that there may be something new."""
        self._news.set()

    async def follow(self, store: ContactStore) -> None:
        """Print what there is, and then what comes.

        Raises:
            StoreError: The log cannot be read.
            OutputError: It cannot be printed.

        """
        while not self._printer.timed_out:
            await self._catch_up(store)
            with move_on_after(_LOOK_EVERY):
                await self._news.wait()

    async def finish(self, store: ContactStore) -> None:
        """Print what is left, though the command is told to end; a database that is lost has none.

        Raises:
            OutputError: It cannot be printed.

        """
        self.is_behind = True
        self._printer.give_up_in(READER_TIMEOUT)
        with move_on_after(_LAST_SECONDS, shield=True), suppress(StoreError):
            await self._catch_up(store)
            self.is_behind = self._printer.timed_out

    async def _catch_up(self, store: ContactStore) -> None:
        self._news = Event()
        await print_changes(store.changes(after=self._printer.after), self._printer)


async def _found(wanted: int, store: ContactStore) -> ContactChange | None:
    """Return the change of that id; None if there is none, which may well be."""
    change = await anext(store.changes(after=max(wanted - 1, 0)), None)
    return change if change is not None and change.id == wanted else None
