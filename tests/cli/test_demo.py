"""`wxcontacts demo`: what it shows, and that it leaves nothing behind."""

import re
import shlex
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from time import monotonic

import psutil
import pytest

from tests.support.command import SECONDS, end, read_until, run, start

pytestmark = pytest.mark.processes


@pytest.mark.slow
@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)]
)
def test_its_emulator_ends_with_it_however_it_ends(number: signal.Signals, tmp_path: Path) -> None:
    process = start("demo", folder=tmp_path)
    read_until(process, "1 s: ")
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    ended = end(process)

    assert len(children) == 1
    assert not psutil.wait_procs(children, SECONDS)[1]
    assert not ended.has_traceback
    if number is signal.SIGINT:
        assert ended.code == 130
        assert "instances are missing; the database has them as they were" in ended.messages
        assert ended.messages.endswith("Run the demo again to see the rest; it begins anew.\n")
        help_of_it = run("demo", "--help").output
        assert {*re.findall(r"--[a-z-]+", ended.messages)} <= {
            *re.findall(r"--[a-z-]+", help_of_it),
        }


@pytest.mark.slow
def test_it_ends_within_20_seconds_with_tables_of_what_it_did_and_what_changed(
    tmp_path: Path,
) -> None:
    began = monotonic()
    process = start("demo", folder=tmp_path)
    read_until(process, "1 s: ")
    beginning = monotonic() - began
    children = psutil.Process(process.pid).children(recursive=True)
    ended = end(process)

    assert len(children) == 1
    assert not psutil.wait_procs(children, SECONDS)[1]
    assert monotonic() - began < max(20, 10 * beginning)  # which is longer on a busy machine
    assert ended.code == 0, ended.messages
    assert not ended.has_traceback
    numbers = dict(_row(line) for line in ended.output.splitlines() if line.count("│") == 3)
    contacts = int(numbers["contacts in all"])
    assert numbers["instances fetched"] == "196"
    assert numbers["GatewayRefusedError"] == "4"
    assert contacts == sum(int(numbers[f"contacts, {k}"]) for k in ("public", "friend", "group"))
    assert 0 < int(numbers["distinct contacts across instances"]) < contacts
    assert int(numbers["contacts a second"]) > 0
    waited, seconds = (
        float(numbers[name].removesuffix(" s"))
        for name in ("waiting, one instance after another", "all of it, waiting at once")
    )
    assert waited > 10 * seconds
    added, removed, changed = (
        int(number.replace(",", ""))
        for number in re.findall(r"([\d,]+)(?: contacts added| removed| changed),", ended.output)
    )
    assert added > 0
    assert changed > 0
    with closing(sqlite3.connect(tmp_path / "demo.db")) as database:
        (stored,) = database.execute("SELECT count(*) FROM contacts").fetchone()
        logged = dict(
            database.execute("SELECT change, count(*) FROM contact_changes GROUP BY change"),
        )
    assert stored == contacts + added - removed
    assert logged == {"added": contacts + added, "removed": removed, "changed": changed}
    _try_next(ended.messages, tmp_path, added + removed + changed)


def _try_next(messages: str, folder: Path, changes: int) -> None:
    """Run the commands that it says to try, as a shell would."""
    commands = re.findall(
        r"^  wxcontacts (.*)$", messages.partition("Try next:\n")[2], re.MULTILINE
    )
    tried = {command.split()[0]: run(*shlex.split(command), folder=folder) for command in commands}

    assert len(commands) == 3
    assert [ended.messages for ended in tried.values() if ended.code] == []
    assert len(tried["changes"].output.splitlines()) == changes
    for command in commands[1:]:
        assert (folder / command.split()[-1]).stat().st_size > 10_000


def _row(line: str) -> tuple[str, str]:
    _, name, number, _ = line.split("│")
    return name.strip(), number.strip().replace(",", "")
