"""The report: tables in Markdown."""

from collections.abc import Callable, Iterator, Sequence

from benchmarks.contenders import CONTENDERS, RETRY_LOOP
from benchmarks.figures import Figures, Spread
from benchmarks.goals import goals
from benchmarks.measured import Measured
from benchmarks.workloads import INITIALIZATION_INTERVAL, SLOTS, workloads

_MET = {True: "met", False: "**not met**", None: "-"}
_SIDE_BY_SIDE = ("200", "2000", "10000", "2000-settled", "10000-settled", "latency", "many")


def render(figures: Figures) -> str:
    """Return the whole report."""
    return "\n".join(_lines(figures)).rstrip() + "\n"


def _lines(figures: Figures) -> Iterator[str]:
    yield "# Benchmarks"
    yield ""
    yield from _circumstances(figures)
    yield ""
    yield "## Goals"
    yield ""
    yield from _table(
        ("goal", "target", "measured", ""),
        [(goal.goal, goal.target, goal.measured, _MET[goal.met]) for goal in goals(figures)],
    )
    for workload in workloads(quick=figures.quick):
        if workload.name in _SIDE_BY_SIDE and any(
            run.workload == workload.name for run in figures.runs
        ):
            yield ""
            yield f"## {workload.title[0].upper()}{workload.title[1:]}"
            yield ""
            if workload.settled_heap:
                yield (
                    "A fresh process gives memory back to the system after each reply and takes it "
                    "again, page fault by page fault, for the next; only the library keeps it. "
                    "Here every process begins with small objects all over its heap, as one that "
                    "has been up for a while has, so that nobody gives memory back."
                )
                yield ""
            if workload.in_full:
                yield (
                    f"{', '.join(workload.in_full)} fetches them all, the others as many as "
                    "they get done in a short while. The server is not faster than the floor here, "
                    "so its figures by CPU time say more."
                )
                yield ""
            yield from _side_by_side(figures, workload.name)
    yield ""
    yield from _initialization(figures)
    yield from _failures(figures)


def _circumstances(figures: Figures) -> Iterator[str]:
    machine = figures.machine
    yield (
        f"{machine.date:%Y-%m-%d %H:%M} UTC, {machine.processor}, {machine.cores} cores, "
        f"{machine.system}, load average {machine.load} at the start; "
        f"{'the quick run, ' if figures.quick else ''}{figures.rounds} rounds in "
        f"{figures.seconds / 60:.1f} minutes."
    )
    yield ""
    yield ", ".join(f"{name} {version}" for name, version in machine.versions.items()) + "."
    yield ""
    yield (
        f"Every contender has {SLOTS} slots and runs in a fresh process"
        + (", pinned to one core, the server to another. " if machine.pinned else ", not pinned. ")
        + "A figure is the median over the rounds. A ratio is of two figures of the same round, "
        "shown as median (lowest to highest). What is `-uvloop` is compared with the floor on "
        "uvloop, all others with the floor on asyncio. `aiohttp-bare` is the library's HTTP "
        "session and decode in a bare loop, with nothing else of the library: what lies between it "
        "and the floor is aiohttp's, what lies between it and the library is the library's."
    )
    for name, packages in figures.missing.items():
        yield ""
        yield f"**{name} did not take part**: {', '.join(packages)} is not installed."


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join('---' for _ in head)} |"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _side_by_side(figures: Figures, workload: str) -> Iterator[str]:
    lag = "loop lag p50 / p99 / max"
    rows: list[tuple[str, ...]] = []
    for contender in CONTENDERS:
        name = contender.name
        measured = figures.measured(workload, name)
        if not measured:
            continue

        def of(
            value: Callable[[Measured], float | None],
            shown: Callable[[float], str] = "{:,.0f}".format,
            name: str = name,
        ) -> str:
            spread = figures.spread(workload, name, value)
            return "-" if spread is None else shown(spread.median)

        rows.append(
            (
                name,
                of(lambda m: m.instances_a_second),
                of(lambda m: m.contacts_a_second),
                _shown(figures.ratio_to_floor(workload, name)),
                of(lambda m: m.contacts_a_cpu_second),
                _shown(figures.ratio_to_floor(workload, name, lambda m: m.contacts_a_cpu_second)),
                " / ".join(
                    (
                        of(lambda m: m.lag_p50, _milliseconds),
                        of(lambda m: m.lag_p99, _milliseconds),
                        of(lambda m: m.lag_max, _milliseconds),
                    ),
                ),
                of(lambda m: m.peak_bytes, lambda peak: f"{peak / 1e6:,.0f} MB"),
            ),
        )
    if all("- / -" in row[6] for row in rows):
        rows = [(*row[:6], row[7]) for row in rows]
        lag = ""
    head = (
        "contender",
        "instances/s",
        "contacts/s",
        "to the floor",
        "contacts/CPU s",
        "to the floor, CPU",
        lag,
        "peak memory",
    )
    yield from _table(tuple(name for name in head if name), rows)


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _shown(spread: Spread | None) -> str:
    if spread is None:
        return "-"
    return f"{spread.median:.2f} ({spread.low:.2f} to {spread.high:.2f})"


def _initialization(figures: Figures) -> Iterator[str]:
    rows = []
    for name in ("wxcontacts_async", RETRY_LOOP.name):
        seconds = figures.spread("initialization", name, lambda m: m.seconds)
        ideal = figures.spread("initialization", name, lambda m: m.ideal_seconds)
        against = figures.spread("initialization", name, lambda m: m.to_ideal)
        if seconds and ideal:
            rows.append((name, f"{seconds.median:.2f} s", f"{ideal.median:.2f} s", _shown(against)))
    if not rows:
        return
    [workload] = [w for w in workloads(quick=figures.quick) if w.name == "initialization"]
    yield "## Initialization"
    yield ""
    yield (
        f"{workload.title[0].upper()}{workload.title[1:]}. The API document asks to wait 5 s; "
        f"{INITIALIZATION_INTERVAL:g} s is the same for all here, and longer waits only hurt "
        "those who hold a slot meanwhile. The ideal is what the slots and the waits alone "
        "would take, with calls as long as the same contender's where nobody waits. "
        f"`{RETRY_LOOP.name}` is the usual semaphore around a retry loop."
    )
    yield ""
    yield from _table(("contender", "time", "ideal", "against the ideal"), rows)


def _failures(figures: Figures) -> Iterator[str]:
    failures = [run for run in figures.runs if run.failure]
    if failures:
        yield ""
        yield "## Failures"
        yield ""
        for run in failures:
            yield f"- {run.workload}/{run.contender}, round {run.round + 1}: {run.failure}"
