"""One contender, one workload, one process: measures, and prints one JSON line, a Measured."""

import asyncio
import gc
import sys
from collections.abc import Iterable, Iterator
from itertools import count, islice
from statistics import median
from time import perf_counter
from typing import Any

import msgspec

from benchmarks.contenders import BY_NAME, Contender, FetchAll
from benchmarks.heap import settled_heap
from benchmarks.ideal import ideal_seconds
from benchmarks.instances import fingerprint, reply_of, w_id_of
from benchmarks.lag import LagTicker
from benchmarks.measured import Lag, Measured, Task
from benchmarks.pinning import pin_to
from benchmarks.resources import Used, peak_bytes
from benchmarks.workloads import FEW, INITIALIZATION_INTERVAL, Workload, workloads

_WARM_UP_SECONDS = 0.1
_TIMES_FEW = 5


class WrongContactsError(Exception):
    """A contender returned other contacts than the server has."""


class Harness:
    """Puts one contender to work and measures it.

    Arguments:
        workload: What it has to do.
        task: Where, and what is to come out.
        contender: Who it is.

    """

    def __init__(self, workload: Workload, task: Task, contender: Contender) -> None:
        self._workload = workload
        self._task = task
        self._contender = contender
        self._client = contender.client()
        # Those of even number are never told to wait.
        self._ready = count(task.first, 2)
        self._fetched = 0

    async def measure(self) -> Measured:
        """Check it, warm it up, and measure it."""
        workload = self._workload
        gzip = workload.setup.form == "gzip"
        async with self._contender.opened(self._task.url, workload.slots, gzip=gzip) as fetch_all:
            await self._check(fetch_all)
            rate = await self._warm_up(fetch_all)
            seconds_at_few = await self._at_few(fetch_all) if workload.at_few else None
            done_in = self._whole_rounds(rate * workload.seconds)
            instances = workload.instances or done_in
            numbers: Iterator[int] = self._ready
            ideal = None
            if workload.initializing:
                ideal = await self._ideal(fetch_all, instances, done_in)
                numbers = count(next(self._ready))
            used = await self._used(fetch_all, islice(numbers, instances))
            lag = await self._lag(fetch_all, rate)
        return Measured(
            instances=instances,
            contacts=workload.setup.contacts,
            seconds=used.seconds,
            cpu_seconds=used.cpu_seconds,
            page_faults=used.page_faults,
            peak_bytes=peak_bytes(),
            lag=lag,
            seconds_at_few=seconds_at_few,
            ideal_seconds=ideal,
        )

    async def _check(self, fetch_all: FetchAll) -> None:
        """Fetch each of the server's replies once, and see that all contacts are there."""
        found = []
        expected = self._task.fingerprints
        numbers = list(islice(self._ready, len(expected)))

        def look_at(reply: Any) -> None:  # noqa: ANN401  # each contender has its own
            found.append(fingerprint(self._client.user_names(reply)))

        await fetch_all(map(w_id_of, numbers), look_at)
        if sorted(found) != sorted(expected[reply_of(n, len(expected))] for n in numbers):
            msg = f"{self._contender.name} did not return the server's contacts"
            raise WrongContactsError(msg)

    async def _warm_up(self, fetch_all: FetchAll) -> float:
        """Fetch more and more until it has taken a while; return the instances a second."""
        instances = self._workload.slots
        while True:
            used = await self._used(fetch_all, islice(self._ready, instances))
            if used.seconds >= _WARM_UP_SECONDS:
                return instances / used.seconds
            instances *= 2

    async def _at_few(self, fetch_all: FetchAll) -> float:
        """Return the seconds an instance, the median over a few times FEW."""
        timed = [
            (await self._used(fetch_all, islice(self._ready, FEW))).seconds
            for _ in range(_TIMES_FEW)
        ]
        return median(timed) / FEW

    async def _ideal(self, fetch_all: FetchAll, instances: int, without_waiting: int) -> float:
        used = await self._used(fetch_all, islice(self._ready, without_waiting))
        return ideal_seconds(
            instances,
            slots=self._workload.slots,
            call_seconds=self._workload.slots * used.seconds / without_waiting,
            initializing_calls=self._workload.setup.initializing_calls,
            interval=INITIALIZATION_INTERVAL,
        )

    async def _used(self, fetch_all: FetchAll, numbers: Iterable[int]) -> Used:
        """Return what it takes to fetch these."""
        gc.collect()
        before = self._fetched
        begun = Used.so_far()
        await fetch_all(map(w_id_of, numbers), self._count)
        used = Used.so_far().since(begun)
        if self._fetched == before:
            msg = f"{self._contender.name} fetched nothing"
            raise WrongContactsError(msg)
        return used

    def _count(self, reply: object) -> None:  # noqa: ARG002
        self._fetched += 1

    async def _lag(self, fetch_all: FetchAll, rate: float) -> Lag | None:
        workload = self._workload
        if not workload.lag_seconds:
            return None
        bursts = workload.bursts
        size = workload.slots if bursts else self._whole_rounds(rate * workload.lag_seconds)
        kept: list[object] = []
        on_fetched = kept.append if workload.kept else self._count
        gc.collect()
        until = perf_counter() + workload.lag_seconds
        ticker = LagTicker()
        while True:
            with ticker:
                await fetch_all(map(w_id_of, islice(self._ready, size)), on_fetched)
            kept.clear()
            if not bursts or perf_counter() >= until:
                return ticker.lag()

    def _whole_rounds(self, instances: float) -> int:
        """Return about so many, all slots taken to the end."""
        slots = self._workload.slots
        return slots * max(1, round(instances / slots))


def main() -> None:
    """Measure what the command line says."""
    task = msgspec.json.decode(sys.argv[1], type=Task)
    pin_to(task.core)
    contender = BY_NAME[task.contender]
    [workload] = [w for w in workloads(quick=task.quick) if w.name == task.workload]
    kept = settled_heap() if workload.settled_heap else []
    with asyncio.Runner(loop_factory=contender.new_loop()) as runner:
        measured = runner.run(Harness(workload, task, contender).measure())
    del kept
    sys.stdout.write(msgspec.json.encode(measured).decode() + "\n")


if __name__ == "__main__":
    main()
