"""Follows the log of changes, and prints it as it grows."""

from contextlib import suppress

from anyio import move_on_after, to_thread

from wxcontacts_async.cli.jobs.change_printer import ChangePrinter
from wxcontacts_async.cli.jobs.changes import print_changes
from wxcontacts_async.cli.options.cursor import Cursor, Mark
from wxcontacts_async.cli.options.database import CommandStore, DatabaseError, DatabaseOption
from wxcontacts_async.store import ContactChange, ContactStore, StoreError

READER_TIMEOUT = 2.0  # seconds, at the end, for the pipe's reader
_LAST_SECONDS = 8.0  # to read the rest from a database that may be lost
_ADVICE = (
    "Remove that file to begin at the end of the log, or give --after ID as well to begin elsewhere"
)


class LogFollower:
    """Prints the log of one database to standard output.

    Arguments:
        database: The database.
        printer: The output.
        cursor: The position where the last run ended, if any.
        after: The id to begin after if the cursor has no position; None is the end of the log.

    Attributes:
        is_behind: Whether changes may be left that were not printed.

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

    @property
    def after(self) -> int:
        """The id of the last change that was printed."""
        return self._printer.after

    async def begin(self, store: ContactStore) -> None:
        """Set the cursor to where to continue from; DatabaseError if this log has no such place."""
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
        """Raise DatabaseError if the cursor belongs to another log."""
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

    async def follow(self, store: CommandStore) -> None:
        """Print the log, and then each new change."""
        news = store.news()
        while not self._printer.timed_out:
            await news.wait()
            await self._catch_up(store)

    async def finish(self, store: ContactStore) -> None:
        """Print the rest while the command shuts down, unless the database is lost."""
        self.is_behind = True
        self._printer.give_up_in(READER_TIMEOUT)
        with move_on_after(_LAST_SECONDS, shield=True), suppress(StoreError):
            await self._catch_up(store)
            self.is_behind = self._printer.timed_out

    async def _catch_up(self, store: ContactStore) -> None:
        await print_changes(store.changes(after=self._printer.after), self._printer)


async def _found(wanted: int, store: ContactStore) -> ContactChange | None:
    """Return the change of that id; None if there is none."""
    change = await anext(store.changes(after=max(wanted - 1, 0)), None)
    return change if change is not None and change.id == wanted else None
