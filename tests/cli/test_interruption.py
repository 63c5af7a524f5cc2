"""Ctrl-C, and readers that have enough or read nothing."""

import json
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest

from tests.support.command import SECONDS, emulator, end, read_until, start
from wxcontacts_async.emulator import GatewayEmulator

pytestmark = pytest.mark.processes

_INSTANCES = 30
_CONTACTS = 800  # some hundred kilobytes, more than a pipe holds
_W_IDS = GatewayEmulator(_INSTANCES).w_ids
# Seconds, and as often the time that it took to begin: both are longer on a busy machine.
_SOON = 1.0
_TIMES_THE_BEGINNING = 3


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    options = {"--instances": _INSTANCES, "--contacts": _CONTACTS, "--initializing": 0.5}
    with emulator(*(str(word) for option in options.items() for word in option)) as url:
        yield url


def test_ctrl_c_keeps_whole_lines_and_says_how_many_instances_are_missing(
    tmp_path: Path,
) -> None:
    output = tmp_path / "contacts.jsonl"
    options = {"--instances": _INSTANCES, "--contacts": _CONTACTS, "--initializing": 0.5}
    with emulator(*(str(word) for option in options.items() for word in option)) as url:
        began_at = monotonic()
        process = start(
            *("fetch", *_W_IDS, "--gateway", url, "--output", str(output)),
            *("--init-interval", "500"),
        )
        read_until(process, "15 done, 15 waiting (initializing)")
        sent_at = monotonic()
        # Again and again, as an impatient user does, into whatever it does then.
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            sleep(0.0005)
        ended = end(process)

    assert monotonic() - sent_at < _SOON + _TIMES_THE_BEGINNING * (sent_at - began_at)
    assert ended.code == 130
    assert "15 of 30 instances are missing" in ended.messages
    assert not ended.has_traceback
    assert output.read_text().endswith("\n")
    lines = Counter(json.loads(line)["wId"] for line in output.read_text().splitlines())
    assert set(lines.values()) == {_CONTACTS}
    assert len(lines) == 15


def test_a_closed_pipe_ends_it_quietly(url: str) -> None:
    process = start("fetch", *_W_IDS, "--gateway", url, "--init-interval", "500")
    assert process.stdout is not None
    assert process.stdin is not None
    with process:
        first = process.stdout.readline()
        process.stdout.close()
        process.stdin.close()
        assert process.stderr is not None
        messages = process.stderr.read().decode()
        process.wait(SECONDS)

    assert json.loads(first)["userName"]
    assert process.returncode == 1
    assert messages == ""


def test_being_told_to_end_ends_it_though_nobody_reads_its_output(url: str) -> None:
    began_at = monotonic()
    process = start("fetch", *_W_IDS, "--gateway", url)
    read_until(process, "0 done")
    sent_at = monotonic()
    process.send_signal(signal.SIGTERM)
    read_until(process, "30 of 30 instances are missing from standard output")
    # Not read yet, as that would let it write on.
    process.wait(SECONDS)

    assert monotonic() - sent_at < _SOON + _TIMES_THE_BEGINNING * (sent_at - began_at)
    assert process.returncode == 143
    assert not end(process).has_traceback


def test_ctrl_c_while_wids_are_read_from_standard_input_is_quiet() -> None:
    process = start("fetch", "x", "x", "--from", "-", "--gateway", "http://127.0.0.1:9")
    # It reads until the end of standard input, which does not come.
    assert process.stdin is not None
    process.stdin.write(b"one\n" * 50_000)
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    ended = end(process)

    assert ended.code == 130
    assert not ended.has_traceback
