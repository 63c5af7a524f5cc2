"""The report: tables in Markdown."""

from collections.abc import Callable, Iterator

from benchmarks.contenders import CONTENDERS, RETRY_LOOP
from benchmarks.figures import Figures
from benchmarks.goals import Goal, goals
from benchmarks.instructions import CONTACTS
from benchmarks.measured import Measured
from benchmarks.tables import (
    filled_table,
    megabytes,
    microseconds,
    milliseconds,
    shown,
    table,
)
from benchmarks.workloads import INITIALIZATION_INTERVAL, SLOTS, workloads

_MET = {True: "met", False: "**not met**", None: "-"}
_LAGS: tuple[Callable[[Measured], float | None], ...] = (
    lambda measured: measured.lag_p50,
    lambda measured: measured.lag_p99,
    lambda measured: measured.lag_max,
)


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
    yield from goals_table(goals(figures))
    for workload in workloads(quick=figures.quick):
        if not workload.initializing and any(run.workload == workload.name for run in figures.runs):
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
            if workload.kept:
                yield (
                    "What comes is kept until both are there, and dropped while nobody watches: "
                    "how long that takes, and when it is done, is its holder's."
                )
                yield ""
            yield from _side_by_side(figures, workload.name)
    yield from _instructions(figures)
    yield ""
    yield from _initialization(figures)
    yield from _failures(figures)


def goals_table(found: list[Goal]) -> Iterator[str]:
    """Yield the table of the goals."""
    yield from table(
        ("goal", "target", "measured", ""),
        [(goal.goal, goal.target, goal.measured, _MET[goal.met]) for goal in found],
    )


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
        "shown as median (lowest to highest), and of contacts a second of CPU time. What is "
        "`-uvloop` is compared with the others on uvloop, all else with those on asyncio. The "
        "floor reads neither chunks nor gzip. `aiohttp-bare` is the library's session of aiohttp "
        "and its decode in a bare loop, with nothing else of the library. A peer that had at most "
        "half of the library's contacts a CPU second in its first round, or at most 0.7 of them in "
        "each of its first two, runs no further ones, unless it is the best."
    )
    for name, packages in figures.missing.items():
        yield ""
        yield f"**{name} did not take part**: {', '.join(packages)} is not installed."


def _side_by_side(figures: Figures, workload: str) -> Iterator[str]:
    rows: list[tuple[str, ...]] = []
    for contender in CONTENDERS:
        name = contender.name
        measured = figures.measured(workload, name)
        if not measured:
            continue

        def of(
            value: Callable[[Measured], float | None],
            written: Callable[[float], str] = "{:,.0f}".format,
            name: str = name,
        ) -> str:
            spread = figures.spread(workload, name, value)
            return "-" if spread is None else written(spread.median)

        lags = [of(value, milliseconds) for value in _LAGS]
        mine = contender.role in ("floor", "library")
        best = "-" if not mine else shown(figures.ratio_to_best_peer(workload, name)[0])
        rows.append(
            (
                name,
                of(lambda m: m.instances_a_second),
                of(lambda m: m.contacts_a_second),
                of(lambda m: m.cpu_seconds_a_reply, microseconds),
                shown(figures.ratio_to_floor(workload, name)),
                best,
                of(lambda m: m.page_faults_a_reply),
                "-" if lags[0] == "-" else " / ".join(lags),
                of(lambda m: m.peak_bytes, megabytes),
                str(len(measured)),
            ),
        )
    head = (
        "contender",
        "instances/s",
        "contacts/s",
        "CPU a reply",
        "to the floor, CPU",
        "to the best peer, CPU",
        "page faults a reply",
        "loop lag p50 / p99 / max",
        "peak memory",
        "rounds",
    )
    yield from filled_table(head, rows)


def _instructions(figures: Figures) -> Iterator[str]:
    if not figures.instructions and not figures.not_counted:
        return
    yield ""
    yield "## Instructions a call"
    yield ""
    if figures.not_counted:
        yield f"They were not counted, as {figures.not_counted}."
        return
    yield (
        f"What callgrind counts in the client's process for one call with {CONTACTS} contacts, on "
        "asyncio; what starting and connecting take is left out."
    )
    yield ""
    yield from table(
        ("contender", "instructions a call"),
        [(name, f"{counted:,.0f}") for name, counted in figures.instructions.items()],
    )


def _initialization(figures: Figures) -> Iterator[str]:
    rows = []
    for name in ("wxcontacts_async", RETRY_LOOP.name):
        seconds = figures.spread("initialization", name, lambda m: m.seconds)
        ideal = figures.spread("initialization", name, lambda m: m.ideal_seconds)
        against = figures.spread("initialization", name, lambda m: m.to_ideal)
        if seconds and ideal:
            rows.append((name, f"{seconds.median:.2f} s", f"{ideal.median:.2f} s", shown(against)))
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
    yield from table(("contender", "time", "ideal", "against the ideal"), rows)


def _failures(figures: Figures) -> Iterator[str]:
    failures = [run for run in figures.runs if run.failure]
    if failures:
        yield ""
        yield "## Failures"
        yield ""
        for run in failures:
            yield f"- {run.workload}/{run.contender}, round {run.round + 1}: {run.failure}"
