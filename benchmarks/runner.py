"""Runs every process of the benchmarks, one after the other, and collects what they measured."""

import sys
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from time import perf_counter

import msgspec

from benchmarks.contenders import BY_NAME, Contender
from benchmarks.figures import Figures
from benchmarks.instances import Setup
from benchmarks.instructions import CONTACTS, instructions_a_call, without_valgrind
from benchmarks.machine import this_machine
from benchmarks.measured import Import, Measured, Run, Task, Waiting
from benchmarks.pinning import cores
from benchmarks.processes import ProcessFailedError, answer_of, serving, written
from benchmarks.sitting_out import sits_out
from benchmarks.waiting_process import WaitingTask
from benchmarks.workloads import MANY, NEAREST, Workload, workloads

# What the library imports; anyio imports parts of itself when they are asked for.
PEERS_IMPORTS = ("aiohttp", "aiolimiter", "msgspec", "anyio", "anyio.abc", "anyio.lowlevel")
_IMPORT_PROCESS = Path(__file__).with_name("import_process.py")
_IMPORTS_A_ROUND = 3
_WAITING_ROUNDS = 2
# No process fetches more than that, so that each has numbers of its own.
_NUMBERS_A_PROCESS = 1 << 22


class BenchmarkRun:
    """One run of all benchmarks, or of those that are wanted.

    Arguments:
        quick: Run the short ones.
        rounds: How often each process is run; the contenders take turns.
        only: Patterns of `workload/contender`; what matches none is left out. Empty is all.
        tell: Told what happens, one line at a time.

    """

    def __init__(
        self,
        *,
        quick: bool,
        rounds: int,
        only: list[str],
        tell: Callable[[str], object],
    ) -> None:
        self._quick = quick
        self._rounds = rounds
        self._only = only
        self._tell = tell
        self._server_core, self._contender_core = cores()
        self._runs: list[Run] = []
        self._missing = {
            name: missing for name, contender in BY_NAME.items() if (missing := contender.missing())
        }

    def run(self) -> Figures:
        """Run them all."""
        begun = perf_counter()
        machine = this_machine(
            {package: None for contender in BY_NAME.values() for package in contender.packages},
        )
        for name, packages in self._missing.items():
            self._tell(f"{name} does not take part: {', '.join(packages)} is not installed")
        for workload in workloads(quick=self._quick):
            if contenders := self._contenders_of(workload):
                self._run_workload(workload, contenders)
        return Figures(
            quick=self._quick,
            rounds=self._rounds,
            machine=machine,
            missing=self._missing,
            runs=self._runs,
            waiting=self._run_waiting(),
            imports=self._run_imports(),
            instructions=self._count_instructions(),
            not_counted=without_valgrind(),
            seconds=perf_counter() - begun,
        )

    def _wants(self, name: str) -> bool:
        return not self._only or any(fnmatchcase(name, pattern) for pattern in self._only)

    def _contenders_of(self, workload: Workload) -> list[Contender]:
        return [
            BY_NAME[name]
            for name in workload.contenders
            if name not in self._missing and self._wants(f"{workload.name}/{name}")
        ]

    def _run_workload(self, workload: Workload, contenders: list[Contender]) -> None:
        self._tell(f"{workload.name}: {workload.title}")
        first = 0
        with serving(self._pinned(workload.setup)) as server:
            for number in range(min(self._rounds, workload.rounds or self._rounds)):
                for contender in contenders:
                    if sits_out(contender, workload.name, self._runs):
                        continue
                    task = Task(
                        contender=contender.name,
                        workload=workload.name,
                        quick=self._quick,
                        url=server.url,
                        fingerprints=server.fingerprints,
                        first=first,
                        core=self._contender_core,
                    )
                    first += _NUMBERS_A_PROCESS
                    self._runs.append(self._run_contender(task, number))

    def _run_contender(self, task: Task, number: int) -> Run:
        measured = failure = None
        try:
            answer = answer_of("-m", "benchmarks.contender_process", written(task))
            measured = msgspec.json.decode(answer, type=Measured)
            self._tell(f"  {number + 1} {task.contender}: {_summary(measured)}")
        except ProcessFailedError as error:
            failure = str(error)
            self._tell(f"  {number + 1} {task.contender} failed: {failure}")
        return Run(
            workload=task.workload,
            contender=task.contender,
            round=number,
            measured=measured,
            failure=failure,
        )

    def _run_waiting(self) -> list[Waiting]:
        found: list[Waiting] = []
        if not self._wants("waiting/wxcontacts_async"):
            return found
        instances = 10_000 if self._quick else MANY
        self._tell(f"waiting: {instances:,} instances that wait at once")
        with serving(self._pinned(Setup(5, initializing_calls=sys.maxsize))) as server:
            for _ in range(min(self._rounds, _WAITING_ROUNDS)):
                task = WaitingTask(server.url, instances, self._contender_core)
                answer = answer_of("-m", "benchmarks.waiting_process", written(task))
                found.append(msgspec.json.decode(answer, type=Waiting))
                self._tell(f"  {found[-1].bytes_each:,.0f} bytes each")
        return found

    def _run_imports(self) -> dict[str, list[Import]]:
        imported: dict[str, list[Import]] = {}
        if not self._wants("import/wxcontacts_async"):
            return imported
        self._tell("import")
        core = -1 if self._contender_core is None else self._contender_core
        for _ in range(_IMPORTS_A_ROUND * self._rounds):
            for modules in (PEERS_IMPORTS, ("wxcontacts_async",)):
                answer = answer_of(str(_IMPORT_PROCESS), *modules, str(core))
                found = msgspec.json.decode(answer, type=Import)
                imported.setdefault(", ".join(modules), []).append(found)
        return imported

    def _count_instructions(self) -> dict[str, float]:
        names = [
            name
            for name in ("floor", "wxcontacts_async", *NEAREST)
            if name not in self._missing and self._wants(f"instructions/{name}")
        ]
        if self._quick:
            names = names[:2]
        if not names:
            return {}
        if reason := without_valgrind():
            self._tell(f"instructions are not counted, as {reason}")
            return {}
        self._tell(f"instructions a call, {CONTACTS} contacts")
        return instructions_a_call(names, self._tell)

    def _pinned(self, setup: Setup) -> Setup:
        return msgspec.structs.replace(setup, core=self._server_core)


def _summary(measured: Measured) -> str:
    rate = f"{measured.instances_a_second:,.0f} instances/s, {measured.seconds:.2f} s"
    if measured.lag is None:
        return rate
    return f"{rate}, lag at most {measured.lag.max * 1000:.1f} ms"
