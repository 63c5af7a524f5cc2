"""Syncs instances periodically, and prints the changes."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer
from anyio import create_task_group, sleep, to_thread

from wxcontacts_async import Failed, Instance
from wxcontacts_async._concurrency import Signal
from wxcontacts_async.cli.jobs.change_printer import ChangePrinter
from wxcontacts_async.cli.jobs.contact_lines import decoding_lines, failure_lines
from wxcontacts_async.cli.jobs.log_follower import READER_TIMEOUT, LogFollower
from wxcontacts_async.cli.jobs.sync import take_all
from wxcontacts_async.cli.options.cursor import Cursor
from wxcontacts_async.cli.options.database import CommandStore, DatabaseOption
from wxcontacts_async.cli.options.gateway_options import CallSettings
from wxcontacts_async.cli.options.instances import InstanceSources
from wxcontacts_async.cli.options.line_file import LineFile
from wxcontacts_async.cli.options.operations import ListenAddress
from wxcontacts_async.cli.runtime.errors import CommandError, OutputError
from wxcontacts_async.cli.runtime.running import RunResult, run_to_end
from wxcontacts_async.cli.runtime.service_manager import ServiceManager
from wxcontacts_async.cli.terminal.console import HumanConsole
from wxcontacts_async.cli.terminal.interval_summary import IntervalSummary
from wxcontacts_async.cli.terminal.summary import describe_failure
from wxcontacts_async.cli.terminal.suspicion import describe_held_back, describe_suspicion
from wxcontacts_async.errors import shown_id
from wxcontacts_async.store import StoreError, Synced, SyncResult, WatchStream
from wxcontacts_async.store.errors import OF_THE_DATABASE

if TYPE_CHECKING:  # it needs the extra `prometheus`
    from wxcontacts_async.cli.jobs.status_server import StatusServer

_POLL_INTERVAL = 0.25  # seconds, of the files of wIds
_SHORTEST_SUMMARY = 1.0
_READ_AGAIN = "All was read again, as SIGHUP asked"


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
        failures_file: For failed instances, and rejected and flawed contacts, if any.
        listen: Where metrics are served, if anywhere.
        read_again: Reads the configuration and the wIds anew, as for SIGHUP; None if that has none
            to read.
        fields: The keys of contacts to keep beside the document's and the database's.

    """

    instances: Sequence[Instance]
    sources: InstanceSources
    settings: CallSettings
    database: DatabaseOption
    interval: float
    after: int | None = None
    cursor: Cursor | None = None
    failures_file: LineFile | None = None
    listen: ListenAddress | None = None
    read_again: Callable[[], tuple[CallSettings, Sequence[Instance]]] | None = None
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
        self._settings, self._instances = job.settings, job.instances
        self._watched: WatchStream[Any] | None = None
        self._is_restarting = False
        self._is_hung_up = False
        self._reload_is_due = Signal()
        self._status_server: StatusServer | None = None
        self._service_manager = ServiceManager()
        self._summary = IntervalSummary()
        self._printer = ChangePrinter(job.cursor)
        self.log = LogFollower(job.database, self._printer, job.cursor, job.after)

    def run(self) -> RunResult:
        """Run until a signal arrives, the database is lost or the output is closed."""
        failures = self._job.failures_file
        return run_to_end(
            self._watch,
            files=[self._printer, *([] if failures is None else [failures])],
            reader_timeout=READER_TIMEOUT,
            background=self._beside,
        )

    async def _watch(self) -> None:
        async with self._job.database.opened(self._job.fields) as store, self._operated(store):
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
        """Sync until it is cancelled, with other settings whenever these have changed."""
        while True:
            self._is_restarting = False
            async with (
                self._settings.pool(contact_type=store.own.contact_type) as pool,
                store.watch(
                    pool, self._instances, every=self._job.interval, contacts=False
                ) as self._watched,
            ):
                if self._status_server is not None:
                    self._status_server.watch(pool)
                self._say_watching()
                await take_all(self._watched, self._take)
            if not self._is_restarting:
                return

    def _say_watching(self) -> None:
        job = self._job
        what = f"Watching {len(self._instances):,} instances, each every {job.interval:g} s"
        self._console.info(f"{what}, until Ctrl-C; {job.database.name} is kept in step.")
        self._service_manager.ready(f"{what}.")

    async def _take(self, result: SyncResult[Any]) -> None:
        self._summary.add(result)
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
        if self._console.logger is None:
            self._console.say(describe_failure(failed))

    def _take_synced(self, synced: Synced[Any]) -> None:
        self.synced += 1
        delta = synced.delta_counts
        self.changes += delta.added + delta.removed + delta.changed
        if self._console.logger is None:
            self._say_what_is_odd(synced)

    def _say_what_is_odd(self, synced: Synced[Any]) -> None:
        contacts = synced.contacts
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

    async def _reload_w_ids(self) -> None:
        """Read the files of wIds again when they change, and show each error once."""
        sources = self._job.sources
        while True:
            await sleep(_POLL_INTERVAL)
            if self._watched is None:
                continue
            try:
                instances = await to_thread.run_sync(sources.read_if_changed)
            except typer.BadParameter as error:
                self._console.say(f"--from: {error.message}; the instances from before are kept.")
                continue
            if instances is not None:
                self._replace(instances, sources.news)

    def _replace(self, instances: Sequence[Instance], news: str) -> None:
        self._instances = instances
        if self._watched is not None:
            new, dropped = self._watched.replace(instances)
            self._console.info(
                f"{news}: {len(instances):,} instances, {new:,} new, {dropped:,} dropped."
            )

    # What those who operate it want.

    @asynccontextmanager
    async def _operated(self, store: CommandStore) -> AsyncIterator[None]:
        """Serve metrics and heed SIGHUP during the block."""
        self._heed_hangup()
        try:
            if self._job.listen is None:
                yield
            else:
                from wxcontacts_async.cli.jobs.status_server import (  # noqa: PLC0415
                    StatusServer,
                )

                self._status_server = StatusServer(store, self._job.database.name)
                async with self._status_server.serving(self._job.listen) as url:
                    self._console.info(f"Metrics are served at {url}/metrics.")
                    yield
        finally:
            self._service_manager.stopping()

    def _heed_hangup(self) -> None:
        """Have SIGHUP read all again, where it is not the end of a terminal that it stands for."""
        if sys.platform == "win32" or any(
            stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)
        ):
            return
        if self._job.read_again is not None and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGHUP, self._hang_up)

    def _hang_up(self) -> None:
        self._is_hung_up = True
        self._reload_is_due.notify()

    async def _beside(self) -> None:
        async with create_task_group() as tasks:
            tasks.start_soon(self._reload_w_ids)
            tasks.start_soon(self._reload_at_hangup)
            tasks.start_soon(self._service_manager.keep_alive)
            tasks.start_soon(self._sum_up)

    async def _reload_at_hangup(self) -> None:
        read_again = self._job.read_again
        while read_again is not None:
            while not self._is_hung_up:  # it may have come again while all was read
                await self._reload_is_due.wait()
            self._is_hung_up = False
            try:
                settings, instances = await to_thread.run_sync(read_again)
            except typer.BadParameter as error:
                what = f"SIGHUP: {error.message}; what was read before is kept."
                self._console.say(what)
                continue
            if settings == self._settings or self._watched is None:
                self._replace(instances, _READ_AGAIN)
            else:
                self._console.info(f"{_READ_AGAIN}; gateways are called by what it says now.")
                self._settings, self._instances, self._is_restarting = settings, instances, True
                self._watched.stop()

    async def _sum_up(self) -> None:
        """Say once an interval what became of all instances, where messages are a log."""
        seconds = max(self._job.interval, _SHORTEST_SUMMARY)
        while True:
            await sleep(seconds)
            if self._watched is not None:
                is_problem = self._summary.has_failures
                line = self._summary.take(seconds)
                self._service_manager.status(line)
                if self._console.logger is not None:
                    say = self._console.say if is_problem else self._console.info
                    say(line)
