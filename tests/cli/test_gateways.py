"""Several gateways from the command: which are called for whom, and a wId that is on two."""

import json
import sys
from collections.abc import Iterator
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
import typer

from tests.support.command import run
from tests.support.recording_server import RecordingServer, recording, reply_with
from wxcontacts_async import Instance
from wxcontacts_async.cli.options.instances import InstanceSources

pytestmark = pytest.mark.processes

_FILES = {
    "a list with tabs": "# all\none\teast\n\ntwo\twest # two\nthree\teast\n",
    "a list with commas": "one,east\ntwo, west\nthree,east\n",
    "CSV with a header": "name,Gateway,w_id\na,east,one\nb,west,two\nc,east,three\n",
    "JSON Lines": (
        '{"wId":"one","gateway":"east"}\n'
        '{"gateway":"west","w_id":"two"}\n'
        '{"wId":"three","gateway":"east"}\n'
    ),
    "a JSON array": (
        '[{"wId":"one","gateway":"east"},{"wId":"two","gateway":"west"},'
        '{"wId":"three","gateway":"east"}]'
    ),
}


@pytest.fixture
def east() -> Iterator[RecordingServer]:
    with recording(reply_with("of_east")) as server:
        yield server


@pytest.fixture
def west() -> Iterator[RecordingServer]:
    with recording(reply_with("of_west")) as server:
        yield server


def _called(server: RecordingServer) -> list[str]:
    return sorted(server.w_ids.get() for _ in range(server.w_ids.qsize()))


@pytest.mark.parametrize("content", _FILES.values(), ids=_FILES)
def test_a_file_names_the_gateway_of_each_instance(content: str, tmp_path: Path) -> None:
    file = tmp_path / "w_ids"
    file.write_text(content)

    instances, repeated = InstanceSources([], [str(file)], ["east", "west"]).read()

    assert repeated == 0
    assert instances == [
        Instance("one", gateway="east"),
        Instance("two", gateway="west"),
        Instance("three", gateway="east"),
    ]


def test_each_gateway_is_called_for_its_own(
    east: RecordingServer, west: RecordingServer, tmp_path: Path
) -> None:
    (tmp_path / "w_ids").write_text("one\teast\ntwo\twest\nthree\teast\n")
    ended = run(
        *("fetch", "--gateway", f"east={east.url}", "--gateway", f"west={west.url}"),
        *("--from", "w_ids"),
        folder=tmp_path,
    )

    assert ended.code == 0
    assert {(line["wId"], line["userName"]) for line in map(json.loads, ended.output.split())} == {
        ("one", "of_east"),
        ("two", "of_west"),
        ("three", "of_east"),
    }
    assert (_called(east), _called(west)) == (["one", "three"], ["two"])


def test_the_environment_names_gateways_and_the_database(
    east: RecordingServer, west: RecordingServer, tmp_path: Path
) -> None:
    (tmp_path / "w_ids").write_text("one,east\ntwo,west\n")
    variables = {
        "WXCONTACTS_GATEWAY": f"east={east.url} west={west.url}",
        "WXCONTACTS_STORE": "sqlite:///of_all.db",
    }
    synced = run("sync", "--from", "w_ids", folder=tmp_path, variables=variables)
    printed = run("changes", folder=tmp_path, variables=variables)
    overridden = run(
        *("fetch", "three", "--gateway", west.url), folder=tmp_path, variables=variables
    )

    assert (synced.code, printed.code, overridden.code) == (0, 0, 0)
    assert (tmp_path / "of_all.db").exists()
    assert {json.loads(line)["wId"] for line in printed.output.splitlines()} == {"one", "two"}
    assert _called(east) == ["one"]
    assert _called(west) == ["three", "two"]


