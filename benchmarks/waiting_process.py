"""100,000 instances that wait at once, in one process: prints what each takes, a Waiting."""

import asyncio
import gc
import sys

import msgspec

from benchmarks.instances import w_id_of
from benchmarks.measured import Waiting
from benchmarks.pinning import pin_to
from benchmarks.resources import resident_bytes
from benchmarks.workloads import SLOTS
from wxcontacts_async import Event, Gateway, InitializationWait, InstanceWaiting, SessionPool


class WaitingTask(msgspec.Struct, frozen=True):
    """What this process is told on its command line, as JSON."""

    url: str
    instances: int
    core: int | None


class _WaitingCounter:
    """An observer that tells when so many instances wait."""

    def __init__(self, number: int) -> None:
        self._left = number
        self.all_wait = asyncio.Event()

    def __call__(self, event: Event) -> None:
        if isinstance(event, InstanceWaiting):
            self._left -= 1
            if not self._left:
                self.all_wait.set()


async def _measure(task: WaitingTask) -> Waiting:
    """Compare the memory of a pool that has been used with that when all wait."""
    counter = _WaitingCounter(task.instances)
    async with SessionPool(
        Gateway(task.url, max_concurrency=SLOTS),
        initialization=InitializationWait(3_600, timeout=None),
        observers=[counter],
    ) as pool:
        warm_up = {w_id_of(2 * number) for number in range(4 * SLOTS)}  # of those that are ready
        await pool.fetch_all(warm_up)
        gc.collect()
        before = resident_bytes()
        w_ids = (w_id_of(2 * number + 1) for number in range(task.instances))
        async with pool.stream(w_ids, max_pending=task.instances + 1):
            await counter.all_wait.wait()
            gc.collect()
            return Waiting(task.instances, (resident_bytes() - before) / task.instances)


def main() -> None:
    """Measure what the command line says."""
    task = msgspec.json.decode(sys.argv[1], type=WaitingTask)
    pin_to(task.core)
    waiting = asyncio.run(_measure(task))
    sys.stdout.write(msgspec.json.encode(waiting).decode() + "\n")


if __name__ == "__main__":
    main()
