"""Who runs in which round of the benchmarks, what is counted, and where the figures are written."""

import pytest

from benchmarks.contenders import BY_NAME
from benchmarks.instructions import instructions_a_call, without_valgrind
from benchmarks.measured import Measured, Run
from benchmarks.pages import MarksMissingError, replaced
from benchmarks.sitting_out import sits_out


def rounds(contender: str, *cpu_seconds: float) -> list[Run]:
    return [
        Run(
            workload="200",
            contender=contender,
            round=number,
            measured=Measured(
                instances=1,
                contacts=1,
                seconds=1.0,
                cpu_seconds=seconds,
                page_faults=0,
                peak_bytes=0,
            ),
        )
        for number, seconds in enumerate(cpu_seconds)
    ]


@pytest.mark.parametrize(
    ("httpx", "out"),
    [((2.1,), True), ((1.8,), False), ((1.8, 1.8), True), ((1.4, 2.0), False)],
)
def test_a_peer_that_is_far_behind_in_each_round_sits_out(
    httpx: tuple[float, ...],
    *,
    out: bool,
) -> None:
    runs = [
        *rounds("wxcontacts_async", 1.0, 1.0, 1.0),
        *rounds("wreq-msgspec", 1.6, 1.6, 1.6),
        *rounds("httpx-msgspec", *httpx),
    ]
    assert sits_out(BY_NAME["httpx-msgspec"], "200", runs) is out
    assert not sits_out(BY_NAME["httpx-msgspec"], "2000", runs)
    assert not sits_out(BY_NAME["httpx-msgspec-uvloop"], "200", runs)


def test_the_best_peer_and_the_floor_never_sit_out() -> None:
    runs = [
        *rounds("wxcontacts_async", 1.0, 1.0),
        *rounds("floor", 2.0, 2.0),
        *rounds("wreq-msgspec", 1.6, 1.6),
    ]
    assert not sits_out(BY_NAME["wreq-msgspec"], "200", runs)
    assert not sits_out(BY_NAME["floor"], "200", runs)


def test_figures_are_written_between_the_marks_alone() -> None:
    page = (
        "before\n<!-- figures of python -m benchmarks: speed -->\nold\n<!-- end of figures -->\n"
        "between\n<!-- figures of python -m benchmarks: lag -->\nold\n<!-- end of figures -->\nend"
    )
    once = replaced(page, "lag", "new")
    assert once.count("old") == 1
    assert once.endswith("lag -->\n\nnew\n\n<!-- end of figures -->\nend")
    assert replaced(once, "lag", "new") == once
    with pytest.raises(MarksMissingError):
        replaced(page, "memory", "new")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_instructions_are_counted_where_there_is_valgrind() -> None:
    if reason := without_valgrind():
        pytest.skip(reason)
    assert 10_000 < instructions_a_call(["floor"], print)["floor"] < 1_000_000


def test_without_valgrind_it_is_said_why_none_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert without_valgrind() == "valgrind is not installed"
