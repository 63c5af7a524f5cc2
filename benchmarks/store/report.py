"""The store page's goals and report, in Markdown."""

from collections.abc import Callable, Iterator

from benchmarks.figures import Spread
from benchmarks.goals import Goal
from benchmarks.store.contenders import (
    ASYNCPG,
    LIBRARY_POSTGRESQL,
    LIBRARY_SQLITE,
    STORE_BY_NAME,
    STORE_CONTENDERS,
    StoreContender,
)
from benchmarks.store.measured import PHASES, Phase
from benchmarks.store.run import CHANGED, StoreFigures
from benchmarks.workloads import SLOTS

_AGAINST_SQLITE = 1.5
_AGAINST_ASYNCPG = 0.97  # level, but for what differs from round to round
_UNCHANGED = 2.0
_LAG = 0.020
_FLAT = 1.10
_MET = {True: "met", False: "**not met**", None: "-"}
_TITLES = {
    "first": "The first sync, into an empty database",
    "unchanged": "The second, with nothing changed",
    "changed": f"The third, with {CHANGED:.0%} changed",
}
_OURS = (LIBRARY_SQLITE, LIBRARY_POSTGRESQL)


def store_goals(figures: StoreFigures) -> list[Goal]:
    """Return all of them, in the order of the report."""
    sqlite_peers = [
        contender
        for contender in STORE_CONTENDERS
        if contender.database == "SQLite" and not contender.is_library
    ]
    rows = [
        _goal(
            f"SQLite, {name} sync: contacts/s against the best peer",
            *_closest(figures, LIBRARY_SQLITE, sqlite_peers, name),
            at_least=_AGAINST_SQLITE,
        )
        for name in PHASES
    ]
    rows += [
        _goal(
            f"PostgreSQL, {name} sync: contacts/s against asyncpg COPY",
            *_closest(figures, LIBRARY_POSTGRESQL, [ASYNCPG], name),
            at_least=_AGAINST_ASYNCPG,
        )
        for name in PHASES
    ]
    for ours in _OURS:
        rows += [
            _goal(
                f"{ours.database}: the unchanged sync's contacts/s against the first's",
                _unchanged_to_first(figures, ours),
                at_least=_UNCHANGED,
            ),
            _goal(
                f"{ours.database}: loop lag p99, the worst sync",
                _worst(figures, ours, lambda phase: phase.lag.p99),
                at_most=_LAG,
                shown=_milliseconds,
            ),
            _goal(
                f"{ours.database}: most memory in the second half of a sync against the first",
                _worst(figures, ours, lambda phase: phase.late_bytes / phase.early_bytes),
                at_most=_FLAT,
            ),
        ]
    return rows


def _goal(
    goal: str,
    spread: Spread | None,
    who: str = "",
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    shown: Callable[[float], str] = "{:.2f}".format,
) -> Goal:
    target = f"at least {shown(at_least)}" if at_least is not None else f"at most {shown(at_most)}"  # type: ignore[arg-type]
    if spread is None:
        return Goal(goal, target, "not measured", None)
    met = (at_least is None or spread.median >= at_least) and (
        at_most is None or spread.median <= at_most
    )
    return Goal(goal, target, _shown(spread, shown) + (f", {who}" if who else ""), met)


def _ratio(figures: StoreFigures, mine: str, other: str, name: str) -> Spread | None:
    """Return how many times as fast as the other it is, each pair of the same round."""
    ours, others = figures.phases(mine, name), figures.phases(other, name)
    return Spread.of(others[n].seconds / ours[n].seconds for n in ours if n in others)


def _closest(
    figures: StoreFigures,
    mine: StoreContender,
    peers: list[StoreContender],
    name: str,
) -> tuple[Spread | None, str]:
    ratios = [
        (ratio, peer.name)
        for peer in peers
        if (ratio := _ratio(figures, mine.name, peer.name, name))
    ]
    return min(ratios, key=lambda found: found[0].median, default=(None, ""))


def _unchanged_to_first(figures: StoreFigures, ours: StoreContender) -> Spread | None:
    first = figures.phases(ours.name, "first")
    unchanged = figures.phases(ours.name, "unchanged")
    return Spread.of(first[n].seconds / unchanged[n].seconds for n in first)


def _worst(
    figures: StoreFigures,
    ours: StoreContender,
    value: Callable[[Phase], float],
) -> Spread | None:
    """Return, over the rounds, the highest value of any sync."""
    return Spread.of(
        max(map(value, run.measured.phases))
        for run in figures.runs
        if run.contender == ours.name and run.measured
    )


def render_store(figures: StoreFigures) -> str:
    """Return the whole page."""
    return "\n".join(_lines(figures)).rstrip() + "\n"


