"""Syncs instances periodically, and prints the changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import typer
from anyio import create_task_group, sleep, to_thread

from wxcontacts_async import Failed
from wxcontacts_async.cli.jobs.change_printer import ChangePrinter
from wxcontacts_async.cli.jobs.contact_lines import decoding_lines, failure_lines
from wxcontacts_async.cli.jobs.log_follower import READER_TIMEOUT, LogFollower
from wxcontacts_async.cli.jobs.sync import take_all
from wxcontacts_async.cli.options.cursor import Cursor
from wxcontacts_async.cli.options.database import CommandStore, DatabaseOption
from wxcontacts_async.cli.options.gateway_options import CallSettings
from wxcontacts_async.cli.options.line_file import LineFile
from wxcontacts_async.cli.options.w_ids import WIdSources
from wxcontacts_async.cli.runtime.errors import CommandError, OutputError
from wxcontacts_async.cli.runtime.running import RunResult, run_to_end
from wxcontacts_async.cli.terminal.console import HumanConsole
from wxcontacts_async.cli.terminal.summary import describe_failure
from wxcontacts_async.cli.terminal.suspicion import describe_held_back, describe_suspicion
from wxcontacts_async.errors import shown_id
from wxcontacts_async.store import StoreError, Synced, SyncResult, WatchStream
from wxcontacts_async.store.errors import OF_THE_DATABASE

_POLL_INTERVAL = 0.25  # seconds, of the files of wIds


@dataclass
class WatchJob:
    """What to sync, how often, and where printing begins.

    Arguments:
        w_ids: The instances, each once.
        w_id_sources: The files they are from.
        settings: How they are called.
        database: The database.
        interval: Seconds from one sync of an instance to the next.
        after: The id to begin after if the cursor has no position; None is the end of the log.
        cursor: The position where the last run ended, if any.
        failures_file: For failed instances, and rejected and flawed contacts, if any.
        fields: The keys of contacts to keep beside the document's and the database's.

    """

    w_ids: Sequence[str]
    w_id_sources: WIdSources
    settings: CallSettings
    database: DatabaseOption
    interval: float
    after: int | None = None
    cursor: Cursor | None = None
    failures_file: LineFile | None = None
    fields: Sequence[str] = ()


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
        self._watched: WatchStream[Any] | None = None
        self._printer = ChangePrinter(job.cursor)
        self.log = LogFollower(job.database, self._printer, job.cursor, job.after)

    def run(self) -> RunResult:
        """Run until a signal arrives, the database is lost or the output is closed."""
        failures = self._job.failures_file
        return run_to_end(
            self._watch,
            files=[self._printer, *([] if failures is None else [failures])],
            reader_timeout=READER_TIMEOUT,
            background=self._reload_w_ids,
        )

    async def _watch(self) -> None:
        async with self._job.database.opened(self._job.fields) as store:
            await self.log.begin(store)
            try:
                await self._sync_and_print(store)
            except OutputError:  # the rest could not be printed either
                raise
            except BaseException:
                await self.log.finish(store)
                raise

    async def _sync_and_print(self, store: CommandStore) -> None:
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
                await self._sync(store)
            except (CommandError, StoreError) as error:
                errors.append(error)
            tasks.cancel_scope.cancel()
        if errors:
            raise errors[0]

    async def _sync(self, store: CommandStore) -> None:
        job = self._job
        async with (
            job.settings.pool(contact_type=store.own.contact_type) as pool,
            store.watch(pool, job.w_ids, every=job.interval, contacts=False) as watched,
        ):
            self._watched = watched
            self._console.info(
                f"Watching {len(job.w_ids):,} instances, each every {job.interval:g} s, until "
                f"Ctrl-C; {job.database.name} is kept in step.",
            )
            await take_all(watched, self._take)

    async def _take(self, result: SyncResult[Any]) -> None:
        if isinstance(result, Failed):
            self._take_failed(result)
            lines = failure_lines(result)
        else:
            self._take_synced(result)
            lines = iter(()) if result.contacts is None else decoding_lines(result.contacts)
        if self._job.failures_file is not None:
            await self._job.failures_file.write(lines)

    def _take_failed(self, failed: Failed) -> None:
        self.failed += 1
        if isinstance(failed.error, OF_THE_DATABASE):  # which is said of the database, once
            raise type(failed.error)(failed.error.what, advice=failed.error.advice)
        self._console.say(describe_failure(failed))

    def _take_synced(self, synced: Synced[Any]) -> None:
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
        self.changes += delta.added + delta.removed + delta.changed

    async def _reload_w_ids(self) -> None:
        """Read the files of wIds again when they change, and show each error once."""
        sources = self._job.w_id_sources
        while True:
            await sleep(_POLL_INTERVAL)
            if self._watched is None:
                continue
            try:
                w_ids = await to_thread.run_sync(sources.read_if_changed)
            except typer.BadParameter as error:
                self._console.say(f"--from: {error.message}; the instances from before are kept.")
                continue
            if w_ids is not None:
                new, dropped = self._watched.replace(w_ids)
                self._console.info(
                    f"{sources.news}: {len(w_ids):,} instances, {new:,} new, {dropped:,} dropped.",
                )
