"""`wxcontacts instances`, `forget` and `prune`: what a database knows, and what it is rid of."""

import json
from pathlib import Path

import pytest

from tests.support.command import Ended, run
from tests.support.recording_server import RecordingServer, recording, reply_with

pytestmark = pytest.mark.processes

_OF_EACH_KIND = b"""{"code":"1000","data":{"public":[{"userName":"gh_1"}],
    "friend":[{"userName":"wxid_1"},{"userName":"wxid_2"}],"group":[{"userName":"1@chatroom"}]}}"""


def _sync(server: RecordingServer, folder: Path, *w_ids: str) -> Ended:
    return run("sync", *w_ids, "--gateway", server.url, folder=folder)


def test_each_instance_is_shown_with_its_state_its_contacts_and_what_is_suspected(
    tmp_path: Path,
) -> None:
    with recording(_OF_EACH_KIND) as server:
        _sync(server, tmp_path, "one", "two")
        server.reply = b'{"code":"1000","data":null}'
        _sync(server, tmp_path, "two")
        server.reply = b'{"code":"1001","message":"secret"}'
        _sync(server, tmp_path, "three")
        url = server.url
    lines = run("instances", "--json", folder=tmp_path)
    table = run("instances", folder=tmp_path)
    wide = run("instances", folder=tmp_path, variables={"COLUMNS": "200"})

    one, three, two = map(json.loads, lines.output.splitlines())
    counts = {"public": 1, "friend": 2, "group": 1}
    assert list(one) == [
        *("wId", "gateway", "state", "syncedAt", "triedAt", "contacts", "suspected"),
    ]
    assert (one["wId"], one["gateway"], one["state"], one["contacts"], one["suspected"]) == (
        *("one", url, "synced", counts, None),
    )
    assert one["syncedAt"] == one["triedAt"]
    assert (two["state"], two["contacts"]) == ("suspicious", counts)
    assert two["syncedAt"] < two["triedAt"]
    assert two["suspected"] == {
        "missing": 4,
        "stored": 4,
        "since": None,
        "kinds": ["public", "friend", "group"],
        "accepted": False,
    }
    assert (three["state"], three["contacts"]) == ("GatewayRefusedError", None)
    assert three["syncedAt"] is None
    assert "wId: two" in table.output
    assert "missing: 4 of 4" in table.output
    (row,) = [line for line in wide.output.splitlines() if "two" in line]
    assert {"suspicious", "1", "2", "4 of 4"} <= {cell.strip() for cell in row.split("│")}
    assert lines.messages == table.messages == wide.messages == ""
    assert {lines.code, table.code, wide.code} == {0}


def test_forgotten_instances_are_gone_with_their_contacts(tmp_path: Path) -> None:
    (tmp_path / "w_ids.txt").write_text("two\n")
    with recording(_OF_EACH_KIND) as server:
        _sync(server, tmp_path, "one", "two", "three")
    forgotten = run("forget", "one", "--from", "w_ids.txt", folder=tmp_path)
    again = run("forget", "one", "three", folder=tmp_path)
    nothing = run("forget", folder=tmp_path)
    removed = run("changes", "--after", "12", folder=tmp_path)

    assert (forgotten.code, forgotten.output) == (0, "")
    assert forgotten.messages == (
        "wId 'one': forgotten, with 4 contacts.\nwId 'two': forgotten, with 4 contacts.\n"
    )
    assert again.code == 1
    assert again.messages.startswith("wId 'one': sqlite:///contacts.db does not know it.\n")
    assert nothing.code == 2
    changes = [json.loads(line) for line in removed.output.splitlines()]
    assert [change["change"] for change in changes] == ["removed"] * 12
    assert run("instances", "--json", folder=tmp_path).output == ""


def test_the_log_is_pruned_and_readers_behind_are_told(tmp_path: Path) -> None:
    with recording(reply_with("a", "b", "c")) as server:
        _sync(server, tmp_path, "one")
    kept = run("prune", "--older-than", "90d", folder=tmp_path)
    pruned = run("prune", "--older-than", "0s", folder=tmp_path)
    behind = run("changes", "--after", "1", folder=tmp_path)
    rest = run("changes", folder=tmp_path)
    cursor = ("--cursor", "printed", "--after", "1", "--every", "1h", "--gateway", server.url)
    watched = run("watch", "one", *cursor, folder=tmp_path)

    assert kept.messages == "0 changes were removed from the log of sqlite:///contacts.db.\n"
    assert pruned.messages == "2 changes were removed from the log of sqlite:///contacts.db.\n"
    assert kept.code == pruned.code == 0
    assert (behind.code, behind.output) == (1, "")
    assert behind.messages == (
        "sqlite:///contacts.db: the log of changes begins at id 3, and was to be read after 1. "
        "Begin with --after 2, and without the file of a --cursor.\n"
    )
    assert [json.loads(line)["id"] for line in rest.output.splitlines()] == [3]
    assert watched.code == 1
    assert "begins at id 3" in watched.messages


@pytest.mark.parametrize("arguments", [["prune"], ["prune", "--older-than", "long"]])
def test_how_old_is_too_old_must_be_said(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "contacts.db").touch()
    ended = run(*arguments, folder=tmp_path)
    assert ended.code == 2
    assert "--older-than" in ended.messages