@pytest.mark.parametrize("command", ["fetch", "sync", "watch"])
def test_a_wid_on_two_gateways_is_an_error_before_any_call(
    command: str, east: RecordingServer, west: RecordingServer, tmp_path: Path
) -> None:
    (tmp_path / "w_ids").write_text("one\teast\ntwo\twest\none\twest\n")
    ended = run(
        *(command, "--gateway", f"east={east.url}", "--gateway", f"west={west.url}"),
        *("--from", "w_ids", *(["--every", "1h"] if command == "watch" else [])),
        folder=tmp_path,
    )

    assert ended.code == 2
    assert ended.output == ""
    assert "must have each wId on one gateway, and 'one' is on 'east' and on 'west'" in (
        ended.messages
    )
    assert (_called(east), _called(west)) == ([], [])
    assert not (tmp_path / "contacts.db").exists()


def test_a_wid_twice_on_one_gateway_is_a_duplicate(tmp_path: Path) -> None:
    (tmp_path / "w_ids").write_text("one\teast\none\teast\n")

    sources = InstanceSources([], [str(tmp_path / "w_ids")], ["east", "west"])

    assert sources.read() == ([Instance("one", gateway="east")], 1)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("one\teast\ntwo\thidden\n", "line 2: its gateway must be 'east' or 'west'"),
        ("one\teast\ntwo\n", "line 2: its gateway must be named: 'east' or 'west'"),
        ("w_id,gateway\none,east\ntwo,\n", "line 3: its gateway must be named"),
        ("w_id,gateway\none,hidden\n", "line 2: its gateway must be 'east' or 'west'"),
        ("one,east,hidden\n", "looks like CSV with 3 columns"),
        ("one,east\ntwo,east,hidden\n", "line 2: looks like CSV"),
    ],
)
def test_a_gateway_that_is_none_is_named_by_its_line_alone(
    content: str, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "w_ids"
    file.write_text(content)

    with pytest.raises(typer.BadParameter) as caught:
        InstanceSources([], [str(file)], ["east", "west"]).read()

    assert said in caught.value.message
    assert "hidden" not in caught.value.message


@pytest.mark.parametrize("named", ["", "http://localhost:18081", "http://gateway.example"])
def test_a_gateway_without_a_name_is_that_of_files_that_an_earlier_run_wrote(
    named: str, tmp_path: Path
) -> None:
    file = tmp_path / "failures.jsonl"
    file.write_text(json.dumps({"wId": "one", "gateway": named}))

    instances, _ = InstanceSources([], [str(file)], ["http://localhost:18081"]).read()

    assert instances == [Instance("one", gateway="http://localhost:18081")]


def test_a_named_gateway_is_not_taken_for_another() -> None:
    with pytest.raises(typer.BadParameter, match="must be named"):
        InstanceSources(["one"], [], ["east", "west"]).read()
    assert InstanceSources(["one"], [], ["east"]).read()[0] == [Instance("one", gateway="east")]


def test_watch_keeps_the_instances_when_a_file_moves_one_to_a_gateway_that_is_none(
    tmp_path: Path,
) -> None:
    file = tmp_path / "w_ids"
    file.write_text("one\teast\n")
    sources = InstanceSources([], [str(file)], ["east", "west"])
    before, _ = sources.read()
    file.write_text("one\tnorth, none\n")
    assert sources.read_if_changed() is None
    with pytest.raises(typer.BadParameter, match="looks like CSV"):
        sources.read_if_changed()
    file.write_text("one\twest\n\n")
    assert sources.read_if_changed() is None
    assert before == [Instance("one", gateway="east")]
    assert sources.read_if_changed() == [Instance("one", gateway="west")]


def test_read_anew_keeps_what_standard_input_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("one\teast\n")
    second.write_text("two\twest\n")
    piped = TextIOWrapper(BytesIO(b"three\teast\n"))
    monkeypatch.setattr(sys, "stdin", piped)
    sources = InstanceSources([], ["-", str(first)], ["east"])
    three = Instance("three", gateway="east")
    assert sources.read()[0] == [three, Instance("one", gateway="east")]

    assert sources.read_anew(["-", str(second)], ["east", "west"]) == [
        three,
        Instance("two", gateway="west"),
    ]
    with pytest.raises(typer.BadParameter, match="must be 'west'"):
        sources.read_anew(["-", str(second)], ["west"])
