"""Prints the log of changes of a database, as lines of JSON."""

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from wxcontacts_async.cli.jobs.change_printer import ChangePrinter
from wxcontacts_async.cli.options.database import DatabaseOption
from wxcontacts_async.cli.runtime.running import RunResult, run_to_end
from wxcontacts_async.cli.terminal.suspicion import Suspects
from wxcontacts_async.store import ContactChange, ContactStore, StoredInstance

_CHANGES_AT_ONCE = 500


@dataclass
class ChangeFilter:
    """Which changes are printed.

    Arguments:
        since: Those fetched from then on, aware; None: all.
        after: Those with a higher id.
        w_id: Those of that instance; None: of all.

    """

    since: datetime | None
    after: int
    w_id: str | None


class ChangesRun:
    """One run of `changes`.

    Attributes:
        suspects: The suspicious instances among those chosen.
        is_unknown: Whether the database does not know the chosen instance.
        last_id: The id of the last change of the log, 0 if there is none; None if the run ended
            before it was read.

    """

    def __init__(self, database: DatabaseOption, chosen: ChangeFilter) -> None:
        self.suspects = Suspects(database)
        self.is_unknown = False
        self.last_id: int | None = None
        self._is_known = False
        self._database = database
        self._filter = chosen
        self._printer = ChangePrinter()

    def run(self) -> RunResult:
        """Print the changes, until all are done, a signal arrives or writing fails."""
        return run_to_end(self._print, files=[self._printer])

    async def _print(self) -> None:
        chosen = self._filter
        async with self._database.opened() as store:
            await print_changes(
                store.changes(since=chosen.since, after=chosen.after, w_id=chosen.w_id),
                self._printer,
            )
            await self.suspects.add(self._instances(store), chosen.w_id)
            self.is_unknown = chosen.w_id is not None and not self._is_known
            last = await store.last_change()
            self.last_id = 0 if last is None else last.id

    async def _instances(self, store: ContactStore) -> AsyncIterator[StoredInstance]:
        """Give all instances, and record whether the chosen one is among them."""
        self._is_known = self._printer.after > 0
        async for instance in store.instances():
            self._is_known = self._is_known or instance.w_id == self._filter.w_id
            yield instance


async def print_changes(changes: AsyncIterable[ContactChange], printer: ChangePrinter) -> None:
    """Print changes in batches, until the printer times out.

    Raises:
        StoreError: As reading them does.
        OutputError: They cannot be printed.

    """
    some: list[ContactChange] = []
    async for change in changes:
        some.append(change)
        if len(some) == _CHANGES_AT_ONCE:
            await printer.write(some)
            some = []
            if printer.timed_out:
                return
    if some:
        await printer.write(some)
