"""What a shell does to the command: signals at any moment, full outputs, narrow windows."""

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from time import sleep
from typing import Any

import pytest

from tests.support.command import ENVIRONMENT, SECONDS, emulator, end, read_until, run, start
from tests.support.recording_server import recording, reply_with
from wxcontacts_async.emulator import GatewayEmulator

pytestmark = pytest.mark.processes

_full = pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="a full disk is simulated by Linux"
)
_hangs_up = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGHUP")

# Runs the command and sends itself Ctrl-C as a module begins to be imported.
_INTERRUPTED_IMPORT = """
import os, runpy, signal, sys

module, begun_as, *sys.argv[1:] = sys.argv[1:]

class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupts())
if begun_as == "script":
    from wxcontacts_async.cli import main
    main()
runpy.run_module(begun_as, run_name="__main__", alter_sys=True)
"""
_SYNC = ("sync", "one", "--gateway", "http://127.0.0.1:9")


def _slow(*values: object) -> Any:  # noqa: ANN401  # pytest does not name its type
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.fixture(autouse=True)
def _started_without_nohup() -> Iterator[None]:
    """Let what is started heed SIGHUP, however these tests were started."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    "begun_as",
    [
        "script",
        *(_slow(f"wxcontacts_async{it}") for it in ("", ".cli")),
    ],
)
@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        _slow("wxcontacts_async.cli.app", ("--help",)),
        ("aiohttp", ("--help",)),
        _slow("rich.console", ("--version",)),
        _slow("wxcontacts_async.store", _SYNC),
        ("pyarrow", _SYNC),
    ],
)
def test_ctrl_c_while_anything_is_imported_is_quiet(
    begun_as: str,
    module: str,
    arguments: tuple[str, ...],
    tmp_path: Path,
) -> None:
    ended = subprocess.run(  # noqa: S603  # this very program
        [sys.executable, "-c", _INTERRUPTED_IMPORT, module, begun_as, *arguments],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        check=False,
        timeout=SECONDS,
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (130, b"", b"")


@pytest.mark.slow
@_hangs_up
def test_a_closed_terminal_ends_a_fetch_as_sigterm_does(tmp_path: Path) -> None:
    output = tmp_path / "contacts.jsonl"
    instances = ("--instances", "4", "--contacts", "500", "--initializing", "0.5")
    with emulator(*instances) as url:
        process = start(
            *("fetch", *GatewayEmulator(4).w_ids, "--gateway", url, "--init-interval", "500"),
            *("--output", str(output)),
        )
        read_until(process, "2 done, 2 waiting (initializing)")
        # The kernel sends it, and the shell again.
        for _ in range(20):
            process.send_signal(signal.SIGHUP)
            sleep(0.0005)
        ended = end(process)

    assert ended.code == 128 + signal.SIGHUP
    assert "Interrupted (SIGHUP)." in ended.messages
    assert "2 of 4 instances are missing" in ended.messages
    assert not ended.has_traceback
    lines = Counter(json.loads(line)["wId"] for line in output.read_text().splitlines())
    assert list(lines.values()) == [500, 500]


@pytest.mark.slow
@_hangs_up
def test_a_closed_terminal_stops_watch_in_order_unless_it_was_started_with_nohup(
    tmp_path: Path,
) -> None:
    with recording(reply_with("someone")) as server:
        watch = ("watch", "one", "--gateway", server.url, "--every", "0.2s")
        ours, its = os.openpty()  # without a terminal, SIGHUP has it read its files again
        process = start(*watch, folder=tmp_path, given=its)
        read_until(process, "Watching")
        process.send_signal(signal.SIGHUP)
        stopped = end(process)
        os.close(ours)
        os.close(its)
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
        try:
            process = start(*watch, folder=tmp_path)
        finally:
            signal.signal(signal.SIGHUP, before)
        read_until(process, "Watching")
        process.send_signal(signal.SIGHUP)
        while not server.w_ids.empty():
            server.w_ids.get()
        for _ in range(3):  # it goes on
            server.w_ids.get(timeout=SECONDS)
        process.send_signal(signal.SIGTERM)
        ended = end(process)

    assert (stopped.code, ended.code) == (0, 0)
    assert "Stopped: " in stopped.messages
    assert not stopped.has_traceback


# Typer else asks among the parents of the process, where there may be none.
_NO_SHELL_IS_LOOKED_FOR = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}


@_full
@pytest.mark.parametrize(
    "arguments",
    [
        _slow(("--help",)),
        ("fetch", "--help"),
        _slow(("--version",)),
        _slow(("--show-completion", "bash")),
        ("emulator", "--port", "0"),
        _slow(("emulator", "--list")),
    ],
)
@pytest.mark.parametrize("buffered", ["", _slow("1")])
def test_an_output_that_is_full_is_said_in_one_line(
    arguments: tuple[str, ...],
    buffered: str,
) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(  # noqa: S603  # this very program
            [sys.executable, "-m", "wxcontacts_async", *arguments],
            env={**ENVIRONMENT, "PYTHONUNBUFFERED": buffered, **_NO_SHELL_IS_LOOKED_FOR},
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            text=True,
            timeout=SECONDS,
        )

    assert ended.returncode == 1
    assert ended.stderr == "standard output cannot be written: the disk is full.\n"


@pytest.mark.slow
@_full
def test_an_exit_code_stays_what_it_is_when_its_reason_cannot_be_written() -> None:
    with Path("/dev/full").open("w") as full, recording(reply_with("someone")) as server:
        codes = [
            subprocess.run(  # noqa: S603  # this very program
                [sys.executable, "-m", "wxcontacts_async", "-v", "fetch", *arguments],
                env=ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=full,
                check=False,
                timeout=SECONDS,
            ).returncode
            for arguments in ([], ["one", "--gateway", server.url])
        ]

    assert codes == [2, 0]


def test_standard_streams_that_are_closed_harm_no_file(tmp_path: Path) -> None:
    output = tmp_path / "contacts.jsonl"
    with recording(reply_with("someone")) as server:
        command = f'"$0" -m wxcontacts_async -vv fetch one --gateway {server.url}'
        ended = subprocess.run(  # noqa: S603  # this very program
            ["/bin/sh", "-c", f'{command} --output "$1" <&- >&- 2>&-', sys.executable, output],
            env=ENVIRONMENT,
            check=False,
            timeout=SECONDS,
        )

    assert ended.returncode == 0
    assert [json.loads(line)["userName"] for line in output.read_text().splitlines()] == ["someone"]


@pytest.mark.slow
def test_a_narrow_window_cuts_no_number_and_no_word(tmp_path: Path) -> None:
    with recording(reply_with(*(f"wxid_{number}" for number in range(1_234)))) as server:
        arguments = ("one", "--gateway", server.url)
        fetched = run("fetch", *arguments, variables={"COLUMNS": "20"})
        synced = run("sync", *arguments, variables={"COLUMNS": "1"}, folder=tmp_path)
        unknown = run("fetch", *arguments, variables={"COLUMNS": "0"})

    assert fetched.code == synced.code == 0
    assert "instances fetched  1\n" in fetched.messages
    assert "contacts in all  1,234\n" in fetched.messages
    assert "contacts added  1,234\n" in synced.messages
    assert re.search(r"│ contacts in all +│ +1,234 │", unknown.messages)
    assert "…" not in fetched.messages + synced.messages


def test_quiet_says_what_went_wrong_and_nothing_else(tmp_path: Path) -> None:
    with emulator("--instances", "1", "--contacts", "5") as url:
        arguments = ("fetch", *GatewayEmulator(1).w_ids, "--gateway", url)
        all_well = run(*arguments, *arguments[1:2], "-q")
        failed = run("--quiet", *arguments, "nobody")
        synced = run("sync", "-q", *arguments[1:], folder=tmp_path)
        exported = run("export", "-q", "--format", "csv", "--output", "c.csv", folder=tmp_path)

    assert len(all_well.output.splitlines()) == 5
    assert (all_well.code, all_well.messages) == (0, "")
    assert (synced.code, synced.messages) == (0, "")
    assert (exported.code, exported.messages) == (0, "")
    assert failed.code == 1
    assert failed.messages.startswith("1 x GatewayRefusedError, such as wId 'nobody'")
    assert "contacts in all" not in failed.messages


def test_verbose_logs_failures_and_twice_each_call_with_times_and_levels() -> None:
    with emulator("--instances", "1", "--contacts", "5") as url:
        arguments = ("fetch", *GatewayEmulator(1).w_ids, "nobody", "--gateway", url)
        plain = run(*arguments)
        once = run(*arguments, "--verbose")
        twice = run("-v", *arguments, "-v")
        together = run(*arguments, "-vv", "-q")

    stamp = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} "
    assert " WARNING " not in plain.messages
    assert re.search(f"{stamp}WARNING wId 'nobody' at gateway ", once.messages, re.MULTILINE)
    assert " DEBUG " not in once.messages
    for ended in (twice, together):
        assert re.search(f"{stamp}DEBUG wId .*: call 1$", ended.messages, re.MULTILINE)
    assert "contacts in all" not in together.messages


_COMPLETING = """
eval "$(wxcontacts --show-completion bash)"
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_wxcontacts_completion wxcontacts
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        _slow(("f",), {"fetch"}),
        (("fetch", "--c"), {"--connect-timeout", "--ca", "--client-cert"}),
        _slow(("export", "--format", ""), {"parquet", "jsonl", "csv"}),
    ],
)
def test_bash_completes_commands_options_and_values(
    words: tuple[str, ...],
    expected: set[str],
    tmp_path: Path,
) -> None:
    command = tmp_path / "wxcontacts"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m wxcontacts_async "$@"\n')
    command.chmod(0o755)
    completed = subprocess.run(  # noqa: S603  # our own arguments
        ["bash", "-c", _COMPLETING, "bash", "wxcontacts", *words],  # noqa: S607  # whichever
        env={**ENVIRONMENT, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        check=False,
        text=True,
        timeout=SECONDS,
    )

    assert completed.stderr == ""
    assert expected <= {*completed.stdout.split()}
    assert all(word.startswith(words[-1]) for word in completed.stdout.split())
