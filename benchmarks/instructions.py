"""How many instructions a call takes, which a busy machine does not change.

valgrind's callgrind counts those of the client's process. What starting, importing and connecting
take is left out by counting twice, with few calls and with more, and taking the difference.
"""

import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

import msgspec

from benchmarks.instances import Setup
from benchmarks.instructions_process import InstructionsTask
from benchmarks.processes import ProcessFailedError, answer_of, serving, written

CONTACTS = 5
_CALLS = (320, 1_280)
_LONGEST = 300.0
_AT_ONCE = 2
_TOTAL = re.compile(r"^totals: (\d+)", re.MULTILINE)


def without_valgrind() -> str | None:
    """Return why instructions cannot be counted, if so."""
    return None if which("valgrind") else "valgrind is not installed"


def instructions_a_call(
    contenders: Iterable[str],
    tell: Callable[[str], object],
) -> dict[str, float]:
    """Count them for each of these, two at once, as it takes no time that is measured."""
    with serving(Setup(CONTACTS)) as server, ThreadPoolExecutor(_AT_ONCE) as threads:

        def count(name: str) -> tuple[str, float | None]:
            try:
                found = _counted(InstructionsTask(name, server.url, _CALLS))
            except ProcessFailedError as error:
                tell(f"  {name} failed: {error}")
                return name, None
            tell(f"  {name}: {found:,.0f}")
            return name, found

        return {name: found for name, found in threads.map(count, contenders) if found is not None}


def _counted(task: InstructionsTask) -> float:
    with TemporaryDirectory() as directory:
        under = ("valgrind", "--tool=callgrind", f"--callgrind-out-file={directory}/%p")
        answer = answer_of(
            "-m",
            "benchmarks.instructions_process",
            written(task),
            under=under,
            timeout=_LONGEST,
        )
        few, many = (
            _total(Path(directory) / str(process))
            for process in msgspec.json.decode(answer, type=list[int])
        )
    return (many - few) / (task.calls[1] - task.calls[0])


def _total(counts: Path) -> int:
    found = _TOTAL.search(counts.read_text(errors="replace")) if counts.exists() else None
    if found is None:
        msg = "callgrind wrote no total"
        raise ProcessFailedError(msg)
    return int(found[1])
