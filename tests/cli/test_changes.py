"""`wxcontacts changes`: which lines of the log it prints, and what it says of the others."""

import json
from pathlib import Path

import pytest

from tests.support.command import run
from tests.support.recording_server import recording, reply_with

pytestmark = pytest.mark.processes


def test_it_goes_on_behind_an_id(tmp_path: Path) -> None:
    with recording(reply_with("a", "b", "c")) as server:
        run("sync", "one", "two", "--gateway", server.url, folder=tmp_path)
        server.reply = reply_with("a", "b")
        run("sync", "one", "--gateway", server.url, folder=tmp_path)
    all_of_it = run("changes", folder=tmp_path)
    lines = all_of_it.output.splitlines(keepends=True)
    first, rest = json.loads(lines[0]), run("changes", "--after", "3", folder=tmp_path)
    of_one = run("changes", "--after", "3", "--w-id", "one", folder=tmp_path)
    end, beyond = (run("changes", "--after", after, folder=tmp_path) for after in ("7", "8"))

    assert [json.loads(line)["id"] for line in lines] == [1, 2, 3, 4, 5, 6, 7]
    assert list(first) == ["id", "at", "wId", "userName", "change", "fields", "before", "after"]
    assert rest.output == "".join(lines[3:])
    assert of_one.output == "".join(line for line in lines[3:] if json.loads(line)["wId"] == "one")
    assert end.output == beyond.output == end.messages == ""
    assert beyond.messages == "--after 8: the log of sqlite:///contacts.db ends at 7.\n"
    assert {each.code for each in (all_of_it, rest, of_one, end, beyond)} == {0}


@pytest.mark.parametrize("after", ["-1", "1.5", "one", "none", ""])
def test_what_can_be_no_id_is_refused(tmp_path: Path, after: str) -> None:
    (tmp_path / "contacts.db").touch()
    ended = run("changes", "--after", after, folder=tmp_path)

    assert ended.code == 2
    assert "'--after'" in ended.messages
    assert "a whole number of at least 0" in ended.messages


def test_an_instance_that_the_database_does_not_know_is_said(tmp_path: Path) -> None:
    with recording(reply_with("someone")) as server:
        run("sync", "one", "--gateway", server.url, folder=tmp_path)
        server.reply = b'{"code":"1001","message":"gone"}'
        run("sync", "failed", "--gateway", server.url, folder=tmp_path)
    typo = run("changes", "--w-id", "[oen]", folder=tmp_path)
    known = run("changes", "--w-id", "one", "--after", "1", folder=tmp_path)
    failed = run("changes", "--w-id", "failed", folder=tmp_path)

    assert typo.messages == "wId '[oen]': sqlite:///contacts.db does not know it.\n"
    assert typo.code == 1
    assert known.messages == failed.messages == ""
    assert known.code == failed.code == 0
    assert typo.output == known.output == failed.output == ""
