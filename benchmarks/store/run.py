"""Runs every process of the store page, one after the other, each with a fresh database."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import msgspec

from benchmarks.instances import Setup
from benchmarks.machine import Machine, this_machine
from benchmarks.measured import Lag
from benchmarks.pinning import cores
from benchmarks.processes import ProcessFailedError, answer_of, serving
from benchmarks.store.contenders import STORE_CONTENDERS, StoreContender
from benchmarks.store.contents import Contents, contents_of, make_tables
from benchmarks.store.measured import Phase, StoreMeasured, StoreRun, StoreTask
from benchmarks.store.postgresql import Cluster
from benchmarks.store.process import stored_w_ids
from benchmarks.store.temporary_postgresql import NoPostgreSQLError

CHANGED = 0.01
_LOOKED_AT = 40  # instances of which every row is compared
_LONGEST_PROCESS = 600.0
_DATABASE = "contacts"


class StoreSize(msgspec.Struct, frozen=True):
    """How many instances there are, how many contacts each has, and how many different sets."""

    instances: int = 1_000
    contacts: int = 2_000
    bodies: int = 64


QUICK_SIZE = StoreSize(instances=100)


class StoreFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What the JSON file holds.

    Attributes:
        quick: Whether it was a `--quick` run.
        rounds: How often each process was run.
        seconds: How long the whole took.
        size: How much there was to write.
        machine: Where, when, and with what.
        missing: Contenders that did not take part, each with the reason.
        runs: Every contender's process.

    """

    quick: bool
    rounds: int
    seconds: float
    size: StoreSize
    machine: Machine
    missing: dict[str, str]
    runs: list[StoreRun]

    def phases(self, contender: str, name: str) -> dict[int, Phase]:
        """Return what a contender measured in a phase, by round."""
        return {
            run.round: phase
            for run in self.runs
            if run.contender == contender and run.measured
            for phase in run.measured.phases
            if phase.name == name
        }


class WrongContentsError(Exception):
    """A contender left other contacts, or another log, than the first one."""


class StoreBenchmark:
    """One run of the store page.

    Arguments:
        quick: Whether it is the short one.
        rounds: How often each process is run; the contenders take turns.
        only: Patterns of `store/contender`; what matches none is left out. Empty is all.
        size: How much there is to write.
        tell: Told what happens, one line at a time.

    """

    def __init__(
        self,
        *,
        quick: bool,
        rounds: int,
        only: list[str],
        size: StoreSize,
        tell: Callable[[str], object],
    ) -> None:
        self._quick = quick
        self._rounds = rounds
        self._only = only
        self._size = size
        self._tell = tell
        self._runs: list[StoreRun] = []
        self._missing: dict[str, str] = {}
        self._contents: Contents | None = None  # of whoever was first

    def run(self) -> StoreFigures:
        """Run them all."""
        begun = perf_counter()
        size = self._size
        self._tell(f"store: {size.instances:,} instances of {size.contacts:,} contacts")
        machine = this_machine({package: None for c in STORE_CONTENDERS for package in c.packages})
        contenders = [contender for contender in STORE_CONTENDERS if self._wants(contender)]
        setup = Setup(size.contacts, bodies=size.bodies, core=cores()[0])
        changed = msgspec.structs.replace(setup, changed=CHANGED)
        with ExitStack() as stack:
            server = self._cluster(stack, contenders)
            gateways = [stack.enter_context(serving(setup)).url for setup in (setup, changed)]
            for number in range(self._rounds):
                for contender in contenders:
                    if contender.name not in self._missing:
                        self._runs.append(self._run(contender, number, gateways, server))
        return StoreFigures(
            quick=self._quick,
            rounds=self._rounds,
            seconds=perf_counter() - begun,
            size=size,
            machine=machine,
            missing=self._missing,
            runs=self._runs,
        )

    def _wants(self, contender: StoreContender) -> bool:
        name = f"store/{contender.name}"
        if self._only and not any(fnmatchcase(name, pattern) for pattern in self._only):
            return False
        if packages := contender.missing():
            self._miss(contender, f"{', '.join(packages)} is not installed")
        return True

    def _miss(self, contender: StoreContender, reason: str) -> None:
        self._missing[contender.name] = reason
        self._tell(f"{contender.name} does not take part: {reason}")

    def _cluster(self, stack: ExitStack, contenders: list[StoreContender]) -> Cluster | None:
        wanted = [contender for contender in contenders if contender.database == "PostgreSQL"]
        if not wanted:
            return None
        try:
            return stack.enter_context(Cluster().running())
        except NoPostgreSQLError as error:
            for contender in wanted:
                self._miss(contender, f"no PostgreSQL: {error}")
            return None

    def _run(
        self,
        contender: StoreContender,
        number: int,
        gateways: list[str],
        server: Cluster | None,
    ) -> StoreRun:
        measured = failure = None
        try:
            with _database(contender, server) as url:
                task = StoreTask(
                    contender=contender.name,
                    database=url,
                    gateway=gateways[0],
                    changed_gateway=gateways[1],
                    instances=self._size.instances,
                    contacts=self._size.contacts,
                    postmaster=server.pid if server and contender.database else None,
                )
                written = msgspec.json.encode(task).decode()
                answer = answer_of(
                    "-m", "benchmarks.store.process", written, timeout=_LONGEST_PROCESS
                )
                measured = msgspec.json.decode(answer, type=StoreMeasured)
                if url:
                    self._check(contender, url)
            self._tell(f"  {number + 1} {contender.name}: {_summary(measured, self._size)}")
        except (ProcessFailedError, WrongContentsError) as error:
            failure = str(error)
            self._tell(f"  {number + 1} {contender.name} failed: {failure}")
        return StoreRun(
            contender=contender.name,
            round=number,
            measured=measured,
            failure=failure,
        )

    def _check(self, contender: StoreContender, url: str) -> None:
        """See that the database holds what those of the other contenders hold."""
        step = max(1, self._size.instances // _LOOKED_AT)
        some = list(islice(stored_w_ids(self._size.instances), 0, None, step))
        contents = contents_of(url, some)
        self._contents = self._contents or contents
        if contents != self._contents:
            msg = f"{contender.name} left {contents}, the first one {self._contents}"
            raise WrongContentsError(msg)


@contextmanager
def _database(contender: StoreContender, server: Cluster | None) -> Iterator[str]:
    """Make a database with empty tables for one process; give its URL, "" if it needs none."""
    if contender.database is None:
        yield ""
    elif contender.database == "SQLite":
        with TemporaryDirectory(prefix="store-benchmark-") as directory:
            url = f"sqlite:///{Path(directory) / _DATABASE}"
            make_tables(url)
            yield url
        os.sync()  # or the next one would be slower for what this one has written
    else:
        assert server is not None  # noqa: S101  # for the type checker
        url = server.create(_DATABASE)
        try:
            make_tables(url)
            yield url
        finally:
            server.drop(_DATABASE)
            os.sync()


def _summary(measured: StoreMeasured, size: StoreSize) -> str:
    contacts = size.instances * size.contacts
    rates = ", ".join(
        f"{phase.name} {contacts / phase.seconds:,.0f} contacts/s "
        f"(lag p99 {_lag(phase.lag)}, CPU {phase.cpu_seconds:.1f}+{phase.server_cpu_seconds:.1f} s)"
        for phase in measured.phases
    )
    return f"{rates}, {measured.peak_bytes / 1e6:,.0f} MB"


def _lag(lag: Lag) -> str:
    return f"{lag.p99 * 1000:.1f} ms"
