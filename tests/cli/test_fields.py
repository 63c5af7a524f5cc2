"""`--field`: keys of the gateway's contacts that the API document does not have."""

import csv
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from pyarrow import parquet

from tests.support.command import Ended, run
from tests.support.recording_server import RecordingServer, recording

pytestmark = pytest.mark.processes


def _reply(**more: Any) -> bytes:  # noqa: ANN401  # any JSON
    friends = [{"userName": "a", "nickName": "甲", **more}, {"userName": "b"}]
    return json.dumps({"code": "1000", "data": {"friend": friends}}).encode()


_MORE = {"remark": "=同学", "labelList": [1, "x"], "stars": -3}
_FIELDS = ("--field", "remark", "--field", "labelList", "--field", "stars")


def _sync(server: RecordingServer, folder: Path, *arguments: str) -> Ended:
    return run("sync", "one", *arguments, "--gateway", server.url, folder=folder)


def _export(folder: Path, name: str, *arguments: str) -> Path:
    path = f"out.{name}"
    ended = run("export", "--format", name, "--output", path, *arguments, folder=folder)
    assert ended.code == 0, ended.messages
    return folder / path


def test_fetched_they_are_keys_of_each_line(tmp_path: Path) -> None:
    with recording(_reply(**_MORE)) as server:
        ended = run("fetch", "one", *_FIELDS, "--gateway", server.url, folder=tmp_path)

    first, second = map(json.loads, ended.output.splitlines())
    assert {key: first[key] for key in _MORE} == _MORE
    assert {key: second[key] for key in _MORE} == dict.fromkeys(_MORE)


def test_a_database_remembers_them_and_every_format_has_them(tmp_path: Path) -> None:
    with recording(_reply(**_MORE)) as server:
        first = _sync(server, tmp_path, *_FIELDS)
        server.reply = _reply(remark="new", labelList=[1, "x"], stars=-3)
        again = _sync(server, tmp_path)
    lines = run("changes", folder=tmp_path).output.splitlines()
    exported = _export(tmp_path, "jsonl").read_bytes().splitlines()
    table = parquet.read_table(_export(tmp_path, "parquet")).to_pylist()
    rows = [*csv.DictReader(_export(tmp_path, "csv").read_text("utf-8-sig").splitlines())]
    sheet = load_workbook(_export(tmp_path, "xlsx"))["contacts"]
    header, cells, _ = sheet.iter_rows(values_only=True)
    chosen = parquet.read_table(_export(tmp_path, "parquet", "--field", "stars"))

    assert "keeps the field remark, labelList, stars of contacts from now on" in first.messages
    assert "keeps the field" not in again.messages
    added, _, changed = map(json.loads, lines)
    assert {key: added["after"][key] for key in _MORE} == _MORE
    assert changed["fields"] == ["remark"]
    assert (changed["before"], changed["after"]) == ({"remark": "=同学"}, {"remark": "new"})
    now = {**_MORE, "remark": "new"}
    assert {key: json.loads(exported[0])[key] for key in _MORE} == now
    texts = {"remark": "new", "labelList": '[1,"x"]', "stars": "-3"}
    assert {key: table[0][key] for key in _MORE} == texts
    assert {key: rows[0][key] for key in _MORE} == texts
    assert {key: rows[1][key] for key in _MORE} == dict.fromkeys(_MORE, "")
    assert [*rows[0]][-4:] == [*_MORE, "fetched_at"]
    assert dict(zip(header, cells, strict=True))["labelList"] == '[1,"x"]'
    assert dict(zip(header, cells, strict=True))["stars"] == -3
    assert chosen.schema.names[-2:] == ["stars", "fetched_at"]


def test_one_that_comes_later_fills_itself_in_and_is_no_change(tmp_path: Path) -> None:
    with recording(_reply(**_MORE)) as server:
        _sync(server, tmp_path, "--field", "remark")
        later = _sync(server, tmp_path, "--field", "stars")
        none = _sync(server, tmp_path)
    with closing(sqlite3.connect(tmp_path / "contacts.db")) as connection:
        more = [
            json.loads(row[0])
            for row in connection.execute("SELECT more FROM contacts ORDER BY user_name")
        ]

    assert "keeps the field stars of contacts from now on" in later.messages
    assert "keeps" not in none.messages
    assert len(run("changes", folder=tmp_path).output.splitlines()) == 2
    assert more == [{"remark": "=同学", "stars": -3}, {"remark": None, "stars": None}]


@pytest.mark.parametrize("key", ["userName", "nick_name", "w_id", "two words", "", "a'b", "x" * 61])
def test_what_can_be_no_field_is_refused(key: str, tmp_path: Path) -> None:
    ended = run("fetch", "one", "--field", key, folder=tmp_path)
    assert ended.code == 2
    assert "'--field'" in ended.messages


def test_what_a_database_does_not_have_cannot_be_exported(tmp_path: Path) -> None:
    with recording(_reply(**_MORE)) as server:
        _sync(server, tmp_path, "--field", "remark")
    command = ("export", "--format", "csv", "--output", "out", "--field", "stars")
    ended = run(*command, folder=tmp_path)

    assert ended.code == 1
    assert "sqlite:///contacts.db has no field stars of contacts; it has remark" in ended.messages
    assert not (tmp_path / "out").exists()