def _lines(figures: StoreFigures) -> Iterator[str]:
    machine, size = figures.machine, figures.size
    yield "# The store"
    yield ""
    yield (
        f"{machine.date:%Y-%m-%d %H:%M} UTC, {machine.processor}, {machine.cores} cores, "
        f"{machine.system}, load average {machine.load} at the start; "
        f"{'the quick run, ' if figures.quick else ''}{figures.rounds} "
        f"{'round' if figures.rounds == 1 else 'rounds'} in {figures.seconds / 60:.1f} minutes."
    )
    yield ""
    yield ", ".join(f"{name} {version}" for name, version in machine.versions.items()) + "."
    yield ""
    yield (
        f"{size.instances:,} instances of {size.contacts:,} contacts are brought into a database "
        f"three times: into an empty one, with nothing changed, and with {CHANGED:.0%} of the "
        "contacts changed, left or come. Every contender runs in a fresh process with a fresh "
        f"database, and fetches with `SessionPool.stream`, {SLOTS} slots, from the benchmarks' "
        "server; its figures include that. `fetch-only` writes nothing: what it takes is what all "
        "have in common. Processes are not pinned, since writing has a thread or a server of its "
        "own. All write the same contacts, change log and outcomes, with the same indexes, 10,000 "
        "contacts or more in a transaction; what they leave is compared. SQLite runs in WAL mode "
        "with `synchronous = NORMAL` for all; PostgreSQL as it comes."
    )
    yield ""
    yield (
        "A figure is the median over the rounds; a ratio is of two figures of the same round, "
        "shown as median (lowest to highest). CPU seconds are the process's, plus the database "
        "server's where there is one."
    )
    for name, reason in figures.missing.items():
        yield ""
        yield f"**{name} did not take part**: {reason}."
    yield ""
    yield "## Goals"
    yield ""
    yield "| goal | target | measured | |"
    yield "| --- | --- | --- | --- |"
    for goal in store_goals(figures):
        yield f"| {goal.goal} | {goal.target} | {goal.measured} | {_MET[goal.met]} |"
    for name in PHASES:
        yield ""
        yield f"## {_TITLES[name]}"
        yield ""
        yield from _table(figures, name)
    failures = [run for run in figures.runs if run.failure]
    if failures:
        yield ""
        yield "## Failures"
        yield ""
        for run in failures:
            yield f"- {run.contender}, round {run.round + 1}: {run.failure}"


def _table(figures: StoreFigures, name: str) -> Iterator[str]:
    yield (
        "| contender | contacts/s | wxcontacts_async against it | CPU s | loop lag p50 / p99 / max "
        "| most memory, first half / second half |"
    )
    yield "| --- | --- | --- | --- | --- | --- |"
    contacts = figures.size.instances * figures.size.contacts
    for contender in STORE_CONTENDERS:
        phases = list(figures.phases(contender.name, name).values())
        if not phases:
            continue

        def of(
            value: Callable[[Phase], float],
            shown: Callable[[float], str],
            phases: list[Phase] = phases,
        ) -> str:
            spread = Spread.of(map(value, phases))
            return shown(spread.median) if spread else "-"

        rate = of(lambda phase: contacts / phase.seconds, "{:,.0f}".format)
        cpu = of(lambda phase: phase.cpu_seconds, "{:.1f}".format)
        if contender.database == "PostgreSQL":
            cpu += " + " + of(lambda phase: phase.server_cpu_seconds, "{:.1f}".format)
        lag = " / ".join(
            (
                of(lambda phase: phase.lag.p50, _milliseconds),
                of(lambda phase: phase.lag.p99, _milliseconds),
                of(lambda phase: phase.lag.max, _milliseconds),
            ),
        )
        memory = " / ".join(
            (
                of(lambda phase: phase.early_bytes, _megabytes),
                of(lambda phase: phase.late_bytes, _megabytes),
            ),
        )
        against = _against(figures, contender, name)
        yield f"| {contender.name} | {rate} | {against} | {cpu} | {lag} | {memory} |"


def _against(figures: StoreFigures, contender: StoreContender, name: str) -> str:
    for ours in _OURS:
        if ours.database == contender.database and ours is not STORE_BY_NAME[contender.name]:
            ratio = _ratio(figures, ours.name, contender.name, name)
            return "-" if ratio is None else _shown(ratio)
    return ""


def _shown(spread: Spread, shown: Callable[[float], str] = "{:.2f}".format) -> str:
    return f"{shown(spread.median)} ({shown(spread.low)} to {shown(spread.high)})"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _megabytes(memory: float) -> str:
    return f"{memory / 1e6:,.0f} MB"
