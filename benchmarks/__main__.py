"""`python -m benchmarks`: runs them, writes the report and draws the charts."""

import argparse
import signal
import sys
from pathlib import Path
from shutil import copy

import msgspec

from benchmarks.figures import Figures
from benchmarks.goals import Goal, goals
from benchmarks.pages import CHART, write_pages
from benchmarks.report import render
from benchmarks.runner import BenchmarkRun

_ROUNDS, _QUICK_ROUNDS = 7, 1
_STORE_ROUNDS = 1  # one takes some 15 minutes
_OUTPUT = Path(__file__).parent / "results"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure wxcontacts_async beside its peers, in under 15 minutes on 2 cores.",
    )
    parser.add_argument(
        "page",
        nargs="?",
        choices=("client", "store"),
        default="client",
        help="what is measured: fetching, or bringing a database in step (client)",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="one short round of everything, in under 2 minutes; not for comparing",
    )
    parser.add_argument(
        "--rounds",
        type=int,
        help=f"how often each process is run ({_ROUNDS}, for the store {_STORE_ROUNDS}, "
        f"or {_QUICK_ROUNDS} with --quick)",
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="WORKLOAD/CONTENDER",
        help="run what matches this pattern, such as '200/*', '*/floor' or 'store/*sqlite*'; "
        "may be repeated",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        default=_OUTPUT,
        help="where the report, the figures and the charts are written (benchmarks/results)",
    )
    parser.add_argument(
        "--figures",
        type=Path,
        metavar="FILE",
        help="measure nothing; take the figures of an earlier run, such as "
        "benchmarks/results/figures.json",
    )
    parser.add_argument(
        "--write",
        action="store_true",
        help="write the tables into docs/speed.md and benchmarks/README.md, between their marks, "
        "and the chart of the README into docs/images",
    )
    parser.add_argument(
        "--growth",
        action="store_true",
        help="of the store: grow a database of each kind to 10 million contacts, which takes an "
        "hour (to half a million with --quick)",
    )
    arguments = parser.parse_args()
    if arguments.rounds is None:
        rounds = _ROUNDS if arguments.page == "client" else _STORE_ROUNDS
        arguments.rounds = _QUICK_ROUNDS if arguments.quick else rounds
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    if arguments.page == "store" and (arguments.write or arguments.figures):
        parser.error("--write and --figures are for the client's page")
    if arguments.growth and arguments.page != "store":
        parser.error("--growth is for the store's page")
    return arguments


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")


def _client(arguments: argparse.Namespace) -> None:
    figures = _measured(arguments)
    _write(arguments.output, ("report", "figures"), render(figures), goals(figures), figures)
    try:
        from benchmarks.charts import draw  # noqa: PLC0415  # matplotlib is an extra
    except ModuleNotFoundError as error:
        _tell(f"no charts are drawn, since {error.name} is not installed")
    else:
        draw(figures, arguments.output)
    if arguments.write:
        chart = arguments.output / CHART.name
        for page in [*write_pages(figures), *([copy(chart, CHART)] if chart.exists() else [])]:
            _tell(f"the figures are in {page}")
    else:
        _tell("docs/speed.md and benchmarks/README.md are as they were; --write brings them there")


def _measured(arguments: argparse.Namespace) -> Figures:
    if arguments.figures:
        return msgspec.json.decode(arguments.figures.read_bytes(), type=Figures)
    return BenchmarkRun(
        quick=arguments.quick,
        rounds=arguments.rounds,
        only=arguments.only,
        tell=_tell,
    ).run()


def _store(arguments: argparse.Namespace) -> None:
    # Imported here, as it needs the extra `store`, and the others do not.
    from benchmarks.store.report import render_store, store_goals  # noqa: PLC0415
    from benchmarks.store.run import QUICK_SIZE, StoreBenchmark, StoreSize  # noqa: PLC0415

    figures = StoreBenchmark(
        quick=arguments.quick,
        rounds=arguments.rounds,
        only=arguments.only,
        size=QUICK_SIZE if arguments.quick else StoreSize(),
        tell=_tell,
    ).run()
    report = render_store(figures)
    _write(arguments.output, ("store", "store"), report, store_goals(figures), figures)
    try:
        from benchmarks.store.charts import draw_store  # noqa: PLC0415  # matplotlib is an extra
    except ModuleNotFoundError as error:
        _tell(f"no chart is drawn, since {error.name} is not installed")
    else:
        draw_store(figures, arguments.output)


def _growth(arguments: argparse.Namespace) -> None:
    from benchmarks.store.growth import (  # noqa: PLC0415  # as above
        GROWN,
        QUICK_GROWN,
        measure_growth,
        render_growth,
    )

    found = measure_growth(QUICK_GROWN if arguments.quick else GROWN, _tell)
    report = render_growth(found)
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "growth.md").write_text(report, encoding="utf-8")
    sys.stdout.write(report)


def _write(
    output: Path,
    names: tuple[str, str],
    report: str,
    found: list[Goal],
    figures: msgspec.Struct,
) -> None:
    """Write a report and its figures, and show the report."""
    output.mkdir(parents=True, exist_ok=True)
    (output / f"{names[0]}.md").write_text(report, encoding="utf-8")
    written = msgspec.json.encode({"goals": found, **msgspec.to_builtins(figures)})
    (output / f"{names[1]}.json").write_bytes(msgspec.json.format(written) + b"\n")
    sys.stdout.write(report)


def main() -> None:
    """Run what the command line says."""
    arguments = _arguments()
    # Whatever was started is ended, and temporary databases are removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    if arguments.growth:
        _growth(arguments)
    elif arguments.page == "store":
        _store(arguments)
    else:
        _client(arguments)


if __name__ == "__main__":
    main()
