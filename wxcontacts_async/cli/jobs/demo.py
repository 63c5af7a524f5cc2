"""Syncs a database with an emulator twice, and shows what changed in between."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.table import Table

from wxcontacts_async import Gateway, Instance
from wxcontacts_async.cli.jobs.sync import SyncJob, run_sync
from wxcontacts_async.cli.options.database import DatabaseOption
from wxcontacts_async.cli.options.extras import has_report_extra
from wxcontacts_async.cli.options.gateway_options import CallSettings
from wxcontacts_async.cli.runtime.running import RunResult, run_to_end
from wxcontacts_async.cli.terminal.console import HumanConsole
from wxcontacts_async.cli.terminal.statistics import FetchResult
from wxcontacts_async.cli.terminal.summary import say_early_end, show_numbers
from wxcontacts_async.cli.terminal.sync_statistics import SyncStatistics
from wxcontacts_async.cli.terminal.sync_summary import say_missing
from wxcontacts_async.store import ChangeKind, ContactChange, Synced

_SHOWN = 3  # changes of each kind
_REFUSED = {"GatewayRefusedError"}


class _DemoStatistics(SyncStatistics):
    """Counts distinct contacts as well."""

    def __init__(self, total: int) -> None:
        super().__init__(total)
        self.user_names: set[str] = set()

    def add_synced(self, synced: Synced[Any]) -> None:
        """Count an instance that is committed."""
        super().add_synced(synced)
        self.user_names.update(contact.user_name for contact in synced.contacts or ())


def run_demo(
    w_ids: Sequence[str],
    url: str,
    advance: Callable[[], None],
    database: DatabaseOption,
    console: HumanConsole,
) -> int:
    """Sync, advance the emulator's population, sync again; show both.

    Returns:
        The exit code: 0 although a few are refused, as is intended.

    """
    tables = HumanConsole(stderr=False)
    job = SyncJob(
        [Instance(w_id) for w_id in w_ids],
        CallSettings({url: Gateway(url)}),
        database,
        gives_contacts=True,
    )
    first = _DemoStatistics(len(w_ids))
    result = run_sync(job, first, console)
    _show_first(first, tables)
    if not _is_as_meant(result):
        return _report_early_end(result, first, console)

    advance()
    console.info("The emulator's population has moved a little; once more:")
    began = datetime.now(UTC)
    second = _DemoStatistics(len(w_ids))
    result = run_sync(job, second, console)
    if not _is_as_meant(result):
        return _report_early_end(result, second, console)
    changes: list[ContactChange] = []
    reading = _read_some_changes(database, began, changes)
    if reading.exit_code:
        say_early_end(reading, console)
        return reading.exit_code
    _show_second(second, changes, tables)
    console.info(f"The contacts are in {database.name}. Try next:")
    for command in _next_commands(database, min(change.id for change in changes) - 1):
        console.info(f"  wxcontacts {command}")
    return 0


def _next_commands(database: DatabaseOption, last_id: int) -> tuple[str, str, str]:
    """Return what to try on the database; a report only where what it needs is installed."""
    if has_report_extra():
        third = f"report --store {database.typed} --output demo.html"
    else:
        third = f"export --store {database.typed} --format parquet --output demo.parquet"
    return (
        f"changes --store {database.typed} --after {last_id}",  # those of the second sync
        f"export --store {database.typed} --format csv --output demo.csv",
        third,
    )


def _is_as_meant(result: FetchResult) -> bool:
    stats = result.stats
    was_ended = result.error is not None or result.stopped_by is not None
    return not was_ended and not stats.missing and stats.errors.keys() <= _REFUSED


def _report_early_end(result: FetchResult, stats: SyncStatistics, console: HumanConsole) -> int:
    say_early_end(result, console)
    say_missing(stats, console)
    console.say("Run the demo again to see the rest; it begins anew.")
    return RunResult(result.stopped_by, result.error).exit_code or 1


def _show_first(stats: _DemoStatistics, console: HumanConsole) -> None:
    rows = [
        ("distinct contacts across instances", f"{len(stats.user_names):,}"),
        ("waiting, one instance after another", f"{stats.waited:,.1f} s"),
        ("all of it, waiting at once", f"{stats.seconds:,.1f} s"),
        ("saved", f"{max(stats.waited - stats.seconds, 0.0):,.1f} s"),
    ]
    show_numbers(stats, console, rows)


def _show_second(
    stats: SyncStatistics,
    changes: Sequence[ContactChange],
    console: HumanConsole,
) -> None:
    delta = stats.delta_counts
    console.say(
        f"{stats.fetched:,} of {stats.total:,} instances in {stats.seconds:.1f} s: "
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
    database: DatabaseOption,
    since: datetime,
    into: list[ContactChange],
) -> RunResult:
    """Read some changes of each kind, whose contacts are all invented."""

    async def read() -> None:
        some: dict[ChangeKind, list[ContactChange]] = {kind: [] for kind in ChangeKind}
        async with database.opened() as store:
            async for change in store.changes(since=since):
                if len(some[change.change]) < _SHOWN:
                    some[change.change].append(change)
        into.extend(change for changes in some.values() for change in changes)

    return run_to_end(read)
