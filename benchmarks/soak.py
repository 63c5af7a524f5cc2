"""`python -m benchmarks.soak`: every fault at once, for minutes, and nothing may be lost."""

import argparse
import asyncio
import gc
import random
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import msgspec
import psutil
from anyio import (
    create_task_group,
    get_cancelled_exc_class,
    move_on_after,
    sleep,
    wait_all_tasks_blocked,
)

from benchmarks.resources import resident_bytes
from benchmarks.soak_gateway import GatewaySetup, w_id_of
from benchmarks.soak_keeper import GatewayKeeper
from benchmarks.soak_table import SoakFigures, render
from benchmarks.soak_truth import Truth
from wxcontacts_async import (
    CallSent,
    Contact,
    ContactSet,
    Event,
    Fetched,
    Gateway,
    GatewayHTTPError,
    InitializationWait,
    RetryPolicy,
    SessionPool,
    WxContactsError,
)
from wxcontacts_async._http.buffers import ReceiveBuffers
from wxcontacts_async.emulator import EmulatedInstance, GatewayEmulator, Population
from wxcontacts_async.store import ChangeKind, ContactStore, Synced

_MINUTES, _INSTANCES = 2.0, 5_000
_FETCHERS = 8
_FETCHES_CANCELLED = 0.3  # share
_LONGEST_PATIENCE = 0.2  # seconds, of a fetch that is to be cancelled
_LONGEST_STREAM = 3.0  # seconds, of a stream that is to be left
_SOON_DECODED, _LOOK_EVERY = 10.0, 0.05  # seconds


class SoakPlan(msgspec.Struct, frozen=True):
    """What is soaked, and for how long; all times are in seconds."""

    seconds: float
    instances: int = _INSTANCES
    contacts: int = 30  # so that 20 of them are friends, too few of whom is noticed
    seed: int = 0
    killed_after: tuple[float, float] = (17.0, 23.0)
    away_for: tuple[float, float] = (3.0, 5.0)
    is_by_tls: bool = False


