"""The goals, each with what was measured and whether it is met."""

from collections.abc import Callable, Iterable, Iterator

import msgspec

from benchmarks.contenders import CONTENDERS, LIBRARY, LIBRARY_UVLOOP, Contender
from benchmarks.figures import Figures, Spread
from benchmarks.runner import PEERS_IMPORTS

_TO_THE_FLOOR = {"10000": 0.95, "2000": 0.90, "200": 0.75}
_TO_USUAL_DECODE = {"10000": 1.8, "2000": 1.8, "200": 2.0}
_HTTPX_AT_200 = 4.0
_PEER_AHEAD = 1.03
_LAG_IN_DECODES = 1.5
_LAG_BELOW_PEERS = 4.0
_LAG_AT_200 = 0.005
_INITIALIZATION = 1.10
_MANY_TO_FEW = 1.15
_BYTES_WAITING = 5_000
_PEAK = 1.10
_IMPORT = 1.10

_USUAL = [contender for contender in CONTENDERS if contender.role == "usual"]
_MSGSPEC = [contender for contender in CONTENDERS if contender.role == "msgspec"]
_PEERS = [*_USUAL, *_MSGSPEC]


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
        *_against_usual_decode(figures),
        *_against_msgspec(figures),
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
        for library in (LIBRARY, LIBRARY_UVLOOP):
            yield _row(
                f"contacts/s against the floor, {int(workload):,} contacts, {library.loop}",
                figures.ratio_to_floor(workload, library.name),
                at_least=bound,
            )


def _against_usual_decode(figures: Figures) -> Iterator[Goal]:
    for workload, bound in _TO_USUAL_DECODE.items():
        yield _row_of_closest(
            f"contacts/s against pure-Python peers with their usual decode, {int(workload):,}",
            figures,
            workload,
            _USUAL,
            at_least=bound,
        )
    yield _row_of_closest(
        "contacts/s against httpx with its usual decode, 200",
        figures,
        "200",
        [contender for contender in _USUAL if "httpx" in contender.packages],
        at_least=_HTTPX_AT_200,
    )


def _row_of_closest(
    goal: str,
    figures: Figures,
    workload: str,
    peers: Iterable[Contender],
    *,
    at_least: float,
) -> Goal:
    ratios = [
        (ratio, peer.name)
        for peer in peers
        if (ratio := figures.ratio(workload, LIBRARY.name, peer.name))
    ]
    closest = min(ratios, key=lambda found: found[0].median, default=(None, ""))
    return _row(goal, closest[0], at_least=at_least, who=closest[1])


def _against_msgspec(figures: Figures) -> Iterator[Goal]:
    for workload in ("10000", "2000", "200"):
        # At 200 contacts, one written in Rust may be ahead.
        peers = [peer for peer in _MSGSPEC if peer.pure_python or workload != "200"]
        ratios = [
            (ratio, peer.name)
            for peer in peers
            if (ratio := figures.ratio(workload, peer.name, LIBRARY.name))
        ]
        fastest = max(ratios, key=lambda found: found[0].median, default=(None, ""))
        yield _row(
            f"fastest peer with msgspec against it, contacts/s, {int(workload):,}"
            + (", but for wreq" if workload == "200" else ""),
            fastest[0],
            at_most=_PEER_AHEAD,
            who=fastest[1],
        )


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _lag(figures: Figures) -> Iterator[Goal]:
    together = "lag p99, 32 replies of 10,000 contacts together"
    yield _row(
        f"{together}, against one decode",
        figures.spread("10000", LIBRARY.name, lambda m: m.lag_p99_in_decodes),
        at_most=_LAG_IN_DECODES,
    )
    mine = figures.measured("10000", LIBRARY.name)
    ratios = []
    for peer in _PEERS:
        theirs = figures.measured("10000", peer.name)
        ratio = Spread.of(
            (theirs[number].lag_max or 0.0) / (mine[number].lag_p99 or 1.0)
            for number in mine
            if number in theirs
        )
        if ratio:
            ratios.append((ratio, peer.name))
    closest = min(ratios, key=lambda found: found[0].median, default=(None, ""))
    yield _row(
        f"every peer's max lag against its {together}",
        closest[0],
        at_least=_LAG_BELOW_PEERS,
        who=closest[1],
    )
    yield _row(
        "lag p99, replies of 200 contacts",
        figures.spread("200", LIBRARY.name, lambda m: m.lag_p99),
        at_most=_LAG_AT_200,
        shown=_milliseconds,
    )


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
