"""The figures in docs/speed.md and benchmarks/README.md, between marks, and their tables.

Marks are HTML comments, which no page shows:

    <!-- figures of python -m benchmarks: speed -->
    ...
    <!-- end of figures -->
"""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from benchmarks.figures import Figures
from benchmarks.goals import goals
from benchmarks.instructions import CONTACTS
from benchmarks.measured import Measured
from benchmarks.report import goals_table
from benchmarks.tables import filled_table, megabytes, microseconds, milliseconds

_ROOT = Path(__file__).parents[1]
_DOCS = _ROOT / "docs"
CHART = _DOCS / "images" / "throughput.svg"  # a copy of that in benchmarks/results/
_END = "<!-- end of figures -->"
_SIZES = {
    "5": "5 a reply",
    "200": "200 a reply",
    "2000": "2,000 a reply",
    "10000": "10,000 a reply",
    "10000-settled": "10,000, settled heap",
}
_FORMS = {
    "200-chunked": "200, chunks",
    "200-gzip": "200, gzip",
    "10000-chunked": "10,000, chunks",
    "10000-gzip": "10,000, gzip",
}
_LAGS = {
    "lag-200": "200 a reply",
    "lag-10000": "32 of 10,000 together",
    "lag-10000-chunked": "the same in chunks",
    "lag-10000-gzip": "the same with gzip",
    "lag-150000": "150,000 a reply",
}
_ROWS = {
    "floor": "the floor",
    "wxcontacts_async": "**wxcontacts_async**",
    "wxcontacts_async-uvloop": "**wxcontacts_async, uvloop**",
    "aiohttp-msgspec": "aiohttp, `gather`, msgspec",
    "aiohttp-json": "aiohttp, `gather`, `response.json()`",
    "niquests-msgspec": "niquests, msgspec",
    "httpx-msgspec": "httpx, msgspec",
    "httpx-json": "httpx, `response.json()`",
    "httpx2-msgspec": "httpx2, msgspec",
    "wreq-msgspec": "wreq (Rust), msgspec",
    "pyreqwest-msgspec": "pyreqwest (Rust), msgspec",
}


# What stands in the tables of the Chinese page instead; the longer ones first.
_CHINESE = {
    "contacts a second of CPU time": "每秒 CPU 时间的联系人数",
    "CPU time a reply of contacts": "每个应答的 CPU 时间，按联系人数",
    "10,000, settled heap": "10,000，长期运行的进程",
    " a reply |": " 个/应答 |",
    ", chunks |": "，分块 |",
    ", gzip |": "，gzip |",
    "the floor": "下限",
    ", `gather`, ": "、`gather`、",
    ", msgspec |": "、msgspec |",
    ", `response.json()` |": "、`response.json()` |",
    ", uvloop**": "、uvloop**",
    " us |": " 微秒 |",
}
_CHINESE_MEDIANS = (
    (
        r"Medians of (\d+) rounds on ([\d-]+), on (\d+) cores of (.*?), (Python [\d.]*\d)",
        r"\2 在 \4 的 \3 个核上、用 \5 跑 \1 轮的中位数",
    ),
    (r", of a quick run, which is not for comparing\.", "（快速运行，不宜用于比较）。"),
    (r"(的中位数)\.", r"\1。"),
)


class MarksMissingError(Exception):
    """A page has no place for the figures."""


def regions(figures: Figures) -> dict[tuple[Path, str], str]:
    """Return what stands in each page between the marks of each name."""
    explained = _ROOT / "benchmarks" / "README.md"
    speed = _text(_speed(figures))
    return {
        (_DOCS / "speed.md", "speed"): speed,
        (_DOCS / "speed.zh.md", "speed"): _in_chinese(speed),
        (explained, "goals"): _text(goals_table(goals(figures))),
        (explained, "lag"): _text(_lag(figures)),
    }


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines).strip()


def write_pages(figures: Figures) -> list[Path]:
    """Write the figures into the pages; return those.

    Raises:
        MarksMissingError: A page has no such marks; none is written.

    """
    pages: dict[Path, str] = {}
    for (page, name), text in regions(figures).items():
        before = pages.get(page) or page.read_text(encoding="utf-8")
        pages[page] = replaced(before, name, text)
    for page, text in pages.items():
        page.write_text(text, encoding="utf-8")
    return list(pages)


def replaced(page: str, name: str, text: str) -> str:
    """Return a page with other text between the marks of that name."""
    mark = f"<!-- figures of python -m benchmarks: {name} -->"
    before, begun, rest = page.partition(mark)
    _, ended, after = rest.partition(_END)
    if not begun or not ended:
        msg = f"a page has no {mark} with {_END} after it"
        raise MarksMissingError(msg)
    return f"{before}{mark}\n\n{text}\n\n{_END}{after}"


def _speed(figures: Figures) -> Iterator[str]:
    machine = figures.machine
    yield (
        f"Medians of {figures.rounds} rounds on {machine.date:%Y-%m-%d}, on {machine.cores} cores "
        f"of {machine.processor}, Python {machine.versions.get('Python', '')}"
        + (", of a quick run, which is not for comparing." if figures.quick else ".")
    )
    yield ""
    yield from _by_workload(
        figures,
        "contacts a second of CPU time",
        _SIZES,
        lambda measured: measured.contacts_a_cpu_second,
        lambda rate: f"{round(rate, -3):,.0f}",
    )
    yield ""
    yield from _by_workload(
        figures,
        "CPU time a reply of contacts",
        _FORMS,
        lambda measured: measured.cpu_seconds_a_reply,
        microseconds,
    )


def _in_chinese(speed: str) -> str:
    for english, chinese in _CHINESE.items():
        speed = speed.replace(english, chinese)
    for pattern, chinese in _CHINESE_MEDIANS:
        speed = re.sub(pattern, chinese, speed)
    return speed


def _lag(figures: Figures) -> Iterator[str]:
    for what, value, written in (
        ("loop lag, p99", lambda measured: measured.lag_p99, milliseconds),
        ("loop lag, longest", lambda measured: measured.lag_max, milliseconds),
        ("peak memory", lambda measured: measured.peak_bytes, megabytes),
    ):
        yield from _by_workload(figures, what, _LAGS, value, written)
        yield ""
    if figures.instructions:
        counted = [
            f"{_ROWS[name]} {round(instructions, -3):,.0f}"
            for name, instructions in figures.instructions.items()
        ]
        yield f"Instructions a call with {CONTACTS} contacts: {'; '.join(counted)}."


def _by_workload(
    figures: Figures,
    what: str,
    columns: dict[str, str],
    value: Callable[[Measured], float | None],
    written: Callable[[float], str],
) -> Iterator[str]:
    rows = []
    for name, title in _ROWS.items():
        spreads = [figures.spread(workload, name, value) for workload in columns]
        if any(spreads):
            rows.append((title, *("-" if s is None else written(s.median) for s in spreads)))
    yield from filled_table((what, *columns.values()), rows)
