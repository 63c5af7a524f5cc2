"""One contender under callgrind: makes few calls and more, each in a fork, and prints their ids."""

import asyncio
import os
import sys

import msgspec

from benchmarks.contenders import BY_NAME, Contender
from benchmarks.instances import w_id_of
from benchmarks.workloads import SLOTS


class InstructionsTask(msgspec.Struct, frozen=True):
    """What this process is told on its command line, as JSON."""

    contender: str
    url: str
    calls: tuple[int, int]


async def _fetch(contender: Contender, url: str, calls: int) -> None:
    async with contender.opened(url, SLOTS) as fetch_all:
        await fetch_all((w_id_of(2 * number) for number in range(calls)), lambda _: None)


def main() -> None:
    """Make the calls that the command line says.

    In forks, as all that comes before takes callgrind far longer than the calls.
    """
    task = msgspec.json.decode(sys.argv[1], type=InstructionsTask)
    contender = BY_NAME[task.contender]
    contender.client()
    new_loop = contender.new_loop()
    processes = []
    for calls in task.calls:
        process = os.fork()
        if not process:
            with asyncio.Runner(loop_factory=new_loop) as runner:
                runner.run(_fetch(contender, task.url, calls))
            os._exit(0)
        if os.waitpid(process, 0)[1]:
            sys.exit("a fork failed")
        processes.append(process)
    sys.stdout.write(msgspec.json.encode(processes).decode() + "\n")


if __name__ == "__main__":
    main()
