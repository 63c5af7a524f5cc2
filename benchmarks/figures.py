"""All that one run of the benchmarks found out, and the medians and ratios of it."""

from collections.abc import Callable, Iterable
from statistics import median

import msgspec

from benchmarks.contenders import BY_NAME, on_loop_of
from benchmarks.machine import Machine
from benchmarks.measured import Import, Measured, Run, Waiting


class Spread(msgspec.Struct, frozen=True):
    """The median over the rounds, the lowest and the highest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread | None":
        """Sum up values; None if there are none."""
        found = list(values)
        return cls(median(found), min(found), max(found)) if found else None


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What the JSON file holds.

    Attributes:
        quick: Whether it was a `--quick` run.
        rounds: How often each process was run.
        seconds: How long the whole took.
        machine: Where, when, and with what.
        missing: Contenders that did not take part, each with the packages it lacks.
        runs: Every contender's process.
        waiting: The processes of the waiting instances.
        instructions: How many a call takes, by contender.
        not_counted: Why instructions were not counted, if so.
        imports: The processes that only imported, by what they imported, in the order of rounds.

    """

    quick: bool
    rounds: int
    seconds: float
    machine: Machine
    missing: dict[str, list[str]]
    runs: list[Run]
    waiting: list[Waiting]
    imports: dict[str, list[Import]]
    instructions: dict[str, float] = {}
    not_counted: str | None = None

    def measured(self, workload: str, contender: str) -> dict[int, Measured]:
        """Return what a contender's processes measured, by round."""
        return {
            run.round: run.measured
            for run in self.runs
            if (run.workload, run.contender) == (workload, contender) and run.measured
        }

    def spread(
        self,
        workload: str,
        contender: str,
        value: Callable[[Measured], float | None],
    ) -> Spread | None:
        """Return a value over the rounds."""
        values = map(value, self.measured(workload, contender).values())
        return Spread.of(v for v in values if v is not None)

    def ratio(
        self,
        workload: str,
        contender: str,
        other: str,
        value: Callable[[Measured], float] = lambda measured: measured.contacts_a_cpu_second,
    ) -> Spread | None:
        """Return a contender's value against another's, each pair of the same round."""
        mine, others = self.measured(workload, contender), self.measured(workload, other)
        return Spread.of(value(mine[n]) / value(others[n]) for n in mine if n in others)

    def ratio_to_floor(self, workload: str, contender: str) -> Spread | None:
        """Return a contender's contacts a CPU second against those of the floor on its loop."""
        (floor,) = on_loop_of(BY_NAME[contender], "floor")
        return self.ratio(workload, contender, floor.name)

    def ratio_to_best_peer(self, workload: str, contender: str) -> tuple[Spread | None, str]:
        """Return a contender's contacts a CPU second against those of the best peer on its loop."""
        ratios = [
            (ratio, peer.name)
            for peer in on_loop_of(BY_NAME[contender], "usual", "msgspec")
            if (ratio := self.ratio(workload, contender, peer.name))
        ]
        return min(ratios, key=lambda found: found[0].median, default=(None, ""))