class Soak:
    """One run of a pool among faults."""

    def __init__(self, plan: SoakPlan) -> None:
        self.figures = SoakFigures(plan.instances, plan.contacts, is_by_tls=plan.is_by_tls)
        self._plan = plan
        self._truth = Truth(plan.contacts, plan.seed)
        self._number = {w_id_of(number): number for number in range(plan.instances)}
        self._w_ids = list(self._number)
        self._random = random.Random(plan.seed)  # noqa: S311  # guards nothing
        self._folder = TemporaryDirectory(prefix="wxcontacts-")
        certificate, self._tls = "", None
        if plan.is_by_tls:
            # Those who soak without it need no certificates.
            from benchmarks.soak_tls import issue_certificate  # noqa: PLC0415

            file, self._tls = issue_certificate(Path(self._folder.name))
            certificate = str(file)
        self._keeper = GatewayKeeper(
            GatewaySetup(0, plan.instances, plan.contacts, plan.seed, 0, certificate),
            killed_after=plan.killed_after,
            away_for=plan.away_for,
        )

    async def run(self) -> SoakFigures:
        """Soak, and return what happened."""
        figures, began = self.figures, monotonic()
        async with create_task_group() as tasks:
            tasks.start_soon(self._keeper.run)
            await self._keeper.up.wait()
            port = int(self._keeper.url.rpartition(":")[2])
            before = asyncio.all_tasks()
            with self._folder as folder:
                async with (
                    ContactStore(f"sqlite:///{folder}/soak.db") as store,
                    self._pool() as pool,
                ):
                    await self._know_everybody(store)
                    with move_on_after(self._plan.seconds):
                        await self._strain(pool, store)
                    await self._keeper.up.wait()  # what is left behind would go with the gateway
                    figures.memory_at_start = figures.memory_at_start or _memory()
                    figures.memory_at_end = _memory()
                    figures.deleted = await self._deleted(store)
                    figures.buffers_left = await _buffers_left()
            await wait_all_tasks_blocked()
            figures.tasks_left = len(asyncio.all_tasks() - before)
            figures.sockets_left = _sockets_to(port)
            tasks.cancel_scope.cancel()
        figures.minutes = (monotonic() - began) / 60
        figures.restarts = self._keeper.restarts
        figures.faults.update(self._keeper.faults)
        return figures

    def _pool(self) -> SessionPool:
        gateway = Gateway(
            self._keeper.url,
            max_concurrency=64,
            connect_timeout=2,
            request_timeout=2,
            max_reply_bytes=256 * 1024,
            ssl=self._tls or True,
        )
        return SessionPool(
            gateway,
            initialization=InitializationWait(0.2),
            retry=RetryPolicy(initial_delay=0.1, max_delay=1),
            observers=[self._observe],
        )

    async def _know_everybody(self, store: ContactStore) -> None:
        """Bring the database in step with a gateway that has no faults yet.

        Of an instance that is new, one half after the other would pass for all it has: too few
        for anybody to notice that some are missing.
        """
        whole = dict.fromkeys(self._w_ids, EmulatedInstance(contacts=self._plan.contacts))
        emulator = GatewayEmulator(whole)
        emulator.population = Population(self._plan.seed)
        async with (
            emulator,
            SessionPool(emulator.url) as pool,
            store.sync(pool, self._w_ids) as results,
        ):
            async for result in results:
                if not isinstance(result, Synced):
                    raise result.error

    async def _strain(self, pool: SessionPool, store: ContactStore) -> None:
        """Use the pool in every way at once, until cancelled."""
        async with create_task_group() as tasks:
            tasks.start_soon(self._pass_over_all, pool, store)
            tasks.start_soon(self._leave_streams, pool)
            for _ in range(_FETCHERS):
                tasks.start_soon(self._fetch_at_random, pool)

    async def _pass_over_all(self, pool: SessionPool, store: ContactStore) -> None:
        while True:
            await self._stream(pool, self._w_ids)
            await self._sync(pool, store)
            self.figures.memory_at_start = self.figures.memory_at_start or _memory()

    async def _leave_streams(self, pool: SessionPool) -> None:
        while True:
            some = self._random.sample(self._w_ids, self._random.randint(1, len(self._w_ids) // 4))
            with move_on_after(self._random.uniform(0, _LONGEST_STREAM)):
                await self._stream(pool, some)

    async def _stream(self, pool: SessionPool, w_ids: Sequence[str]) -> None:
        given: Counter[str] = Counter()
        try:
            async with pool.stream(w_ids) as outcomes:
                async for outcome in outcomes:
                    given[outcome.w_id] += 1
                    if isinstance(outcome, Fetched):
                        self._received(outcome.w_id, outcome.contacts)
                    else:
                        self._failed(outcome.error)
        except get_cancelled_exc_class():
            self.figures.streams_cancelled += 1
            raise
        self._check_given(given, w_ids)

    async def _sync(self, pool: SessionPool, store: ContactStore) -> None:
        """Bring the database in step with all instances."""
        given: Counter[str] = Counter()
        async with store.sync(pool, self._w_ids) as results:
            async for result in results:
                given[result.w_id] += 1
                if isinstance(result, Synced):
                    self.figures.synced += 1
                    self.figures.suspicious += result.suspicion is not None
                    self._received(result.w_id, result.contacts)
                else:
                    self._failed(result.error)
        self._check_given(given, self._w_ids)

    def _check_given(self, given: Counter[str], w_ids: Sequence[str]) -> None:
        """Take note of a stream that ran to its end."""
        self.figures.streams += 1
        self.figures.not_once += sum(given[w_id] != 1 for w_id in w_ids)
        self.figures.not_once += len(given.keys() - set(w_ids))

    async def _deleted(self, store: ContactStore) -> int:
        """Count who was removed from the database, of those who are there all the time."""
        deleted = 0
        async for change in store.changes():
            if change.change is ChangeKind.REMOVED:
                truth = self._truth.of(self._number[change.w_id])
                deleted += change.user_name in truth
        return deleted

    async def _fetch_at_random(self, pool: SessionPool) -> None:
        while True:
            w_id = self._random.choice(self._w_ids)
            is_patient = self._random.random() >= _FETCHES_CANCELLED
            patience = None if is_patient else self._random.uniform(0, _LONGEST_PATIENCE)
            try:
                with move_on_after(patience):
                    await self._fetch(pool, w_id)
            except WxContactsError as error:
                self._failed(error)

    async def _fetch(self, pool: SessionPool, w_id: str) -> None:
        try:
            contacts = await pool.fetch(w_id)
        except get_cancelled_exc_class():
            self.figures.fetches_cancelled += 1
            raise
        self._received(w_id, contacts)

    def _received(self, w_id: str, contacts: ContactSet[Contact]) -> None:
        comparison = self._truth.compare(self._number[w_id], contacts)
        if comparison.lost or comparison.foreign:
            _tell(f"{w_id}: {comparison}")
        self.figures.add(comparison)

    def _failed(self, error: WxContactsError) -> None:
        kind = type(error).__name__
        if isinstance(error, GatewayHTTPError):
            kind += f" {error.status}"
        if type(error) is WxContactsError:
            _tell(f"{error!r}: {error.__cause__!r}")
        self.figures.failed[kind] += 1

    def _observe(self, event: Event) -> None:
        self.figures.calls += isinstance(event, CallSent)


def _memory() -> int:
    gc.collect()
    return resident_bytes()


async def _buffers_left() -> int:
    """Count the bytes that are lent once the last replies are decoded; that is soon."""
    pools = [each for each in gc.get_objects() if isinstance(each, ReceiveBuffers)]
    with move_on_after(_SOON_DECODED):
        while any(each.lent for each in pools):  # noqa: ASYNC110  # which tell of nothing
            await sleep(_LOOK_EVERY)
    return sum(each.lent for each in pools)


def _sockets_to(port: int) -> int:
    connections = psutil.Process().net_connections("tcp")
    return sum(1 for connection in connections if connection.raddr[1:] == (port,))


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak",
        description="Fetch thousands of instances over and over among all faults at once.",
    )
    parser.add_argument(
        "minutes",
        type=float,
        nargs="?",
        default=_MINUTES,
        metavar="MINUTES",
        help=f"how long ({_MINUTES:g})",
    )
    parser.add_argument(
        "--instances",
        type=int,
        default=_INSTANCES,
        help=f"how many instances, at least 4 ({_INSTANCES})",
    )
    parser.add_argument("--seed", type=int, default=0, help="another seed, other people (0)")
    parser.add_argument("--tls", action="store_true", help="with a gateway that speaks TLS")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where to write the table, too")
    arguments = parser.parse_args()
    if arguments.minutes <= 0:
        parser.error("MINUTES must be above 0")
    if arguments.instances < 4:  # noqa: PLR2004  # a stream that is left has up to a quarter
        parser.error("--instances must be at least 4")
    return arguments


def main() -> None:
    """Soak as the command line says; the exit code is 1 if anything was lost or left behind."""
    arguments = _arguments()
    plan = SoakPlan(
        arguments.minutes * 60, arguments.instances, seed=arguments.seed, is_by_tls=arguments.tls
    )
    figures = asyncio.run(Soak(plan).run())
    table = render(figures)
    sys.stdout.write(table)
    if arguments.output is not None:
        arguments.output.write_text(table, encoding="utf-8")
    sys.exit(0 if figures.passed else 1)


if __name__ == "__main__":
    main()
