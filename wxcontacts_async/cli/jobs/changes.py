"""Prints the log of changes of a database, as lines of JSON."""

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from wxcontacts_async.cli.jobs.change_printer import ChangePrinter
from wxcontacts_async.cli.jobs.change_rows import change_row, header_row
from wxcontacts_async.cli.options.database import CommandStore, DatabaseOption
from wxcontacts_async.cli.runtime.running import RunResult, run_to_end
from wxcontacts_async.cli.terminal.suspicion import describe_stored
from wxcontacts_async.store import ContactChange, ContactStore

_CHANGES_AT_ONCE = 500


@dataclass(frozen=True)
class ChangesJob:
    """What to print.

    Attributes:
        database: Whose changes are printed.
        since: Those fetched from then on, aware; None: all.
        after: Those with a higher id.
        w_id: Those of that instance; None: of all.
        limit: At most so many; None: all.
        follows: Whether to go on with those to come.
        as_table: Whether they are rows of a table, rather than lines of JSON.

    """

    database: DatabaseOption
    since: datetime | None = None
    after: int = 0
    w_id: str | None = None
    limit: int | None = None
    follows: bool = False
    as_table: bool = False


class ChangesRun:
    """One run of `changes`.

    Attributes:
        suspicious: How many of the chosen instances are.
        example: The description of the first one.
        is_unknown: Whether the database does not know the chosen instance.
        last_id: The id of the last change of the log, 0 if there is none; None if the run ended
            before it was read.

    """

    def __init__(self, job: ChangesJob) -> None:
        self.suspicious, self.example = 0, ""
        self.is_unknown = False
        self.last_id: int | None = None
        self._job = job
        self._left = job.limit
        self._printer = ChangePrinter()
        if job.as_table:
            self._printer = ChangePrinter(line_of=change_row, header=header_row())

    def run(self) -> RunResult:
        """Print the changes, until all are done, a signal arrives or writing fails."""
        return run_to_end(self._print, files=[self._printer])

    async def _print(self) -> None:
        job = self._job
        async with job.database.opened() as store:
            if job.follows:
                await self._follow(store)
                return
            await self._print_some(store.changes(since=job.since, after=job.after, w_id=job.w_id))
            if not self._is_done:
                await self._read_instances(store)
                last = await store.last_change()
                self.last_id = 0 if last is None else last.id

    async def _follow(self, store: CommandStore) -> None:
        news, since, after = store.news(), self._job.since, self._job.after
        while not self._is_done:
            await news.wait()
            last = await store.last_change()
            changes = store.changes(since=since, after=after, w_id=self._job.w_id)
            await self._print_some(changes)
            since = None  # what comes from now on is later, or was committed later
            after = max(after, self._printer.after, 0 if last is None else last.id)

    async def _print_some(self, changes: AsyncIterator[ContactChange]) -> None:
        if self._left is not None:
            changes = _limited(changes, self._left)
        printed = await print_changes(changes, self._printer)
        if self._left is not None:
            self._left -= printed

    @property
    def _is_done(self) -> bool:
        return self._left == 0 or self._printer.timed_out

    async def _read_instances(self, store: ContactStore) -> None:
        """Find which of the chosen instances are suspicious, and whether it is known at all."""
        is_known = self._job.w_id is None or self._printer.after > 0
        async for instance in store.instances():
            if self._job.w_id in {None, instance.w_id}:
                is_known = True
                if instance.suspicion is not None:
                    self.suspicious += 1
                    self.example = self.example or describe_stored(
                        instance, instance.suspicion, self._job.database
                    )
        self.is_unknown = not is_known


async def print_changes(changes: AsyncIterable[ContactChange], printer: ChangePrinter) -> int:
    """Print changes in batches, until the printer times out; return how many were given to it."""
    printed = 0
    some: list[ContactChange] = []
    async for change in changes:
        some.append(change)
        printed += 1
        if len(some) == _CHANGES_AT_ONCE:
            await printer.write(some)
            some = []
            if printer.timed_out:
                return printed
    if some:
        await printer.write(some)
    return printed


async def _limited(
    changes: AsyncIterator[ContactChange], number: int
) -> AsyncIterator[ContactChange]:
    while number and (change := await anext(changes, None)) is not None:
        number -= 1
        yield change
