"""The progress display, on a terminal and elsewhere."""

import fcntl
import os
import pty
import re
import sqlite3
import struct
import subprocess
import termios
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.support.command import COMMAND, ENVIRONMENT, SECONDS, emulator, run
from tests.support.recording_server import recording, reply_with
from wxcontacts_async.emulator import GatewayEmulator

pytestmark = pytest.mark.processes

_W_IDS = GatewayEmulator(6).w_ids
_INITIALIZING = ("--instances", "6", "--initializing", "0.5", "--contacts", "20")


@pytest.fixture
def url() -> Iterator[str]:
    with emulator(*_INITIALIZING) as url:
        yield url


def _run_on_terminal(*arguments: str, columns: int = 120) -> tuple[int, str]:
    """Run it with a terminal of so many columns as its standard error."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    with subprocess.Popen(  # noqa: S603  # this very program
        [*COMMAND, *arguments],
        env={**ENVIRONMENT, "TERM": "xterm-256color"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=its,
    ) as process:
        os.close(its)
        shown = b""
        with suppress(OSError):  # Linux's end of a terminal
            while piece := os.read(ours, 65_536):
                shown += piece
        os.close(ours)
        process.wait(SECONDS)
    return process.returncode, shown.decode()


def _text(shown: str) -> str:
    """Leave out the terminal's control sequences."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)


def test_a_terminal_shows_who_is_done_who_waits_why_and_how_long_it_takes(url: str) -> None:
    code, shown = _run_on_terminal("fetch", *_W_IDS, "--gateway", url, "--init-interval", "2")

    assert code == 0
    text = _text(shown)
    assert "3 done, 3 waiting (initializing), 0 failed, 60 contacts, " in text
    assert "3 of 6 instances" in text
    assert " s left" in text
    assert "\x1b[?25h" in shown  # the cursor is back
    assert "instances fetched" in text.rpartition(" left")[2]


@pytest.mark.slow
def test_a_narrow_terminal_shows_the_same_on_more_lines(url: str) -> None:
    arguments = ("fetch", *_W_IDS, "--gateway", url, "--init-interval", "2")
    code, shown = _run_on_terminal(*arguments, columns=20)

    assert code == 0
    text = " ".join(_text(shown).split())
    assert re.search(
        r"3 of 6 instances \d s left 3 done, 3 waiting \(initializing\), 0 failed, 60", text
    )
    assert "…" not in text
    assert "instances │ 6 │" in text


def test_a_log_is_not_drawn_over(url: str) -> None:
    code, shown = _run_on_terminal("fetch", *_W_IDS, "--gateway", url, "-vv")

    assert code == 0
    assert " DEBUG wId " in shown
    assert "\x1b[2K" not in shown  # which clears a line that was drawn


def test_without_a_terminal_there_are_plain_lines_now_and_then(url: str, tmp_path: Path) -> None:
    ended = run(
        *("fetch", *_W_IDS, "--gateway", url, "--init-interval", "2"),
        *("--output", str(tmp_path / "contacts.jsonl")),
    )

    assert ended.code == 0
    assert "\x1b" not in ended.messages
    assert "1 s: 3 done, 3 waiting (initializing), 0 failed, 60 contacts" in ended.messages


@pytest.mark.slow
def test_a_terminal_shows_that_a_gateway_does_not_answer() -> None:
    # Most are initializing, so that they call again during the outage.
    outage = ("--faults", "refuse-connections@1+3")
    with emulator("--instances", "40", "--initializing", "0.9", "--contacts", "5", *outage) as url:
        w_ids = GatewayEmulator(40).w_ids
        code, shown = _run_on_terminal("fetch", *w_ids, "--gateway", url, "--init-interval", "1")

    assert code == 0
    assert f"gateway {url} does not answer; " in shown
    assert "instances fetched" in shown


@pytest.mark.slow
def test_a_terminal_shows_that_the_database_is_waited_for(tmp_path: Path) -> None:
    database = tmp_path / "contacts.db"
    with recording(reply_with("someone")) as server:
        sync = ("sync", "one", "--gateway", server.url, "--to", f"sqlite:///{database}")
        assert run(*sync).code == 0
        with closing(sqlite3.connect(database, isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            code, shown = _run_on_terminal(*sync, "--busy-timeout", "3s", columns=400)

    assert code == 1
    assert f"{database} is waited for: another one writes to it; 0 done, " in _text(shown)
