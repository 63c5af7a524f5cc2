"""The goals, each with what was measured and whether it is met."""

from collections.abc import Callable, Iterator

import msgspec

from benchmarks.contenders import LIBRARY, LIBRARY_UVLOOP
from benchmarks.figures import Figures, Spread
from benchmarks.measured import Measured
from benchmarks.runner import PEERS_IMPORTS
from benchmarks.tables import megabytes, milliseconds
from benchmarks.workloads import LARGEST, SLOTS

# By workload; asyncio alone.
_TO_THE_FLOOR = {"5": 0.45, "200": 0.85, "2000": 0.95, "10000": 1.15, "10000-settled": 0.80}
# By workload; asyncio and uvloop.
_TO_THE_BEST_PEER = {
    "5": 1.20,
    "200": 1.05,
    "200-chunked": 1.05,
    "200-gzip": 1.00,
    "2000": 1.05,
    "10000": 1.05,
    "10000-settled": 1.05,
    "10000-chunked": 1.05,
    "10000-gzip": 1.05,
}
_TOGETHER = ("lag-10000", "lag-10000-chunked", "lag-10000-gzip")
_LAG_P99, _LAG_MAX, _PEAK_BYTES = 0.003, 0.008, 110e6
_LAG_WITH_LARGEST = 0.005
_LAG_AT_200 = 0.005
_INITIALIZATION = 1.10
_MANY_TO_FEW = 1.15
_BYTES_WAITING = 1_320
_PEAK = 1.10
_IMPORT = 1.10

_LIBRARIES = (LIBRARY, LIBRARY_UVLOOP)


class Goal(msgspec.Struct, frozen=True):
    """One row; `met` is None where nothing was measured."""

    goal: str
    target: str
    measured: str
    met: bool | None


def goals(figures: Figures) -> list[Goal]:
    """Return all of them, in the order of the report."""
    return [
        *_against_the_floor(figures),
        *_against_peers(figures),
        *_lag(figures),
        _initialization(figures),
        _many(figures),
        _waiting(figures),
        _peak_memory(figures),
        _import(figures),
    ]


def _row(
    goal: str,
    spread: Spread | None,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    shown: Callable[[float], str] = "{:.2f}".format,
    who: str = "",
) -> Goal:
    bound = at_least if at_least is not None else at_most
    assert bound is not None  # noqa: S101  # for the type checker
    target = f"at {'least' if at_least is not None else 'most'} {shown(bound)}"
    if spread is None:
        return Goal(goal, target, "not measured", None)
    met = spread.median >= bound if at_least is not None else spread.median <= bound
    measured = f"{shown(spread.median)} ({shown(spread.low)} to {shown(spread.high)})"
    return Goal(goal, target, measured + (f", {who}" if who else ""), met)


def _against_the_floor(figures: Figures) -> Iterator[Goal]:
    for workload, bound in _TO_THE_FLOOR.items():
        yield _row(
            f"against the floor, {_named(workload)}, {LIBRARY.loop}",
            figures.ratio_to_floor(workload, LIBRARY.name),
            at_least=bound,
        )


def _against_peers(figures: Figures) -> Iterator[Goal]:
    for workload, bound in _TO_THE_BEST_PEER.items():
        for library in _LIBRARIES:
            ratio, peer = figures.ratio_to_best_peer(workload, library.name)
            yield _row(
                f"against the best peer, {_named(workload)}, {library.loop}",
                ratio,
                at_least=bound,
                who=peer,
            )


def _named(workload: str) -> str:
    contacts, _, kind = workload.partition("-")
    return f"{int(contacts):,} contacts" + (f", {kind}" if kind else "")


