"""`wxcontacts changes` and `wxcontacts export`: what they read out of a database."""

import csv
import io
import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from tests.support.command import SECONDS, Ended, run, start
from tests.support.recording_server import recording, reply_with

pytestmark = pytest.mark.processes

_NAMES = [f"wxid_{number}" for number in range(2_000)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with contacts.db, in which two instances were synced and one was again."""
    folder = tmp_path_factory.mktemp("synced")
    with recording(reply_with("plain", formula="=1+1", leaves="王", named="old")) as server:
        ended = run("sync", "one", "--gateway", server.url, folder=folder)
        assert ended.code == 0
        server.reply = reply_with("plain", "comes", formula="=1+1", named="new")
        ended = run("sync", "one", "--gateway", server.url, folder=folder)
        assert ended.code == 0
        server.reply = reply_with(*_NAMES)
        ended = run("sync", "two", "--gateway", server.url, folder=folder)
        assert ended.code == 0
    return folder


def _lines(ended: Ended) -> list[Any]:
    assert ended.code == 0, ended.messages
    return [json.loads(line) for line in ended.output.splitlines()]


def test_changes_are_lines_with_what_differs_or_all_of_a_contact(folder: Path) -> None:
    changes = _lines(run("changes", "--w-id", "one", folder=folder))

    assert [change["change"] for change in changes[:4]] == ["added"] * 4
    by_name = {change["userName"]: change for change in changes[4:]}
    assert by_name.keys() == {"comes", "leaves", "named"}
    fetched_at = datetime.fromisoformat(by_name["named"].pop("at"))
    assert timedelta(0) < datetime.now(UTC) - fetched_at < timedelta(minutes=5)
    assert [change["id"] for change in changes] == list(range(1, len(changes) + 1))
    assert by_name["named"] == {
        "id": changes.index(by_name["named"]) + 1,
        "wId": "one",
        "userName": "named",
        "change": "changed",
        "fields": ["nickName"],
        "before": {"nickName": "old"},
        "after": {"nickName": "new"},
    }
    gone = by_name["leaves"]
    assert (gone["change"], gone["fields"], gone["after"]) == ("removed", [], None)
    assert gone["before"] == {
        "kind": "friend",
        "userName": "leaves",
        "aliasName": None,
        "nickName": "王",
        "bigHead": None,
        "smallHead": None,
        "sex": 0,
        "signature": None,
        "country": None,
        "province": None,
        "city": None,
    }
    assert by_name["comes"]["before"] is None
    assert by_name["comes"]["after"]["userName"] == "comes"


def test_changes_begin_where_they_are_told_to(folder: Path) -> None:
    store = ("--store", "sqlite:///contacts.db")
    everything = _lines(run("changes", *store, "--since", "1h", folder=folder))
    assert len({change["at"] for change in everything}) == 3
    last = everything[-1]["at"]

    since_last = _lines(run("changes", "--since", last, folder=folder))
    assert [change["wId"] for change in since_last] == ["two"] * len(_NAMES)
    assert _lines(run("changes", "--since", "0s", folder=folder)) == []


def test_a_closed_pipe_ends_changes_quietly(folder: Path) -> None:
    process = start("changes", folder=folder)
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        process.stdout.readline()
        process.stdout.close()
        messages = process.stderr.read().decode()
        process.wait(SECONDS)

    assert process.returncode == 1
    assert messages == ""


def test_an_export_to_jsonl_has_the_lines_of_fetch_and_when_that_was(folder: Path) -> None:
    output = folder / "contacts.jsonl"
    with recording(reply_with("plain", "comes", formula="=1+1", named="new")) as server:
        fetched = _lines(run("fetch", "one", "--gateway", server.url))

    ended = run(
        *("export", "--format", "jsonl", "--output", "contacts.jsonl", "--w-id", "one"),
        folder=folder,
    )

    assert ended.code == 0
    assert ended.messages == "4 contacts of 1 instances are in 'contacts.jsonl'.\n"
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    exported = [json.loads(line) for line in output.read_text().splitlines()]
    for line in exported:
        assert datetime.fromisoformat(line.pop("fetchedAt")).tzinfo is not None
    assert sorted(exported, key=str) == sorted(fetched, key=str)


def test_an_export_to_csv_has_no_formulas_and_may_go_to_standard_output(folder: Path) -> None:
    ended = run("export", "--format", "csv", "--output", "-", folder=folder)

    assert ended.code == 0
    rows = list(csv.DictReader(io.StringIO(ended.output, newline="")))
    assert len(rows) == 4 + len(_NAMES)
    (formula,) = (row for row in rows if row["user_name"] == "formula")
    assert formula["nick_name"] == "'=1+1"


def test_an_export_to_parquet_is_replaced_as_a_whole_or_stays(folder: Path) -> None:
    output = folder / "contacts.parquet"
    command = ("export", "--format", "parquet", "--output", "contacts.parquet", "--w-id", "one")

    ended = run(*command, "--w-id", "two", folder=folder)

    assert ended.code == 0
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    exported = parquet.read_table(output)
    assert exported.num_rows == 4 + len(_NAMES)
    assert {"w_id", "user_name", "kind", "nick_name"} <= {*exported.column_names}

    ended = run(*command, "--w-id", "nobody", folder=folder)

    assert ended.code == 1
    assert "wId 'nobody': no contacts are stored" in ended.messages
    assert "'contacts.parquet' is as it was." in ended.messages
    assert parquet.read_table(output).num_rows == exported.num_rows


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk is simulated by Linux")
def test_a_full_disk_is_said_and_that_the_export_is_not_complete(folder: Path) -> None:
    ended = run("export", "--format", "jsonl", "--output", "/dev/full", folder=folder)

    assert ended.code == 1
    assert "'/dev/full' cannot be written: the disk is full." in ended.messages
    assert "'/dev/full' is not complete." in ended.messages
    assert not ended.has_traceback


def test_the_database_is_not_overwritten_by_its_export(folder: Path) -> None:
    for written_as in ("csv", "parquet"):
        ended = run("export", "--format", written_as, "--output", "contacts.db", folder=folder)

        assert ended.code == 2
        assert "must be another file than that of --store" in ended.messages
    assert (folder / "contacts.db").read_bytes().startswith(b"SQLite")
