"""Syncs the same instances again and again, and prints what changes as it is learned."""

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import typer
from anyio import sleep, to_thread

from wxcontacts_async import Failed, Gateway, InitializationWait, SessionPool
from wxcontacts_async.cli.changes import write_changes
from wxcontacts_async.cli.console import HumanConsole
from wxcontacts_async.cli.database import GivenDatabase
from wxcontacts_async.cli.output import LineFile
from wxcontacts_async.cli.rota import Rota
from wxcontacts_async.cli.running import End, run_to_end
from wxcontacts_async.cli.summary import said
from wxcontacts_async.cli.suspicion import held_back_of, suspicion_of
from wxcontacts_async.cli.w_ids import FollowedWIds
from wxcontacts_async.errors import shown_id
from wxcontacts_async.store import ContactChange, ContactStore, Synced

_LOOK_EVERY = 0.25  # seconds, at the file of wIds


@dataclass
class WatchJob:
    """What to fetch from where how often, and where to put it.

    Arguments:
        w_ids: The instances, each once.
        followed: Where they come from.
        gateway: Where they are.
        initialization: How initializing ones are waited for.
        database: What is kept in step.
        interval: Seconds from one sync of an instance to the next.
        file: Where the lines of what changed go.

    """

    w_ids: Sequence[str]
    followed: FollowedWIds
    gateway: Gateway
    initialization: InitializationWait
    database: GivenDatabase
    interval: float
    file: LineFile


class Watch:
    """One run of it, and what it came to.

    Attributes:
        synced: How often an instance was synced.
        failed: How often one failed.
        changes: How many contacts came, went or changed.

    """

    def __init__(self, job: WatchJob, console: HumanConsole) -> None:
        self.synced = 0
        self.failed = 0
        self.changes = 0
        self._job = job
        self._console = console
        self._rota: Rota | None = None

    def run(self) -> End:
        """Run until a signal comes, the database is lost or nobody reads what it prints."""
        return run_to_end(
            self._watch,
            files=[self._job.file],
            beside=self._follow,
        )

    async def _watch(self) -> None:
        job = self._job
        job.database.on_wait = lambda sentence, _: self._say(f"{sentence}.")
        async with job.database.opened() as store:
            rota = self._rota = Rota(job.w_ids, job.interval, await _ages(store))
            self._say(
                f"Watching {len(job.w_ids):,} instances, each every {job.interval:g} s, until "
                f"Ctrl-C; {job.database.name} is kept in step.",
            )
            async with (
                SessionPool(job.gateway, initialization=job.initialization) as pool,
                store.sync(pool, rota) as results,
            ):
                async for result in results:
                    rota.ended(result.w_id)
                    if isinstance(result, Failed):
                        self.failed += 1
                        self._say(said(result))
                    else:
                        self.synced += 1
                        await self._print(result, store)

    async def _print(self, synced: Synced, store: ContactStore) -> None:
        contacts, delta = synced.contacts, synced.delta_counts
        if synced.suspicion is not None:
            self._say(suspicion_of(synced.w_id, synced.suspicion, self._job.database))
        if synced.held_back:
            self._say(held_back_of(synced))
        if contacts.rejected:
            self._say(
                f"wId {shown_id(synced.w_id)}: {len(contacts.rejected):,} contacts could not be "
                "decoded or stored; the database has them as they were.",
            )
        if contacts.flawed:
            self._say(
                f"wId {shown_id(synced.w_id)}: {len(contacts.flawed):,} contacts have a value that "
                "could not be decoded and is left out.",
            )
        if delta:
            self.changes += delta.added + delta.removed + delta.changed
            at = contacts.fetched_at
            changes = store.changes(since=at, w_id=synced.w_id)
            await write_changes(_learned(changes, at), self._job.file)

    async def _follow(self) -> None:
        """Read the file of wIds again when it changes; what is wrong with it is said once."""
        followed = self._job.followed
        while True:
            await sleep(_LOOK_EVERY)
            if self._rota is None:
                continue
            try:
                w_ids = await to_thread.run_sync(followed.read_if_changed)
            except typer.BadParameter as error:
                self._say(f"--from: {error.message}; the instances from before are kept.")
                continue
            if w_ids is not None:
                new, dropped = self._rota.replace(w_ids)
                self._say(
                    f"{followed.source!r} has changed: {len(w_ids):,} instances, "
                    f"{new:,} new, {dropped:,} dropped.",
                )

    def _say(self, line: str) -> None:
        with suppress(OSError):  # a full disk may have room again tomorrow
            self._console.say(line)


async def _ages(store: ContactStore) -> dict[str, float]:
    """Return the seconds since each instance was last synced, by wId."""
    now = datetime.now(UTC)
    return {
        instance.w_id: max((now - instance.synced_at).total_seconds(), 0.0)
        async for instance in store.instances()
        if instance.synced_at is not None
    }


async def _learned(
    changes: AsyncIterator[ContactChange],
    at: datetime,
) -> AsyncIterator[ContactChange]:
    """Give the changes that were learned at that very time."""
    async for change in changes:
        if change.at == at:
            yield change
