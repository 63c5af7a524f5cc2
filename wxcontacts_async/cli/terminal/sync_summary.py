"""The summary of a sync: statistics in a table, suspicious and missing instances in lines."""

from rich.table import Table

from wxcontacts_async.cli.options.database import DatabaseOption
from wxcontacts_async.cli.terminal.console import HumanConsole
from wxcontacts_async.cli.terminal.summary import add_decoding_rows, add_failed_rows
from wxcontacts_async.cli.terminal.suspicion import describe_suspicion, held_back
from wxcontacts_async.cli.terminal.sync_statistics import SyncStatistics


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
    """Show a suspicious instance, how many contacts were held back, and what to do."""
    suspect = stats.suspect
    if suspect is not None and suspect.suspicion is not None:
        example = describe_suspicion(suspect.w_id, suspect.suspicion, database)
        console.say(f"{stats.suspicious:,} x suspicious, such as {example}")
    if stats.held_back:
        console.say(f"{held_back(stats.held_back)} They are removed once all can be read.")


def say_missing(stats: SyncStatistics, console: HumanConsole) -> None:
    """Show how many instances are missing, and what the database has of them."""
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


def say_rest(stats: SyncStatistics, stale_after: str | None, console: HumanConsole) -> None:
    """Show which command syncs the missing and failed instances."""
    if stats.missing or stats.failed:
        same = "The same command " + ("with --stale-after 1h" if stale_after is None else "again")
        console.say(f"{same} syncs just the rest.")
