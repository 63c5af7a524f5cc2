"""`wxcontacts fetch --append` and `--resume`: what is behind what was there before."""

import json
from pathlib import Path

import pytest

from tests.support.command import Ended, run
from tests.support.recording_server import RecordingServer, recording, reply_with

pytestmark = pytest.mark.processes

_NAMES = ("a", "b", "c")


def _fetch(server: RecordingServer, folder: Path, *arguments: str) -> Ended:
    return run("fetch", "--gateway", server.url, "--output", "out", *arguments, folder=folder)


def _asked(server: RecordingServer) -> list[str]:
    return [server.w_ids.get() for _ in range(server.w_ids.qsize())]


def _w_ids(path: Path) -> list[str]:
    return [json.loads(line)["wId"] for line in path.read_bytes().splitlines()]


def test_what_was_there_stays_and_half_a_line_goes(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with recording(reply_with(*_NAMES)) as server:
        assert _fetch(server, tmp_path, "one", "--append").code == 0
        before = out.read_bytes()
        out.write_bytes(before + b'{"wId":"two","ki')
        assert _fetch(server, tmp_path, "three", "--append").code == 0

    assert out.read_bytes().startswith(before)
    assert _w_ids(out) == ["one"] * 3 + ["three"] * 3
    assert out.stat().st_mode & 0o777 == 0o600


def test_resumed_it_fetches_what_is_not_there_whole_and_has_each_contact_once(
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    with recording(reply_with(*_NAMES)) as server:
        for w_id in ("one", "two", "three"):
            _fetch(server, tmp_path, w_id, "--append")
        whole = out.read_bytes()
        lines = whole.splitlines(keepends=True)
        out.write_bytes(b"".join(lines[:8])[:-4])  # killed while the third was being written
        _asked(server)
        ended = _fetch(server, tmp_path, "one", "two", "three", "four", "--resume")
        asked = _asked(server)

    assert ended.code == 0
    assert "2 of 4 instances are there and skipped." in ended.messages
    assert sorted(asked) == ["four", "three"]
    assert out.read_bytes().startswith(b"".join(lines[:6]))
    assert sorted(_w_ids(out)) == sorted(
        [*["one"] * 3, *["two"] * 3, *["three"] * 3, *["four"] * 3]
    )


def test_the_last_one_stays_where_it_would_not_be_fetched_again(tmp_path: Path) -> None:
    with recording(reply_with(*_NAMES)) as server:
        _fetch(server, tmp_path, "one")
        _fetch(server, tmp_path, "two", "--resume")

    assert _w_ids(tmp_path / "out") == ["one"] * 3 + ["two"] * 3


def test_the_first_run_may_be_a_resumed_one(tmp_path: Path) -> None:
    with recording(reply_with(*_NAMES)) as server:
        assert _fetch(server, tmp_path, "one", "--resume").code == 0

    assert _w_ids(tmp_path / "out") == ["one"] * 3


def test_what_a_fetch_did_not_write_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("my notes\n")
    with recording(reply_with(*_NAMES)) as server:
        ended = _fetch(server, tmp_path, "one", "--resume", "--failures", "failed")
        assert server.w_ids.empty()

    assert ended.code == 2
    assert "'out' is no file of `wxcontacts fetch`: line 1 has no wId" in ended.messages
    assert "notes" not in ended.messages
    assert (tmp_path / "out").read_text() == "my notes\n"
    assert {path.name for path in tmp_path.iterdir()} == {"out"}


@pytest.mark.parametrize("output", ["-", "/dev/null"])
def test_what_is_no_file_cannot_be_appended_to(output: str, tmp_path: Path) -> None:
    ended = run("fetch", "one", "--append", "--output", output, folder=tmp_path)
    assert ended.code == 2
    assert "'--append'" in ended.messages
