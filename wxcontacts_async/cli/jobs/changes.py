"""Prints the log of changes of a database, as lines of JSON."""

from collections.abc import AsyncIterable
from datetime import datetime

from wxcontacts_async.cli.jobs.change_printer import ChangePrinter
from wxcontacts_async.cli.options.database import DatabaseOption
from wxcontacts_async.cli.runtime.running import RunResult, run_to_end
from wxcontacts_async.cli.terminal.suspicion import describe_stored
from wxcontacts_async.store import ContactChange, ContactStore

_CHANGES_AT_ONCE = 500


class ChangesRun:
    """One run of `changes`.

    Arguments:
        database: Whose changes are printed.
        since: Those fetched from then on, aware; None: all.
        after: Those with a higher id.
        w_id: Those of that instance; None: of all.

    Attributes:
        suspicious: How many of the chosen instances are.
        example: The description of the first one.
        is_unknown: Whether the database does not know the chosen instance.
        last_id: The id of the last change of the log, 0 if there is none; None if the run ended
            before it was read.

    """

    def __init__(
        self, database: DatabaseOption, since: datetime | None, after: int, w_id: str | None
    ) -> None:
        self.suspicious, self.example = 0, ""
        self.is_unknown = False
        self.last_id: int | None = None
        self._database = database
        self._since, self._after, self._w_id = since, after, w_id
        self._printer = ChangePrinter()

    def run(self) -> RunResult:
        """Print the changes, until all are done, a signal arrives or writing fails."""
        return run_to_end(self._print, files=[self._printer])

    async def _print(self) -> None:
        async with self._database.opened() as store:
            changes = store.changes(since=self._since, after=self._after, w_id=self._w_id)
            await print_changes(changes, self._printer)
            await self._read_instances(store)
            last = await store.last_change()
            self.last_id = 0 if last is None else last.id

    async def _read_instances(self, store: ContactStore) -> None:
        """Find which of the chosen instances are suspicious, and whether it is known at all."""
        is_known = self._w_id is None or self._printer.after > 0
        async for instance in store.instances():
            if self._w_id in {None, instance.w_id}:
                is_known = True
                if instance.suspicion is not None:
                    self.suspicious += 1
                    self.example = self.example or describe_stored(
                        instance, instance.suspicion, self._database
                    )
        self.is_unknown = not is_known


async def print_changes(changes: AsyncIterable[ContactChange], printer: ChangePrinter) -> None:
    """Print changes in batches, until the printer times out."""
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
