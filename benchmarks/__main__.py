"""`python -m benchmarks`: runs them, writes the report and draws the charts."""

import argparse
import sys
from pathlib import Path

import msgspec

from benchmarks.goals import goals
from benchmarks.report import render
from benchmarks.runner import BenchmarkRun

_ROUNDS, _QUICK_ROUNDS = 5, 1
_OUTPUT = Path(__file__).parent / "results"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure wxcontacts_async beside its peers, in under 15 minutes on 2 cores.",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="one short round of everything, in under 2 minutes; not for comparing",
    )
    parser.add_argument(
        "--rounds",
        type=int,
        help=f"how often each process is run ({_ROUNDS}, or {_QUICK_ROUNDS} with --quick)",
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="WORKLOAD/CONTENDER",
        help="run what matches this pattern, such as '200/*' or '*/floor'; may be repeated",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        default=_OUTPUT,
        help="where the report, the figures and the charts are written (benchmarks/results)",
    )
    arguments = parser.parse_args()
    if arguments.rounds is None:
        arguments.rounds = _QUICK_ROUNDS if arguments.quick else _ROUNDS
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    return arguments


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")


def main() -> None:
    """Run what the command line says."""
    arguments = _arguments()
    figures = BenchmarkRun(
        quick=arguments.quick,
        rounds=arguments.rounds,
        only=arguments.only,
        tell=_tell,
    ).run()
    output: Path = arguments.output
    output.mkdir(parents=True, exist_ok=True)
    report = render(figures)
    (output / "report.md").write_text(report, encoding="utf-8")
    written = {"goals": goals(figures), **msgspec.to_builtins(figures)}
    (output / "figures.json").write_bytes(msgspec.json.format(msgspec.json.encode(written)) + b"\n")
    try:
        from benchmarks.charts import draw  # noqa: PLC0415  # matplotlib is an extra
    except ModuleNotFoundError as error:
        _tell(f"no charts are drawn, since {error.name} is not installed")
    else:
        draw(figures, output)
    sys.stdout.write(report)


if __name__ == "__main__":
    main()
