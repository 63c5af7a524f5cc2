"""Syncs instances periodically, and prints the changes."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import typer
from anyio import create_task_group, sleep, to_thread

from wxcontacts_async import Failed, Instance
from wxcontacts_async.cli.jobs.change_printer import ChangePrinter
from wxcontacts_async.cli.jobs.log_follower import READER_TIMEOUT, LogFollower
from wxcontacts_async.cli.jobs.schedule import Schedule
from wxcontacts_async.cli.jobs.sync import take_all
from wxcontacts_async.cli.options.cursor import Cursor
from wxcontacts_async.cli.options.database import DatabaseOption
from wxcontacts_async.cli.options.gateway_options import CallSettings
from wxcontacts_async.cli.options.instances import InstanceSources
from wxcontacts_async.cli.runtime.errors import CommandError, OutputError
from wxcontacts_async.cli.runtime.running import RunResult, run_to_end
from wxcontacts_async.cli.terminal.console import HumanConsole
from wxcontacts_async.cli.terminal.summary import describe_failure
from wxcontacts_async.cli.terminal.suspicion import describe_held_back, describe_suspicion
from wxcontacts_async.errors import shown_id
from wxcontacts_async.store import ContactStore, StoreError, Synced, SyncResult

_POLL_INTERVAL = 0.25  # seconds, of the files of wIds


@dataclass
class WatchJob:
    """What to sync, how often, and where printing begins.

    Arguments:
        instances: Each once.
        sources: The files they are from.
        settings: How they are called.
        database: The database.
        interval: Seconds from one sync of an instance to the next.
        after: The id to begin after if the cursor has no position; None is the end of the log.
        cursor: The position where the last run ended, if any.

    """

    instances: Sequence[Instance]
    sources: InstanceSources
    settings: CallSettings
    database: DatabaseOption
    interval: float
    after: int | None = None
    cursor: Cursor | None = None


class Watch:
    """One run of `watch`.

    Attributes:
        synced: How often an instance was synced.
        failed: How often one failed.
        changes: How many contacts were added, removed or changed.
        log: Prints the log.

    """

    def __init__(self, job: WatchJob, console: HumanConsole) -> None:
        self.synced = 0
        self.failed = 0
        self.changes = 0
        self._job = job
        self._console = console
        self._by_w_id = {each.w_id: each for each in job.instances}
        self._schedule: Schedule | None = None
        self._printer = ChangePrinter(job.cursor)
        self.log = LogFollower(job.database, self._printer, job.cursor, job.after)

    def run(self) -> RunResult:
        """Run until a signal arrives, the database is lost or the output is closed."""
        return run_to_end(
            self._watch,
            files=[self._printer],
            reader_timeout=READER_TIMEOUT,
            background=self._reload_w_ids,
        )

    async def _watch(self) -> None:
        job = self._job
        async with job.database.opened() as store:
            await self.log.begin(store)
            try:
                self._schedule = Schedule(self._by_w_id, job.interval, await _ages(store))
                self._console.info(
                    f"Watching {len(job.instances):,} instances, each every {job.interval:g} s, "
                    f"until Ctrl-C; {job.database.name} is kept in step.",
                )
                await self._sync_and_print(store, self._schedule)
            except OutputError:  # the rest could not be printed either
                raise
            except BaseException:
                await self.log.finish(store)
                raise

    async def _sync_and_print(self, store: ContactStore, schedule: Schedule) -> None:
        """Sync, and print the log in another task, so that a slow reader delays no sync."""
        errors: list[CommandError | StoreError] = []

        async def follow() -> None:
            try:
                await self.log.follow(store)
            except (CommandError, StoreError) as error:
                errors.append(error)
                tasks.cancel_scope.cancel()

        async with create_task_group() as tasks:
            tasks.start_soon(follow)
            try:
                await self._sync(store, schedule)
            except (CommandError, StoreError) as error:
                errors.append(error)
            tasks.cancel_scope.cancel()
        if errors:
            raise errors[0]

    async def _sync(self, store: ContactStore, schedule: Schedule) -> None:
        job = self._job

        async def take(result: SyncResult[Any]) -> None:
            schedule.ended(result.w_id)
            if isinstance(result, Failed):
                self.failed += 1
                self._console.say(describe_failure(result))
            else:
                self._take(result)

        async with (
            job.settings.pool() as pool,
            store.sync(pool, self._due(schedule), contacts=False) as results,
        ):
            await take_all(results, take)

    def _take(self, synced: Synced[Any]) -> None:
        self.synced += 1
        contacts, delta = synced.contacts, synced.delta_counts
        if synced.suspicion is not None:
            self._console.say(describe_suspicion(synced.w_id, synced.suspicion, self._job.database))
        if synced.held_back:
            self._console.say(describe_held_back(synced))
        if contacts is not None and contacts.rejected:
            self._console.say(
                f"wId {shown_id(synced.w_id)}: {len(contacts.rejected):,} contacts could not be "
                "decoded or stored; the database has them as they were.",
            )
        if contacts is not None and contacts.flawed:
            self._console.say(
                f"wId {shown_id(synced.w_id)}: {len(contacts.flawed):,} contacts have a value that "
                "could not be decoded and is left out.",
            )
        if delta:
            self.changes += delta.added + delta.removed + delta.changed
            self.log.notify()

    async def _due(self, schedule: Schedule) -> AsyncIterator[Instance]:
        async for w_id in schedule:
            yield self._by_w_id[w_id]

    async def _reload_w_ids(self) -> None:
        """Read the files of wIds again when they change, and show each error once."""
        sources = self._job.sources
        while True:
            await sleep(_POLL_INTERVAL)
            if self._schedule is None:
                continue
            try:
                instances = await to_thread.run_sync(sources.read_if_changed)
            except typer.BadParameter as error:
                self._console.say(f"--from: {error.message}; the instances from before are kept.")
                continue
            if instances is not None:
                self._by_w_id |= {each.w_id: each for each in instances}
                new, dropped = self._schedule.replace([each.w_id for each in instances])
                self._console.info(
                    f"{sources.news}: {len(instances):,} instances, {new:,} new, "
                    f"{dropped:,} dropped.",
                )


async def _ages(store: ContactStore) -> dict[str, float]:
    """Return the seconds since each instance was last synced, by wId."""
    now = datetime.now(UTC)
    return {
        instance.w_id: max((now - instance.synced_at).total_seconds(), 0.0)
        async for instance in store.instances()
        if instance.synced_at is not None
    }
