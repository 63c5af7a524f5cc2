"""Runs every process of the benchmarks, one after the other, and collects what they measured."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from time import perf_counter

import msgspec

from benchmarks.contenders import BY_NAME, CONTENDERS, Contender
from benchmarks.figures import Figures
from benchmarks.machine import this_machine
from benchmarks.measured import Import, Measured, Run, Task, Waiting
from benchmarks.pinning import cores
from benchmarks.server import Announcement, Setup
from benchmarks.waiting_process import WaitingTask
from benchmarks.workloads import MANY, Workload, workloads

# What the library imports; anyio imports parts of itself when they are asked for.
PEERS_IMPORTS = ("aiohttp", "aiolimiter", "msgspec", "anyio", "anyio.abc", "anyio.lowlevel")
_ROOT = Path(__file__).parents[1]
_IMPORT_PROCESS = Path(__file__).with_name("import_process.py")
_LONGEST_PROCESS = 120.0
_IMPORTS_A_ROUND = 3
_WAITING_ROUNDS = 2
# No process fetches more than that, so that each has numbers of its own.
_NUMBERS_A_PROCESS = 1 << 22


class ProcessFailedError(Exception):
    """A process ended otherwise than it should."""


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
            seconds=perf_counter() - begun,
        )

    def _wants(self, name: str) -> bool:
        return not self._only or any(fnmatchcase(name, pattern) for pattern in self._only)

    def _contenders_of(self, workload: Workload) -> list[Contender]:
        names = workload.contenders or [contender.name for contender in CONTENDERS]
        return [
            BY_NAME[name]
            for name in names
            if name not in self._missing and self._wants(f"{workload.name}/{name}")
        ]

    def _run_workload(self, workload: Workload, contenders: list[Contender]) -> None:
        self._tell(f"{workload.name}: {workload.title}")
        first = 0
        with serving(self._pinned(workload.setup)) as server:
            for number in range(self._rounds):
                for contender in contenders:
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
            answer = answer_of("-m", "benchmarks.contender_process", _written(task))
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
                answer = answer_of("-m", "benchmarks.waiting_process", _written(task))
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

    def _pinned(self, setup: Setup) -> Setup:
        return msgspec.structs.replace(setup, core=self._server_core)


def answer_of(*arguments: str, timeout: float = _LONGEST_PROCESS) -> bytes:
    """Run one process and return what it printed.

    Raises:
        ProcessFailedError: It failed, or was not done after so many seconds.

    """
    try:
        return subprocess.run(  # noqa: S603  # our own arguments
            [sys.executable, *arguments],
            capture_output=True,
            check=True,
            cwd=_ROOT,
            timeout=timeout,
        ).stdout
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").strip().splitlines()
        raise ProcessFailedError(lines[-1] if lines else str(error)) from error
    except subprocess.TimeoutExpired as error:
        msg = f"not done after {error.timeout:.0f} s"
        raise ProcessFailedError(msg) from error


@contextmanager
def serving(setup: Setup) -> Iterator[Announcement]:
    """Run a server in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.server", _written(setup)]
    with subprocess.Popen(  # noqa: S603  # our own arguments
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=_ROOT,
    ) as server:
        try:
            line = server.stdout.readline() if server.stdout else b""
            yield msgspec.json.decode(line, type=Announcement)
        finally:
            server.communicate()  # closes its stdin, which ends it


def _written(task: msgspec.Struct) -> str:
    return msgspec.json.encode(task).decode()


def _summary(measured: Measured) -> str:
    rate = f"{measured.instances_a_second:,.0f} instances/s, {measured.seconds:.2f} s"
    if measured.lag is None:
        return rate
    return f"{rate}, lag at most {measured.lag.max * 1000:.1f} ms"
