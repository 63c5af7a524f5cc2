"""Brings a database in step with many instances, and says how it goes and went."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rich.table import Table

from wxcontacts_async import Failed
from wxcontacts_async.cli.console import HumanConsole
from wxcontacts_async.cli.database import DatabaseOption
from wxcontacts_async.cli.fetch import FetchResult, run_with_progress
from wxcontacts_async.cli.gateway_options import CallSettings
from wxcontacts_async.cli.line_file import LineFile
from wxcontacts_async.cli.output import decoding_lines, failure_lines
from wxcontacts_async.cli.statistics import FetchStatistics
from wxcontacts_async.cli.summary import add_decoding_rows, add_failed_rows
from wxcontacts_async.cli.suspicion import describe_suspicion, held_back
from wxcontacts_async.cli.sync_results import take_all
from wxcontacts_async.store import ContactStore, DeltaCounts, Synced, SyncResult


@dataclass
class SyncJob:
    """What to fetch from where, and which database to keep in step with it.

    Arguments:
        w_ids: The instances, each once.
        settings: Where they are, and how they are called.
        database: What is brought in step.
        stale_after: How long after its last sync an instance is synced again; None: always.
        failures_file: Where failed instances, and rejected and flawed contacts go, if anywhere.

    """

    w_ids: Sequence[str]
    settings: CallSettings
    database: DatabaseOption
    stale_after: timedelta | None = None
    failures_file: LineFile | None = None


class SyncStatistics(FetchStatistics):
    """Counts what a sync came to, too. An instance counts when the database has it.

    Attributes:
        skipped: How many instances are not stale, so that they are not among the total.
        delta_counts: How many contacts came, went and changed.
        suspicious: How many instances have contacts that are missing and not removed.
        suspect: The first one of these.
        held: How many contacts these are.
        held_back: How many were not removed as others could not be read.
        unclear: How many of those missing the database may have, as it was lost meanwhile.

    """

    def __init__(self, total: int) -> None:
        super().__init__(total)
        self.skipped = 0
        self.delta_counts = DeltaCounts()
        self.suspicious = 0
        self.suspect: Synced | None = None
        self.held = 0
        self.held_back = 0
        self.unclear = 0

    def skip(self, number: int) -> None:
        """Count instances that are not asked for."""
        self.total -= number
        self.skipped += number

    def add_synced(self, synced: Synced) -> None:
        """Count an instance that is in step."""
        self.waited += synced.waited
        self.add_contacts(synced.contacts)
        before, delta = self.delta_counts, synced.delta_counts
        self.delta_counts = DeltaCounts(
            before.added + delta.added,
            before.removed + delta.removed,
            before.changed + delta.changed,
        )
        if synced.suspicion is not None:
            self.suspicious += 1
            self.held += synced.suspicion.missing
            self.suspect = self.suspect or synced
        self.held_back += synced.held_back


def run_sync(job: SyncJob, stats: SyncStatistics, console: HumanConsole) -> FetchResult:
    """Sync and show progress until all is done, a signal comes or the database is lost."""
    files = [] if job.failures_file is None else [job.failures_file]

    def say(sentence: str, waits: bool) -> None:  # noqa: FBT001  # called, not calling
        stats.stalled = sentence if waits else ""
        console.say(f"{sentence}.")

    job.database.on_wait = say
    return run_with_progress(lambda: _sync(job, stats), stats, console, files)


async def _sync(job: SyncJob, stats: SyncStatistics) -> None:
    async with job.database.opened() as store:
        if job.failures_file is not None:
            job.failures_file.keep()  # it says that there are none, too
        stale = await _stale(job, store)
        stats.skip(len(job.w_ids) - len(stale))
        async with (
            job.settings.pool([stats.observe]) as pool,
            store.sync(pool, stale) as results,
        ):

            async def take(result: SyncResult) -> None:
                if isinstance(result, Failed):
                    stats.add_failed(result)
                    lines = failure_lines(result)
                else:
                    stats.add_synced(result)
                    lines = decoding_lines(result.contacts)
                if job.failures_file is not None:
                    await job.failures_file.write(lines)

            try:
                await take_all(results, take)
            finally:
                stats.unclear = len(results.unclear)


async def _stale(job: SyncJob, store: ContactStore) -> list[str]:
    """Return the instances that were not synced just now, or are suspicious since."""
    if job.stale_after is None:
        return list(job.w_ids)
    now = datetime.now(UTC)
    fresh = {
        instance.w_id
        async for instance in store.instances()
        # Whoever synced it may have a clock that is somewhat ahead of ours.
        if instance.synced_at is not None
        and instance.suspicion is None
        and abs(now - instance.synced_at) < job.stale_after
    }
    return [w_id for w_id in job.w_ids if w_id not in fresh]


def show_sync(stats: SyncStatistics, console: HumanConsole) -> None:
    """Show the table of instances and contacts."""
    table = Table(show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("instances synced", f"{stats.fetched:,}", style="green")
    table.add_row("instances skipped, not stale", f"{stats.skipped:,}")
    add_failed_rows(stats, table)
    table.add_row(
        "instances suspicious",
        f"{stats.suspicious:,}",
        style="yellow" if stats.suspicious else "",
    )
    table.add_section()
    table.add_row("contacts", f"{stats.contacts.total():,}")
    table.add_row("contacts added", f"{stats.delta_counts.added:,}")
    table.add_row("contacts removed", f"{stats.delta_counts.removed:,}")
    table.add_row("contacts changed", f"{stats.delta_counts.changed:,}")
    if stats.held:
        table.add_row("contacts missing, not removed", f"{stats.held:,}", style="yellow")
    if stats.held_back:
        table.add_row("contacts held back", f"{stats.held_back:,}", style="yellow")
    add_decoding_rows(stats, table)
    table.add_section()
    table.add_row("time", f"{stats.seconds:,.1f} s")
    console.show(table)


def say_suspicious(stats: SyncStatistics, database: DatabaseOption, console: HumanConsole) -> None:
    """Say what a suspicious instance is, what was held back, and what to do."""
    suspect = stats.suspect
    if suspect is not None and suspect.suspicion is not None:
        example = describe_suspicion(suspect.w_id, suspect.suspicion, database)
        console.say(f"{stats.suspicious:,} x suspicious, such as {example}")
    if stats.held_back:
        console.say(f"{held_back(stats.held_back)} They are removed once all can be read.")


def say_missing(stats: SyncStatistics, console: HumanConsole) -> None:
    """Say how many instances are missing, and what the database has of them."""
    if not stats.missing:
        return
    missing = f"{stats.missing:,} of {stats.total:,} instances are missing"
    if not stats.unclear:
        console.say(f"{missing}; the database has them as they were.")
    else:
        console.say(
            f"{missing}; the database was lost, or did not answer, while it was told to keep "
            f"{stats.unclear:,} of them, so it may have these or not. It has the others as they "
            "were.",
        )


def say_rest(stats: SyncStatistics, job: SyncJob, console: HumanConsole) -> None:
    """Say how those that are missing or failed are synced."""
    if stats.missing or stats.failed:
        same = "The same command " + ("again" if job.stale_after else "with --stale-after 1h")
        console.say(f"{same} syncs just the rest.")
