"""The benchmarks run: contenders return the server's contacts, and the report is written."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count

import msgspec
import pytest

from benchmarks.contender_process import Harness, WrongContactsError
from benchmarks.contenders import BY_NAME
from benchmarks.figures import Figures
from benchmarks.goals import goals
from benchmarks.ideal import ideal_seconds
from benchmarks.instances import Setup
from benchmarks.machine import Machine
from benchmarks.measured import Import, Lag, Measured, Run, Task, Waiting
from benchmarks.pages import regions, replaced
from benchmarks.processes import serving
from benchmarks.report import render
from benchmarks.runner import PEERS_IMPORTS
from benchmarks.server import Announcement
from benchmarks.workloads import INITIALIZATION_INTERVAL, SLOTS, Workload, workloads
from tests.support.loops import on_asyncio

TINY = Workload(
    name="tiny",
    title="tiny",
    setup=Setup(20, initializing_calls=1, bodies=2),
    instances=2 * SLOTS,
    seconds=0.01,
    lag_seconds=0.01,
)

# Each has instances of its own, since an instance is initializing once only.
FIRST = count(0, 1 << 20)


@pytest.fixture(scope="module")
def server() -> Iterator[Announcement]:
    with serving(TINY.setup) as announcement:
        yield announcement


def harness(server: Announcement, contender: str, workload: Workload = TINY) -> Harness:
    task = Task(
        contender=contender,
        workload=workload.name,
        quick=True,
        url=server.url,
        fingerprints=server.fingerprints,
        first=next(FIRST),
        core=None,
    )
    return Harness(workload, task, BY_NAME[contender])


@on_asyncio
@pytest.mark.parametrize("contender", ["floor", "wxcontacts_async"])
async def test_a_contender_returns_the_servers_contacts_and_is_measured(
    server: Announcement,
    contender: str,
) -> None:
    measured = await harness(server, contender).measure()
    assert measured.instances == 2 * SLOTS
    assert measured.contacts == 20
    assert measured.seconds > 0
    assert measured.cpu_seconds > 0
    assert measured.page_faults >= 0
    assert measured.peak_bytes > 1_000_000
    assert measured.lag is not None


@on_asyncio
async def test_other_contacts_than_the_servers_are_noticed(server: Announcement) -> None:
    other = msgspec.structs.replace(server, fingerprints=[0, 0])
    with pytest.raises(WrongContactsError):
        await harness(other, "floor").measure()


@on_asyncio
async def test_initialization_is_waited_for_and_measured_against_its_ideal(
    server: Announcement,
) -> None:
    workload = msgspec.structs.replace(TINY, initializing=True, instances=8)
    measured = await harness(server, "wxcontacts_async", workload).measure()
    assert measured.to_ideal is not None
    assert measured.seconds > INITIALIZATION_INTERVAL


@pytest.mark.parametrize(
    ("instances", "calls", "ideal"),
    [(4, 0, 2.0), (1, 5, 1.0), (2, 1, 12.0), (2, 2, 23.0), (40, 1, 31.0)],
)
def test_the_ideal_is_what_slots_and_waits_take(instances: int, calls: int, ideal: float) -> None:
    assert ideal == ideal_seconds(
        instances,
        slots=2,
        call_seconds=1.0,
        initializing_calls=calls,
        interval=10.0,
    )


def figures(*, missing: str = "wreq-msgspec") -> Figures:
    measured = Measured(
        instances=100,
        contacts=200,
        seconds=2.0,
        cpu_seconds=1.0,
        page_faults=1_000,
        peak_bytes=50_000_000,
        lag=Lag(0.001, 0.002, 0.003, 100),
        seconds_at_few=0.02,
        ideal_seconds=2.0,
    )
    return Figures(
        quick=True,
        rounds=1,
        seconds=1.0,
        machine=Machine(
            date=datetime.now(UTC),
            processor="a processor",
            cores=2,
            pinned=False,
            load=0.0,
            system="a system",
            versions={"Python": "3"},
        ),
        missing={missing: ["wreq"]},
        runs=[
            Run(workload=workload.name, contender=name, round=0, measured=measured)
            for workload in workloads(quick=True)
            for name in BY_NAME
            if name != missing
        ],
        waiting=[Waiting(1_000, 900.0)],
        imports={"wxcontacts_async": [Import(0.1)], ", ".join(PEERS_IMPORTS): [Import(0.1)]},
        not_counted="there is no valgrind",
    )


def test_every_goal_is_a_row_with_its_figure() -> None:
    rows = {goal.goal: goal for goal in goals(figures())}
    assert len(rows) == 39
    assert all(goal.met is not None for goal in rows.values())
    assert rows["memory an instance, 1,000 waiting at once"].met is True
    assert rows["against the best peer, 200 contacts, gzip, uvloop"].met is True
    assert rows["against the best peer, 200 contacts, chunked, asyncio"].met is False


def test_what_was_not_measured_is_said_to_be_so() -> None:
    nothing = msgspec.structs.replace(figures(), runs=[], waiting=[], imports={})
    assert {goal.measured for goal in goals(nothing)} == {"not measured"}
    assert "**not met**" not in render(nothing)


def test_the_report_says_which_peer_did_not_take_part_and_who_failed() -> None:
    failed = Run(workload="200", contender="floor", round=0, failure="it broke")
    measured = figures()
    report = render(msgspec.structs.replace(measured, runs=[*measured.runs, failed]))
    assert "**wreq-msgspec did not take part**: wreq is not installed." in report
    assert "- 200/floor, round 1: it broke" in report
    assert "| aiohttp-msgspec | 50 | 10,000 | 10,000 us | 1.00 (1.00 to 1.00) | - | 10 |" in report
    assert "They were not counted, as there is no valgrind." in report


def test_the_pages_have_marks_for_all_figures() -> None:
    for (page, name), text in regions(figures()).items():
        assert text in replaced(page.read_text(encoding="utf-8"), name, text)
        assert text.startswith(("|", "Medians", "2026-"))


def test_the_chinese_table_has_the_figures_of_the_english_one() -> None:
    english, chinese, *_ = regions(figures()).values()
    in_cells = r"(?<=\| )[\d,]+\d(?= (?:us |微秒 )?\|)"
    assert len(re.findall(in_cells, english)) > 20
    assert re.findall(in_cells, english) == re.findall(in_cells, chinese)
    assert "个/应答" in chinese
    assert not re.findall(r"reply|chunks|the floor| us ", chinese)
