"""The store page runs, notices what is wrong in a database, and says what did not take part."""

from pathlib import Path

import msgspec
import pytest

from benchmarks.store.contents import Contents, contents_of
from benchmarks.store.growth import measure_growth, render_growth
from benchmarks.store.measured import PHASES
from benchmarks.store.report import render_store, store_goals
from benchmarks.store.run import StoreBenchmark, StoreFigures, StoreSize
from benchmarks.store.temporary_postgresql import NoPostgreSQLError

pytest.importorskip("adbc_driver_sqlite")
pytest.importorskip("psutil")


def benchmark(*only: str) -> StoreFigures:
    told: list[str] = []
    return StoreBenchmark(
        quick=True,
        rounds=1,
        only=list(only),
        size=StoreSize(instances=4, contacts=200, bodies=2),
        tell=told.append,
    ).run()


@pytest.mark.slow
def test_contenders_leave_the_same_in_sqlite_and_are_measured() -> None:
    figures = benchmark("store/wxcontacts_async-sqlite", "store/sqlite3-*")
    names = {run.contender for run in figures.runs}
    assert names == {"wxcontacts_async-sqlite", "sqlite3-executemany"}
    assert [run.failure for run in figures.runs] == [None] * len(figures.runs)
    for name in PHASES:
        assert figures.phases("wxcontacts_async-sqlite", name)[0].seconds > 0
    goals = {goal.goal: goal for goal in store_goals(figures)}
    assert goals["SQLite, first sync: contacts/s against the best peer"].met is not None
    assert goals["PostgreSQL: loop lag p99, the worst sync"].met is None


@pytest.mark.slow
def test_other_contents_than_the_first_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def one_less(url: str, some: list[str]) -> Contents:
        contents = contents_of(url, some)
        seen.append(url)
        return msgspec.structs.replace(contents, contacts=contents.contacts - len(seen))

    monkeypatch.setattr("benchmarks.store.run.contents_of", one_less)
    figures = benchmark("store/wxcontacts_async-sqlite", "store/sqlite3-*")
    assert [run.failure is None for run in figures.runs] == [True, False]
    assert "## Failures" in render_store(figures)


@pytest.mark.slow
def test_without_postgresql_the_page_says_so_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Path:
        raise NoPostgreSQLError("there is none")

    monkeypatch.setattr("benchmarks.store.postgresql.newest_binaries", none)
    report = render_store(benchmark("store/fetch-only", "store/wxcontacts_async-postgresql"))
    assert "**wxcontacts_async-postgresql did not take part**: no PostgreSQL: there is none." in (
        report
    )


@pytest.mark.slow
def test_both_databases_are_grown_and_what_they_come_to_is_shown() -> None:
    told: list[str] = []
    found = measure_growth(StoreSize(instances=20, contacts=100, bodies=2), told.append)

    assert [each.database for each in found] == ["SQLite", "PostgreSQL"]
    assert {each.contacts for each in found} == {2_000}
    assert all(len(each.tenths) == 10 and each.bytes_a_contact > 100 for each in found)
    assert "| last tenth beside the first | " in render_growth(found)
    assert len(told) == 2