def _lag(figures: Figures) -> Iterator[Goal]:
    for workload in _TOGETHER:
        form = workload.removeprefix("lag-10000").removeprefix("-") or "plain"
        together = f"{SLOTS} replies of 10,000 contacts together, {form}"
        for what, value, bound, written in (
            ("lag p99", _lag_p99, _LAG_P99, milliseconds),
            ("max lag", _lag_max, _LAG_MAX, milliseconds),
            ("peak memory", _peak_bytes, _PEAK_BYTES, megabytes),
        ):
            yield _row_of_worst(
                f"{what}, {together}", figures, workload, value, at_most=bound, written=written
            )
    yield _row_of_worst(
        f"lag p99, replies of {LARGEST:,} contacts",
        figures,
        f"lag-{LARGEST}",
        _lag_p99,
        at_most=_LAG_WITH_LARGEST,
        written=milliseconds,
    )
    yield _row_of_worst(
        "lag p99, replies of 200 contacts",
        figures,
        "lag-200",
        _lag_p99,
        at_most=_LAG_AT_200,
        written=milliseconds,
    )


def _row_of_worst(
    goal: str,
    figures: Figures,
    workload: str,
    value: Callable[[Measured], float | None],
    *,
    at_most: float,
    written: Callable[[float], str],
) -> Goal:
    """Make a row of the loop on which it is worse."""
    found = [
        (spread, library.loop)
        for library in _LIBRARIES
        if (spread := figures.spread(workload, library.name, value))
    ]
    worst, loop = max(found, key=lambda one: one[0].median, default=(None, ""))
    return _row(goal, worst, at_most=at_most, shown=written, who=loop)


def _lag_p99(measured: Measured) -> float | None:
    return measured.lag_p99


def _lag_max(measured: Measured) -> float | None:
    return measured.lag_max


def _peak_bytes(measured: Measured) -> float | None:
    return measured.peak_bytes


def _initialization(figures: Figures) -> Goal:
    return _row(
        "initialization, time against the ideal",
        figures.spread("initialization", LIBRARY.name, lambda m: m.to_ideal),
        at_most=_INITIALIZATION,
    )


def _many(figures: Figures) -> Goal:
    measured = figures.measured("many", LIBRARY.name)
    instances = max((found.instances for found in measured.values()), default=0)
    return _row(
        f"cost an instance, {instances:,} of 5 contacts against 1,000",
        figures.spread("many", LIBRARY.name, lambda m: m.many_to_few),
        at_most=_MANY_TO_FEW,
    )


def _waiting(figures: Figures) -> Goal:
    instances = max((waiting.instances for waiting in figures.waiting), default=0)
    return _row(
        f"memory an instance, {instances:,} waiting at once",
        Spread.of(waiting.bytes_each for waiting in figures.waiting),
        at_most=_BYTES_WAITING,
        shown=lambda value: f"{value / 1000:.2f} KB",
    )


def _peak_memory(figures: Figures) -> Goal:
    sizes = sorted(
        int(run.workload.removeprefix("memory-"))
        for run in figures.runs
        if run.workload.startswith("memory-")
    )
    few, many = (sizes[0], sizes[-1]) if sizes else (0, 0)
    mine = figures.measured(f"memory-{many}", LIBRARY.name)
    others = figures.measured(f"memory-{few}", LIBRARY.name)
    return _row(
        f"peak memory, {many:,} instances of 2,000 contacts against {few:,}",
        Spread.of(
            mine[n].peak_bytes / others[n].peak_bytes for n in mine if n in others and many > few
        ),
        at_most=_PEAK,
    )


def _import(figures: Figures) -> Goal:
    mine = figures.imports.get("wxcontacts_async", [])
    theirs = figures.imports.get(", ".join(PEERS_IMPORTS), [])
    row = _row(
        f"`import wxcontacts_async` against `import {', '.join(PEERS_IMPORTS)}`, no extra",
        Spread.of(a.seconds / b.seconds for a, b in zip(mine, theirs, strict=True)),
        at_most=_IMPORT,
    )
    extras = sorted({extra for found in mine for extra in found.extras})
    if not extras:
        return row
    return msgspec.structs.replace(row, met=False, measured=f"{row.measured}, {extras} imported")
