"""What `wxcontacts watch` prints is the log: from where, until when, and whatever became of it."""

import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from time import sleep
from typing import Any

import pytest

from tests.support.command import (
    COMMAND,
    ENVIRONMENT,
    SECONDS,
    Ended,
    end,
    read_until,
    run,
)
from tests.support.recording_server import RecordingServer, recording, reply_with

pytestmark = pytest.mark.processes

_NAMES = [f"wxid_{number}" for number in range(10)]


def _log(folder: Path) -> list[bytes]:
    return run("changes", folder=folder).output.encode().splitlines(keepends=True)


def _ids(lines: str | bytes) -> list[int]:
    return [json.loads(line)["id"] for line in lines.splitlines()]


def _sync(server: RecordingServer, folder: Path, *w_ids: str) -> None:
    assert run("sync", *(w_ids or ["one"]), "--gateway", server.url, folder=folder).code == 0


class _Process(subprocess.Popen[bytes]):
    """One that is killed at the end of a test, if it is still there."""

    def __exit__(self, *raised: Any) -> None:  # noqa: ANN401, PYI036  # passed on
        self.kill()
        super().__exit__(*raised)


def _watch(*arguments: str, folder: Path, output: int = subprocess.PIPE) -> _Process:
    """Watch an instance that is asked for just once, if it was not synced just now."""
    return _Process(
        [*COMMAND, "watch", "one", "--every", "1h", *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.PIPE,
    )


def _stopped(process: _Process) -> Ended:
    """Stop it once it watches, when all there is is printed."""
    with process:
        read_until(process, "Watching")
        process.send_signal(signal.SIGTERM)
        output, messages = process.communicate(timeout=SECONDS)
    return Ended(process.returncode, (output or b"").decode(), messages.decode())


@contextmanager
def _synced(folder: Path) -> Iterator[RecordingServer]:
    """Let there be ten changes in the log."""
    with recording(reply_with(*_NAMES)) as server:
        _sync(server, folder)
        yield server


@contextmanager
def _database(folder: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(folder / "contacts.db", isolation_level=None)) as connection:
        yield connection


@pytest.mark.parametrize(
    ("begin", "printed"),
    [
        ((), []),
        (("--after", "7"), [8, 9, 10]),
        pytest.param(("--after", "0"), [*range(1, 11)], marks=pytest.mark.slow),
        pytest.param(("--after", "10"), [], marks=pytest.mark.slow),
    ],
)
def test_it_begins_at_the_end_of_the_log_or_behind_an_id(
    begin: tuple[str, ...], printed: list[int], tmp_path: Path
) -> None:
    with _synced(tmp_path) as server:
        ended = _stopped(_watch("--gateway", server.url, *begin, folder=tmp_path))

    assert ended.code == 0
    assert _ids(ended.output) == printed
    log = _log(tmp_path)
    assert ended.output.encode().splitlines(keepends=True) == log[len(log) - len(printed) :]


def test_it_begins_nowhere_where_the_log_has_no_such_id(tmp_path: Path) -> None:
    with _synced(tmp_path) as server:
        command = ("watch", "one", "--every", "1h", "--gateway", server.url, "--after")
        beyond = run(*command, "11", folder=tmp_path)
        wrong = run(*command, "-1", folder=tmp_path)

    assert (beyond.code, beyond.output) == (1, "")
    assert beyond.messages == "--after 11: the log of sqlite:///contacts.db ends at 10.\n"
    assert wrong.code == 2
    assert "a whole number of at least 0" in wrong.messages


def test_what_others_write_is_printed_as_well(tmp_path: Path) -> None:
    with _synced(tmp_path) as server, _watch("--gateway", server.url, folder=tmp_path) as process:
        read_until(process, "Watching")
        _sync(server, tmp_path, "two")
        assert process.stdout is not None
        printed = [json.loads(process.stdout.readline()) for _ in _NAMES]

    assert [line["id"] for line in printed] == [*range(11, 21)]
    assert {line["wId"] for line in printed} == {"two"}


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_what_is_committed_is_printed_before_it_ends(
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    names = [f"wxid_{number}" for number in range(20_000)]
    with recording(reply_with(*names)) as server:
        process = _watch("--gateway", server.url, folder=tmp_path)
        read_until(process, "Watching")
        server.w_ids.get(timeout=SECONDS)
        _wait_for_changes(tmp_path, len(names))
        for _ in range(5):  # as an impatient user does
            process.send_signal(number)
            sleep(0.01)
        sleep(0.2)  # which the reader takes before it reads
        ended = end(process)

    assert ended.code == 0
    assert ended.output.count("\n") == len(names)
    assert _ids(ended.output) == [*range(1, len(names) + 1)]
    assert ended.messages == "Stopped: 1 syncs, 0 failures, 20,000 changes.\n"


def _wait_for_changes(folder: Path, number: int) -> None:
    with _database(folder) as connection:
        query = "SELECT count(*) FROM contact_changes"
        while connection.execute(query).fetchone() != (number,):
            sleep(0.01)  # another process writes


@pytest.mark.slow
def test_what_nobody_reads_is_printed_by_the_next_run(tmp_path: Path) -> None:
    names = [f"wxid_{number}" for number in range(2_000)]
    with recording(reply_with(*names)) as server:
        command = ("--gateway", server.url, "--cursor", "cursor")
        process = _watch(*command, folder=tmp_path)
        read_until(process, "Watching")
        server.w_ids.get(timeout=SECONDS)
        _wait_for_changes(tmp_path, len(names))
        process.send_signal(signal.SIGTERM)
        said = read_until(process, "was not printed")
        # Not read yet, as that would let it write on.
        process.wait(SECONDS)
        first = end(process)
        second = _stopped(_watch(*command, folder=tmp_path))

    assert (first.code, second.code) == (0, 0)
    last = _ids(first.output)[-1]
    assert said == (
        f"What the log has after id {last} was not printed; the same command with --cursor cursor "
        "prints it.\n"
    )
    assert 0 < last < len(names)
    assert _ids(first.output + second.output) == [*range(1, len(names) + 1)]


@pytest.mark.slow
def test_without_a_cursor_it_says_behind_which_id_to_go_on(tmp_path: Path) -> None:
    with recording(reply_with(*(f"wxid_{number}" for number in range(2_000)))) as server:
        process = _watch("--gateway", server.url, folder=tmp_path)
        read_until(process, "Watching")
        server.w_ids.get(timeout=SECONDS)
        _wait_for_changes(tmp_path, 2_000)
        process.send_signal(signal.SIGTERM)
        said = read_until(process, "was not printed")
        process.wait(SECONDS)
        last = _ids(end(process).output)[-1]

    assert f"the same command with --after {last} prints it." in said


def _mark(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "cursor").read_text())  # type: ignore[no-any-return]


def _set_back(folder: Path, **mark: object) -> None:
    (folder / "cursor").write_text(json.dumps({**_mark(folder), **mark}))


@pytest.mark.slow
def test_who_was_killed_before_the_cursor_was_set_prints_nothing_twice_into_a_file(
    tmp_path: Path,
) -> None:
    output = tmp_path / "output"
    with _synced(tmp_path) as server:
        lines = _log(tmp_path)
        command = ("--gateway", server.url, "--after", "0", "--cursor", "cursor")

        def watch(*, left: int) -> None:
            os.truncate(output, left)
            with output.open("ab") as file:
                assert _stopped(_watch(*command, folder=tmp_path, output=file.fileno())).code == 0

        output.touch()
        watch(left=0)
        assert output.read_bytes() == b"".join(lines)
        at = json.loads(lines[3])["at"]
        printed = sum(map(len, lines[:4]))
        # Whole lines and half a one, whole lines alone, and all that there is.
        for left in (sum(map(len, lines[:7])) + 20, sum(map(len, lines[:6])), sum(map(len, lines))):
            _set_back(tmp_path, id=4, at=at, end=printed)
            watch(left=left)
            assert output.read_bytes() == b"".join(lines)
            assert _mark(tmp_path)["id"] == 10

        # What another process wrote there is left alone.
        with output.open("ab") as file:
            file.write(b"mine\n")
        _set_back(tmp_path, id=9, at=json.loads(lines[8])["at"], end=sum(map(len, lines)))
        watch(left=output.stat().st_size)

    assert output.read_bytes() == b"".join([*lines, b"mine\n", lines[9]])


@pytest.mark.slow
def test_a_line_longer_than_a_pipe_takes_at_once_stands_whole_after_half_of_it(
    tmp_path: Path,
) -> None:
    reading, writing = os.pipe()
    long = "n" * 500_000
    with recording(reply_with(a=long)) as server:
        command = ("--gateway", server.url, "--cursor", "cursor")
        process = _watch(*command, folder=tmp_path, output=writing)
        read_until(process, "Watching")
        server.w_ids.get(timeout=SECONDS)
        torn = os.read(reading, 100)
        process.kill()
        with process:
            process.communicate(timeout=SECONDS)
        process = _watch(*command, folder=tmp_path, output=writing)
        os.close(writing)
        read_until(process, "Watching")
        process.send_signal(signal.SIGTERM)
        with os.fdopen(reading, "rb") as file:
            lines = (torn + file.read()).splitlines()
        with process:
            process.communicate(timeout=SECONDS)

    assert len(lines) == 2
    assert lines[1].startswith(lines[0])
    assert json.loads(lines[1])["after"]["nickName"] == long


@pytest.mark.slow
def test_the_cursor_is_of_one_database(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with _synced(tmp_path) as server:
        command = ("--gateway", server.url, "--cursor", str(tmp_path / "cursor"))
        assert _stopped(_watch(*command, folder=tmp_path)).code == 0
        cursor = (tmp_path / "cursor").read_bytes()
        elsewhere = ("watch", "one", "--every", "1h", *command)
        shorter = run(*elsewhere, folder=other)
        _sync(server, other, "one")
        another = run(*elsewhere, folder=other)
        assert (tmp_path / "cursor").read_bytes() == cursor
        assert _stopped(_watch(*command, folder=tmp_path)).code == 0

    assert json.loads(cursor)["id"] == 10
    for ended in (shorter, another):
        assert (ended.code, ended.output) == (1, "")
        assert ended.messages.startswith("sqlite:///contacts.db is not the database of the cursor")
        assert "give --after ID as well" in ended.messages
        assert len(ended.messages.splitlines()) == 1


@pytest.mark.slow
def test_what_is_no_cursor_is_left_as_it_is(tmp_path: Path) -> None:
    listed = tmp_path / "w_ids.txt"
    listed.write_text("one\n")
    with _synced(tmp_path) as server:
        command = ("watch", "one", "--gateway", server.url, "--every", "1h", "--cursor")
        with _watch("--gateway", server.url, "--cursor", "mine", folder=tmp_path) as process:
            read_until(process, "Watching")
            in_use = run(*command, "mine", folder=tmp_path)
        before = (tmp_path / "contacts.db").read_bytes()
        names = ("w_ids.txt", "contacts.db", ".", "/dev/null", "absent/cursor")
        with ThreadPoolExecutor() as threads:
            wrong = list(threads.map(lambda name: run(*command, name, folder=tmp_path), names))
        assert (tmp_path / "contacts.db").read_bytes() == before
        (tmp_path / "new").touch()  # as `mktemp` does
        new = _stopped(_watch("--gateway", server.url, "--cursor", "new", folder=tmp_path))

    assert in_use.code == 2
    assert "in use by another watch" in " ".join(in_use.messages.split())
    assert [ended.code for ended in wrong] == [2] * len(names)
    for ended in wrong:
        assert ended.output == ""
        assert not ended.has_traceback
    assert listed.read_text() == "one\n"
    assert new.code == 0
    assert json.loads((tmp_path / "new").read_text())["id"] == 10
