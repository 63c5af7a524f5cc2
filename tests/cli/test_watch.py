"""`wxcontacts watch`: what it asks for, what it prints and how it ends."""

import json
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import SECONDS, end, read_until, run, start
from tests.support.recording_server import RecordingServer, recording, reply_with

pytestmark = pytest.mark.processes


@contextmanager
def _watching(
    server: RecordingServer,
    folder: Path,
    *arguments: str,
) -> Iterator[subprocess.Popen[bytes]]:
    """Watch five times a second, with the database contacts.db in that folder."""
    process = start("watch", "--gateway", server.url, "--every", "0.2s", *arguments, folder=folder)
    with process:
        try:
            read_until(process, "Watching")
            yield process
        finally:
            process.kill()


def _line(process: subprocess.Popen[bytes]) -> Any:  # noqa: ANN401  # any JSON
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_what_changes_until_it_is_told_to_stop(
    number: signal.Signals,
    tmp_path: Path,
) -> None:
    with (
        recording(reply_with(named="secret name")) as server,
        _watching(server, tmp_path, "one") as process,
    ):
        added = _line(process)
        server.reply = reply_with(named="new")
        changed = _line(process)
        process.send_signal(number)
        ended = end(process)
    log = run("changes", folder=tmp_path)

    assert ended.code == 0
    assert ended.output == ""
    assert ended.messages.startswith("Stopped: ")
    assert "0 failures, 2 changes." in ended.messages
    assert not ended.has_traceback
    assert [json.loads(line) for line in log.output.splitlines()] == [added, changed]
    assert added["after"]["nickName"] == "secret name"
    assert (changed["before"], changed["after"]) == (
        {"nickName": "secret name"},
        {"nickName": "new"},
    )
    assert "secret" not in ended.messages


def test_an_instance_that_fails_or_is_suspicious_has_a_line_each_time(tmp_path: Path) -> None:
    names = [f"wxid_{number}" for number in range(30)]
    with recording(reply_with(*names)) as server, _watching(server, tmp_path, "one") as process:
        assert {_line(process)["userName"] for _ in names} == {*names}
        server.reply = reply_with(*names[:3])
        for _ in range(2):
            said = read_until(process, "wId 'one'")
            assert "27 of 30 contacts are missing" in said
            assert "missing for 1d; `wxcontacts accept one --store sqlite:///contacts.db`" in said
        server.reply = b'{"code":"1001","message":"gone"}'
        for _ in range(2):
            assert "message 'gone'" in read_until(process, "wId 'one': refused")
        process.send_signal(signal.SIGTERM)
        ended = end(process)

    assert ended.code == 0


def test_who_may_be_among_the_unreadable_has_a_line(tmp_path: Path) -> None:
    with recording(reply_with("a", "b")) as server, _watching(server, tmp_path, "one") as process:
        assert {_line(process)["userName"] for _ in range(2)} == {"a", "b"}
        server.reply = b'{"code":"1000","data":{"friend":[{"userName":"a"},{"userName":[1]}]}}'
        assert "1 contact is missing and kept" in read_until(process, "and kept")


def test_the_file_of_wids_is_read_again_when_it_changes(tmp_path: Path) -> None:
    listed = tmp_path / "w_ids.txt"
    listed.write_text("one\n")
    with (
        recording(reply_with("someone")) as server,
        _watching(server, tmp_path, "--from", "w_ids.txt") as process,
    ):
        assert _line(process)["wId"] == "one"

        listed.write_text("two\nthree\n")
        said = read_until(process, "has changed")
        assert {_line(process)["wId"] for _ in range(2)} == {"two", "three"}

        listed.unlink()
        broken = read_until(process, "cannot be read")
        while not server.w_ids.empty():
            server.w_ids.get()
        asked = [server.w_ids.get(timeout=SECONDS) for _ in range(4)]

        listed.write_text("four\n")
        mended = read_until(process, "has changed")
        assert _line(process)["wId"] == "four"
        process.send_signal(signal.SIGTERM)
        ended = end(process)

    assert said == "'w_ids.txt' has changed: 2 instances, 2 new, 1 dropped.\n"
    assert broken.startswith("--from: 'w_ids.txt' cannot be read: No such file")
    assert broken.endswith("the instances from before are kept.\n")
    assert {*asked} == {"two", "three"}
    assert "1 new, 2 dropped" in mended
    assert ended.code == 0


def test_who_was_synced_just_now_is_not_asked_at_once(tmp_path: Path) -> None:
    with recording(reply_with("someone")) as server:
        run("sync", "one", "--gateway", server.url, folder=tmp_path)
        assert server.w_ids.get() == "one"
        with _watching(server, tmp_path, "one", "two", "--every", "1h") as process:
            assert _line(process)["wId"] == "two"
            process.send_signal(signal.SIGINT)
            end(process)
        assert server.w_ids.get() == "two"
        assert server.w_ids.empty()


def test_a_closed_pipe_ends_it_quietly(tmp_path: Path) -> None:
    with (
        recording(reply_with("someone")) as server,
        _watching(server, tmp_path, "one") as process,
    ):
        assert process.stdout is not None
        _line(process)
        process.stdout.close()
        server.reply = reply_with("someone else")
        assert process.stderr is not None
        messages = process.stderr.read().decode()
        process.wait(SECONDS)

    assert process.returncode == 1
    assert messages == ""


def test_a_database_that_is_lost_ends_it(tmp_path: Path) -> None:
    with (
        recording(reply_with("someone")) as server,
        _watching(server, tmp_path, "one") as process,
    ):
        _line(process)
        with closing(sqlite3.connect(tmp_path / "contacts.db")) as connection:
            connection.execute("DROP TABLE instances")
        ended = end(process)

    assert ended.code == 1
    assert ended.messages.startswith("sqlite:///contacts.db: SQLite says: ")
    assert len(ended.messages.splitlines()) == 1


def test_each_failure_is_appended_to_a_file_as_it_comes(tmp_path: Path) -> None:
    failures = tmp_path / "failures"
    failures.write_text('{"wId":"earlier"}\n{"wId":')
    with recording(b'{"code":"1001","message":"gone"}') as server:
        with _watching(server, tmp_path, "one", "--failures", "failures") as process:
            for _ in range(2):
                read_until(process, "wId 'one': refused")
            while failures.read_bytes().count(b"\n") < 3:
                read_until(process, "wId 'one': refused")
            process.send_signal(signal.SIGTERM)
            ended = end(process)
        in_use = run("watch", "one", "--every", "1h", "--failures", "-", folder=tmp_path)

    lines = [json.loads(line) for line in failures.read_bytes().splitlines()]
    assert ended.code == 0
    assert lines[0] == {"wId": "earlier"}
    assert {(line["wId"], line["error"]) for line in lines[1:]} == {("one", "GatewayRefusedError")}
    assert len(lines) >= 3
    assert in_use.code == 2
    assert "'--failures'" in in_use.messages
