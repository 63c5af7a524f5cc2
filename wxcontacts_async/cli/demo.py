"""Syncs a database with an emulator twice, and shows what it came to and what had changed."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from rich.table import Table

from wxcontacts_async import Gateway, InitializationWait, RetryPolicy
from wxcontacts_async.cli.console import HumanConsole
from wxcontacts_async.cli.database import GivenDatabase
from wxcontacts_async.cli.fetch import FetchEnd
from wxcontacts_async.cli.running import End, run_to_end
from wxcontacts_async.cli.summary import say_early_end, show_numbers
from wxcontacts_async.cli.sync import SyncCounts, SyncJob, run_sync, say_missing
from wxcontacts_async.store import ChangeKind, ContactChange, Synced

_SHOWN = 3  # changes of each kind
_REFUSED = {"GatewayRefusedError"}


class _DemoCounts(SyncCounts):
    """Counts how many distinct contacts there are, too."""

    def __init__(self, total: int) -> None:
        super().__init__(total)
        self.user_names: set[str] = set()

    def add_synced(self, synced: Synced) -> None:
        """Count an instance that is in step."""
        super().add_synced(synced)
        self.user_names.update(contact.user_name for contact in synced.contacts)


def run_demo(
    w_ids: Sequence[str],
    url: str,
    advance: Callable[[], None],
    database: GivenDatabase,
    console: HumanConsole,
) -> int:
    """Sync, let the emulator's population move, sync again; show both.

    Arguments:
        w_ids: The instances.
        url: Where they are.
        advance: Lets their contacts move a little.
        database: What is kept in step with them.
        console: Where the progress is shown.

    Returns:
        The exit code: 0 although a few are refused, as that belongs to it.

    """
    tables = HumanConsole(stderr=False)
    job = SyncJob(
        w_ids, Gateway(url), database, initialization=InitializationWait(), retry=RetryPolicy()
    )
    first = _DemoCounts(len(w_ids))
    end = run_sync(job, first, console)
    _show_first(first, tables)
    if not _is_as_meant(end):
        return _said_early_end(end, first, console)

    advance()
    console.chat("The emulator's population has moved a little; once more:")
    began = datetime.now(UTC)
    second = _DemoCounts(len(w_ids))
    end = run_sync(job, second, console)
    if not _is_as_meant(end):
        return _said_early_end(end, second, console)
    changes: list[ContactChange] = []
    reading = _read_some_changes(database, began, changes)
    if reading.exit_code:
        say_early_end(reading, console)
        return reading.exit_code
    _show_second(second, changes, tables)
    console.chat(
        f"The contacts are in {database.name}. "
        f"Try: wxcontacts changes --store {database.typed} --since 1m",
    )
    return 0


def _is_as_meant(end: FetchEnd) -> bool:
    counts = end.counts
    was_ended = end.error is not None or end.stopped_by is not None
    return not was_ended and not counts.missing and counts.errors.keys() <= _REFUSED


def _said_early_end(end: FetchEnd, counts: SyncCounts, console: HumanConsole) -> int:
    say_early_end(end, console)
    say_missing(counts, console)
    console.say("Run the demo again to see the rest; it begins anew.")
    return End(end.stopped_by, end.error).exit_code or 1


def _show_first(counts: _DemoCounts, console: HumanConsole) -> None:
    rows = [
        ("distinct contacts across instances", f"{len(counts.user_names):,}"),
        ("waiting, one instance after another", f"{counts.waited:,.1f} s"),
        ("all of it, waiting at once", f"{counts.seconds:,.1f} s"),
        ("saved", f"{max(counts.waited - counts.seconds, 0.0):,.1f} s"),
    ]
    show_numbers(counts, console, rows)


def _show_second(
    counts: SyncCounts,
    changes: Sequence[ContactChange],
    console: HumanConsole,
) -> None:
    delta = counts.delta_counts
    console.say(
        f"{counts.fetched:,} of {counts.total:,} instances in {counts.seconds:.1f} s: "
        f"{delta.added:,} contacts added, {delta.removed:,} removed, {delta.changed:,} changed, "
        "such as",
    )
    table = Table("", "", "before", "after")
    for change in changes:
        before, after = (
            "" if version is None else version.contact.nick_name or version.contact.user_name
            for version in (change.before, change.after)
        )
        version = change.after or change.before
        table.add_row(change.change, version.kind if version else "", before, after)
    console.show(table)


def _read_some_changes(
    database: GivenDatabase,
    since: datetime,
    into: list[ContactChange],
) -> End:
    """Read some changes of each kind; all of these people are invented."""

    async def read() -> None:
        some: dict[ChangeKind, list[ContactChange]] = {kind: [] for kind in ChangeKind}
        async with database.opened() as store:
            async for change in store.changes(since=since):
                if len(some[change.change]) < _SHOWN:
                    some[change.change].append(change)
        into.extend(change for changes in some.values() for change in changes)

    return run_to_end(read)
