"""Fetches the contacts of many instances into a file, and shows progress."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

from wxcontacts_async import Contact, Failed, Fetched, Instance
from wxcontacts_async._freeing import free
from wxcontacts_async.cli.jobs.contact_lines import contact_lines, decoding_lines, failure_lines
from wxcontacts_async.cli.options.gateway_options import CallSettings
from wxcontacts_async.cli.options.line_file import LineFile
from wxcontacts_async.cli.runtime.running import run_to_end
from wxcontacts_async.cli.terminal.console import HumanConsole
from wxcontacts_async.cli.terminal.progress import show_progress
from wxcontacts_async.cli.terminal.statistics import FetchResult, FetchStatistics


@dataclass
class FetchJob:
    """What to fetch, and where to write it.

    Arguments:
        instances: Each once.
        settings: How they are called.
        contacts_file: For contacts.
        failures_file: For failed instances, and rejected and flawed contacts, if any.
        contact_type: Of the contacts.

    """

    instances: Sequence[Instance]
    settings: CallSettings
    contacts_file: LineFile
    failures_file: LineFile | None = None
    contact_type: type[Contact] = Contact


def run_fetch(job: FetchJob, console: HumanConsole) -> FetchResult:
    """Fetch until all instances have ended, a signal arrives or writing fails."""
    stats = FetchStatistics(len(job.instances))
    files = [file for file in (job.contacts_file, job.failures_file) if file is not None]
    return run_with_progress(lambda: _fetch(job, stats), stats, console, files)


def run_with_progress(
    work: Callable[[], Awaitable[None]],
    stats: FetchStatistics,
    console: HumanConsole,
    files: Collection[LineFile],
) -> FetchResult:
    """Run `work`, which updates `stats` and writes to `files`, and show progress meanwhile."""
    # Output on the same terminal would break the redrawn lines.
    redrawn = console.can_redraw and not any(file.is_terminal for file in files)
    result = run_to_end(
        work,
        files=files,
        background=lambda: show_progress(stats, console, redrawn=redrawn),
    )
    stats.stop_clock()
    return FetchResult(result.stopped_by, result.error, stats)


async def _fetch(job: FetchJob, stats: FetchStatistics) -> None:
    if job.failures_file is not None:
        job.failures_file.keep()  # also if it stays empty
    async with (
        job.settings.pool([stats.observe], job.contact_type) as pool,
        pool.stream(job.instances) as outcomes,
    ):
        async for outcome in outcomes:
            match outcome:
                case Fetched(contacts=contacts):
                    await job.contacts_file.write(contact_lines(contacts))
                    job.contacts_file.keep()
                    stats.add_fetched(contacts, outcome.waited)
                    if job.failures_file is not None and (contacts.rejected or contacts.flawed):
                        await job.failures_file.write(decoding_lines(contacts))
                    held = [contacts]
                    del outcome, contacts
                    await free(held)
                case Failed():
                    stats.add_failed(outcome)
                    if job.failures_file is not None:
                        await job.failures_file.write(failure_lines(outcome))
