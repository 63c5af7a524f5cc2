"""Syncs a database with many instances, and shows progress."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from anyio import CancelScope

from wxcontacts_async import Failed, Instance
from wxcontacts_async._freeing import free
from wxcontacts_async.cli.jobs.contact_lines import decoding_lines, failure_lines
from wxcontacts_async.cli.jobs.fetch import run_with_progress
from wxcontacts_async.cli.options.database import DatabaseOption
from wxcontacts_async.cli.options.gateway_options import CallSettings
from wxcontacts_async.cli.options.line_file import LineFile
from wxcontacts_async.cli.runtime.errors import CommandError
from wxcontacts_async.cli.terminal.console import HumanConsole
from wxcontacts_async.cli.terminal.statistics import FetchResult
from wxcontacts_async.cli.terminal.sync_statistics import SyncStatistics
from wxcontacts_async.store import ContactStore, StoreError, Synced, SyncResult, SyncStream


@dataclass
class SyncJob:
    """What to sync.

    Arguments:
        instances: Each once.
        settings: How they are called.
        database: The database.
        stale_after: How long after its last sync an instance is synced again; None: always.
        failures_file: For failed instances, and rejected and flawed contacts, if any.
        fields: The keys of contacts to keep beside the document's and the database's.
        gives_contacts: Whether the statistics look at the contacts of unchanged instances, too.

    """

    instances: Sequence[Instance]
    settings: CallSettings
    database: DatabaseOption
    stale_after: timedelta | None = None
    failures_file: LineFile | None = None
    fields: Sequence[str] = ()
    gives_contacts: bool = False


def run_sync(job: SyncJob, stats: SyncStatistics, console: HumanConsole) -> FetchResult:
    """Sync until all are done, a signal arrives or the database is lost."""
    files = [] if job.failures_file is None else [job.failures_file]

    def say(sentence: str, waits: bool) -> None:  # noqa: FBT001  # called, not calling
        stats.stalled = sentence if waits else ""
        console.say(f"{sentence}.")

    job.database.on_wait = say
    return run_with_progress(lambda: _sync(job, stats), stats, console, files)


async def _sync(job: SyncJob, stats: SyncStatistics) -> None:
    async with job.database.opened(job.fields) as store:
        if job.failures_file is not None:
            job.failures_file.keep()  # also if it stays empty
        stale = await _stale(job, store)
        stats.skip(len(job.instances) - len(stale))
        async with (
            job.settings.pool([stats.observe], store.own.contact_type) as pool,
            store.sync(pool, stale, contacts=job.gives_contacts) as results,
        ):

            async def take(result: SyncResult[Any]) -> None:
                if isinstance(result, Failed):
                    stats.add_failed(result)
                    lines = failure_lines(result)
                else:
                    stats.add_synced(result)
                    lines = iter(()) if result.contacts is None else decoding_lines(result.contacts)
                if job.failures_file is not None:
                    await job.failures_file.write(lines)

            try:
                await take_all(results, take)
            finally:
                stats.unclear = len(results.unclear)


async def _stale(job: SyncJob, store: ContactStore) -> list[Instance]:
    """Return the instances that are stale or suspicious."""
    if job.stale_after is None:
        return list(job.instances)
    now = datetime.now(UTC)
    fresh = {
        instance.w_id
        async for instance in store.instances()
        # Another computer, whose clock may be ahead, may have synced it.
        if instance.synced_at is not None
        and instance.suspicion is None
        and abs(now - instance.synced_at) < job.stale_after
    }
    return [each for each in job.instances if each.w_id not in fresh]


async def take_all(
    results: SyncStream[Any],
    take: Callable[[SyncResult[Any]], Awaitable[None]],
) -> None:
    """Take each result; after an error or a cancellation, also those committed by then.

    Arguments:
        results: The sync, which is stopped at the end.
        take: Counts a result and then writes it; its first error is raised once all are counted.

    """
    try:
        async for result in results:
            await take(result)
            held = []
            if isinstance(result, Synced) and result.contacts is not None:
                held.append(result.contacts)
            del result
            await free(held)
    finally:
        results.stop()
        with CancelScope(shield=True), suppress(StoreError):
            async for result in results:
                with suppress(CommandError, StoreError):
                    await take(result)
