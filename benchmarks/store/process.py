"""One contender, one database, one process: syncs thrice, prints one JSON line, StoreMeasured."""

import asyncio
import gc
import sys
from collections.abc import Iterator
from time import perf_counter, process_time

import msgspec
import psutil

from benchmarks.instances import w_id_of
from benchmarks.lag import LagTicker
from benchmarks.resources import peak_bytes, resident_bytes
from benchmarks.store.contenders import STORE_BY_NAME, Sync
from benchmarks.store.measured import PHASES, Phase, StoreMeasured, StoreTask
from benchmarks.workloads import SLOTS
from wxcontacts_async import Gateway, SessionPool

_SAMPLE = 0.02
_SCATTERED = 2_654_435_761  # odd, so that no two numbers below 2**31 come to the same


def stored_w_ids(instances: int) -> Iterator[str]:
    """Give wIds in no order, as real ones are, of instances that are never told to wait."""
    return (w_id_of(2 * (number * _SCATTERED % 2**31)) for number in range(instances))


async def measure(task: StoreTask) -> StoreMeasured:
    """Sync thrice: into an empty database, with nothing changed, with some contacts changed."""
    gateways = (task.gateway, task.gateway, task.changed_gateway)
    async with STORE_BY_NAME[task.contender].writer().opened(task.database) as sync:
        phases = [
            await _phase(name, url, sync, task) for name, url in zip(PHASES, gateways, strict=True)
        ]
    return StoreMeasured(phases, peak_bytes())


async def _phase(name: str, url: str, sync: Sync, task: StoreTask) -> Phase:
    async with SessionPool(Gateway(url, max_concurrency=SLOTS)) as pool:
        gc.collect()
        samples: list[int] = [resident_bytes()]
        sampler = asyncio.create_task(_sample(samples))
        server_cpu, cpu, wall = _server_cpu(task), process_time(), perf_counter()
        with LagTicker() as ticker:
            await sync(pool, stored_w_ids(task.instances))
        seconds, cpu_seconds = perf_counter() - wall, process_time() - cpu
        sampler.cancel()
        samples.append(resident_bytes())
    half = (len(samples) + 1) // 2
    return Phase(
        name=name,
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        server_cpu_seconds=_server_cpu(task) - server_cpu,
        lag=ticker.lag(),
        early_bytes=max(samples[:half]),
        late_bytes=max(samples[half:]),
    )


async def _sample(samples: list[int]) -> None:
    while True:
        await asyncio.sleep(_SAMPLE)
        samples.append(resident_bytes())


def _server_cpu(task: StoreTask) -> float:
    """Return the CPU time that the database's server has used, its ended processes included."""
    if task.postmaster is None:
        return 0.0
    postmaster = psutil.Process(task.postmaster)
    times = [postmaster.cpu_times(), *(child.cpu_times() for child in postmaster.children())]
    ended = times[0].children_user + times[0].children_system
    return float(ended + sum(time.user + time.system for time in times))


def main() -> None:
    """Measure what the command line says."""
    task = msgspec.json.decode(sys.argv[1], type=StoreTask)
    measured = asyncio.run(measure(task))
    sys.stdout.write(msgspec.json.encode(measured).decode() + "\n")


if __name__ == "__main__":
    main()
