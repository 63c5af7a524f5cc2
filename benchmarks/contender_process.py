"""One contender, one workload, one process: measures, and prints one JSON line, a Measured."""

import asyncio
import gc
import sys
from collections.abc import Callable, Iterable, Iterator
from http.client import HTTPConnection
from importlib import import_module
from itertools import count, islice
from statistics import median
from time import perf_counter, process_time
from typing import Any, cast
from urllib.parse import urlsplit

import msgspec

from benchmarks.contenders import BY_NAME, Contender, FetchAll
from benchmarks.heap import settled_heap
from benchmarks.ideal import ideal_seconds
from benchmarks.lag import LagTicker
from benchmarks.measured import Lag, Measured, Task
from benchmarks.pinning import pin_to
from benchmarks.resident import peak_bytes
from benchmarks.server import fingerprint, reply_of, w_id_of
from benchmarks.workloads import FEW, INITIALIZATION_INTERVAL, SLOTS, Workload, workloads

_WARM_UP_SECONDS = 0.1
_TIMES_FEW = 5
_DECODES = 9


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
        async with self._client.opened(self._task.url, SLOTS) as fetch_all:
            await self._check(fetch_all)
            rate = await self._warm_up(fetch_all)
            seconds_at_few = ideal = None
            in_full = not workload.in_full or self._contender.name in workload.in_full
            if workload.at_few and in_full:
                seconds_at_few = await self._at_few(fetch_all)
            instances = done_in = _whole_rounds(rate * workload.seconds)
            if workload.instances and in_full:
                instances = workload.instances
            numbers: Iterator[int] = self._ready
            if workload.initializing:
                ideal = await self._ideal(fetch_all, instances, done_in)
                numbers = count(next(self._ready))
            seconds, cpu_seconds = await self._timed(fetch_all, islice(numbers, instances))
            lag = await self._lag(fetch_all, rate)
        return Measured(
            instances=instances,
            contacts=workload.setup.contacts,
            seconds=seconds,
            cpu_seconds=cpu_seconds,
            peak_bytes=peak_bytes(),
            lag=lag,
            seconds_at_few=seconds_at_few,
            ideal_seconds=ideal,
            decode_seconds=self._decode_seconds(),
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
        instances = SLOTS
        while True:
            seconds, _ = await self._timed(fetch_all, islice(self._ready, instances))
            if seconds >= _WARM_UP_SECONDS:
                return instances / seconds
            instances *= 2

    async def _at_few(self, fetch_all: FetchAll) -> float:
        """Return the seconds an instance, the median over a few times FEW."""
        timed = [
            (await self._timed(fetch_all, islice(self._ready, FEW)))[0] for _ in range(_TIMES_FEW)
        ]
        return median(timed) / FEW

    async def _ideal(self, fetch_all: FetchAll, instances: int, without_waiting: int) -> float:
        seconds, _ = await self._timed(fetch_all, islice(self._ready, without_waiting))
        return ideal_seconds(
            instances,
            slots=SLOTS,
            call_seconds=SLOTS * seconds / without_waiting,
            initializing_calls=self._workload.setup.initializing_calls,
            interval=INITIALIZATION_INTERVAL,
        )

    async def _timed(self, fetch_all: FetchAll, numbers: Iterable[int]) -> tuple[float, float]:
        """Return the wall and the CPU time."""
        gc.collect()
        before = self._fetched
        cpu, wall = process_time(), perf_counter()
        await fetch_all(map(w_id_of, numbers), self._count)
        seconds, cpu_seconds = perf_counter() - wall, process_time() - cpu
        if self._fetched == before:
            msg = f"{self._contender.name} fetched nothing"
            raise WrongContactsError(msg)
        return seconds, cpu_seconds

    def _count(self, reply: object) -> None:  # noqa: ARG002
        self._fetched += 1

    async def _lag(self, fetch_all: FetchAll, rate: float) -> Lag | None:
        seconds = self._workload.lag_seconds
        if not seconds:
            return None
        size = SLOTS if self._workload.bursts else _whole_rounds(rate * seconds)
        gc.collect()
        until = perf_counter() + seconds
        with LagTicker() as ticker:
            while True:
                await fetch_all(map(w_id_of, islice(self._ready, size)), self._count)
                if not self._workload.bursts or perf_counter() >= until:
                    return ticker.lag()

    def _decode_seconds(self) -> float | None:
        """Time the library's decode of one reply, alone."""
        if not self._workload.bursts or self._contender.role != "library":
            return None
        # Imported here, as the peers' memory is measured and they have no use for it.
        library = cast("Any", import_module("benchmarks.contenders.floor"))
        connection = HTTPConnection(urlsplit(self._task.url).netloc)
        connection.request("POST", "/getAllContact", b'{"wId":"%s"}' % w_id_of(0).encode())
        body = connection.getresponse().read()
        connection.close()
        seconds = []
        for _ in range(_DECODES):
            begun = perf_counter()
            library.decode(body)
            seconds.append(perf_counter() - begun)
        return median(seconds)


def _whole_rounds(instances: float) -> int:
    """Return about so many, all slots taken to the end."""
    return SLOTS * max(1, round(instances / SLOTS))


def _runner(contender: Contender) -> asyncio.Runner:
    if contender.loop == "asyncio":
        return asyncio.Runner()
    loop_factory: Callable[[], asyncio.AbstractEventLoop] = import_module("uvloop").new_event_loop
    return asyncio.Runner(loop_factory=loop_factory)


def main() -> None:
    """Measure what the command line says."""
    task = msgspec.json.decode(sys.argv[1], type=Task)
    pin_to(task.core)
    contender = BY_NAME[task.contender]
    [workload] = [w for w in workloads(quick=task.quick) if w.name == task.workload]
    kept = settled_heap() if workload.settled_heap else []
    with _runner(contender) as runner:
        measured = runner.run(Harness(workload, task, contender).measure())
    del kept
    sys.stdout.write(msgspec.json.encode(measured).decode() + "\n")


if __name__ == "__main__":
    main()
