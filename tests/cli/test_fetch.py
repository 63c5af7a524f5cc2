"""`wxcontacts fetch`: what it writes, what it says and how it ends."""

import json
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.command import emulator, end, run, start
from tests.support.recording_server import recording
from wxcontacts_async.emulator import GatewayEmulator, Population

pytestmark = pytest.mark.processes

_SEED = 3
_INSTANCES = 12
_W_IDS = GatewayEmulator(_INSTANCES, seed=_SEED).w_ids


@pytest.fixture(scope="module", autouse=True)
def fetch_from_nowhere() -> Iterator[subprocess.Popen[bytes]]:
    """Start it before the other tests, as it tries again and again for some seconds."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with start("fetch", "one", "two", "--gateway", f"http://127.0.0.1:{port}") as process:
        yield process
        process.kill()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    options = {"--instances": _INSTANCES, "--seed": _SEED, "--contacts": 60, "--initializing": 0.5}
    with emulator(*(str(word) for option in options.items() for word in option)) as url:
        yield url


def _expected(w_ids: list[str]) -> list[Any]:
    """Return what must be written for these instances, in any order of theirs."""
    population = Population(_SEED)
    return [
        {"wId": w_id, "kind": kind.value, **msgspec.to_builtins(contact)}
        for w_id in w_ids
        for kind, contact in population.contact_set(w_id, 60).items()
    ]


def _written(text: str) -> list[Any]:
    assert not text or text.endswith("\n")
    lines = [json.loads(line) for line in text.splitlines()]
    return sorted(lines, key=lambda line: _W_IDS.index(line["wId"]))


def test_every_contact_is_one_line_with_its_wid_its_kind_and_the_documents_keys(url: str) -> None:
    ended = run("fetch", *_W_IDS, "--gateway", url, "--init-interval", "0.05")

    assert ended.code == 0
    assert _written(ended.output) == _expected(_W_IDS)
    assert list(json.loads(ended.output.splitlines()[0]))[:4] == [
        "wId",
        "kind",
        "userName",
        "aliasName",
    ]
    assert f"{_INSTANCES} of {_INSTANCES} instances" in ended.messages
    assert "contacts in all" in ended.messages


def test_wids_come_from_a_file_with_comments_and_blank_lines(url: str, tmp_path: Path) -> None:
    listed = tmp_path / "w_ids.txt"
    listed.write_text(
        f"\ufeff# mine\r\n{_W_IDS[0]}\r\n\r\n  {_W_IDS[1]}  # hers\n#{_W_IDS[2]}\n{_W_IDS[0]}",
    )

    ended = run("fetch", _W_IDS[3], "--from", str(listed), "--gateway", url)

    assert ended.code == 0
    assert _written(ended.output) == _expected([_W_IDS[0], _W_IDS[1], _W_IDS[3]])
    assert "1 wId was given" in ended.messages


def test_wids_come_from_standard_input_and_contacts_go_to_a_private_file(
    url: str,
    tmp_path: Path,
) -> None:
    output = tmp_path / "contacts.jsonl"
    given = "\n".join(_W_IDS[:2]).encode()

    ended = run("fetch", "--from", "-", "--gateway", url, "--output", str(output), given=given)

    assert ended.code == 0
    assert ended.output == ""
    assert _written(output.read_text()) == _expected(_W_IDS[:2])
    assert stat.S_IMODE(output.stat().st_mode) == 0o600


def test_an_earlier_output_is_overwritten(url: str, tmp_path: Path) -> None:
    output = tmp_path / "contacts.jsonl"
    output.write_text("old\n" * 100_000)

    ended = run("fetch", _W_IDS[0], "--gateway", url, "--output", str(output))

    assert ended.code == 0
    assert _written(output.read_text()) == _expected(_W_IDS[:1])


def test_a_refused_instance_gives_exit_code_1_and_a_line_in_the_failures(
    url: str,
    tmp_path: Path,
) -> None:
    failures = tmp_path / "failures.jsonl"

    ended = run("fetch", _W_IDS[0], "[nobody]", "--gateway", url, "--failures", str(failures))

    assert ended.code == 1
    assert _written(ended.output) == _expected(_W_IDS[:1])
    assert "1 x GatewayRefusedError, such as wId '[nobody]'" in ended.messages
    assert str(failures) in ended.messages
    failure = json.loads(failures.read_text())
    assert failure.pop("message").startswith("wId '[nobody]' at gateway")
    assert failure == {
        "wId": "[nobody]",
        "gateway": url,
        "error": "GatewayRefusedError",
        "calls": 1,
    }
    assert stat.S_IMODE(failures.stat().st_mode) == 0o600


def test_headers_and_the_authorization_variable_are_sent_and_never_shown(tmp_path: Path) -> None:
    failures = tmp_path / "failures.jsonl"
    with recording(b"", status=401) as server:
        ended = run(
            *("fetch", "one", "--gateway", server.url, "--failures", str(failures)),
            *("--header", "X-Tenant:  t0psecret ", "--header", "X-Zone: east"),
            variables={"WXCONTACTS_AUTHORIZATION": "Bearer s3cret\n"},
        )

    (headers,) = server.headers
    assert headers["Authorization"] == "Bearer s3cret"
    assert headers["X-Tenant"] == "t0psecret"
    assert headers["X-Zone"] == "east"
    assert ended.code == 1
    assert "Check the credentials" in ended.messages
    for secret in ("s3cret", "t0psecret"):
        assert secret not in ended.output + ended.messages + failures.read_text()


def test_a_header_option_goes_before_the_authorization_variable() -> None:
    with recording(b'{"code":1000,"data":{}}') as server:
        ended = run(
            *("fetch", "one", "--gateway", server.url, "--header", "authorization: given"),
            variables={"WXCONTACTS_AUTHORIZATION": "from the environment"},
        )

    assert ended.code == 0
    (headers,) = server.headers
    assert headers["authorization"] == "given"
    assert "Authorization" not in headers


def test_a_contact_that_cannot_be_decoded_is_counted_and_kept_as_it_came(tmp_path: Path) -> None:
    failures = tmp_path / "failures.jsonl"
    damaged = '{"userName":[1],"nickName":"王"}'
    reply = '{"code":"1000","data":{"friend":[{"userName":"a"},%s]}}' % damaged  # noqa: UP031
    with recording(reply.encode()) as server:
        ended = run("fetch", "one", "--gateway", server.url, "--failures", str(failures))

    assert ended.code == 0
    assert [json.loads(line)["userName"] for line in ended.output.splitlines()] == ["a"]
    assert "contacts rejected" in ended.messages
    assert "王" not in ended.messages
    rejected = json.loads(failures.read_text())
    assert rejected.pop("error")
    assert rejected == {"wId": "one", "kind": "friend", "raw": damaged}


def test_a_contact_with_a_value_lost_is_written_counted_and_kept_as_it_came(
    tmp_path: Path,
) -> None:
    failures = tmp_path / "failures.jsonl"
    flawed = '{"userName":"b","nickName":{"string":"王"},"city":NaN,"sex":true}'
    reply = '{"code":"1000","data":{"friend":[{"userName":"a"},%s,{"userName":" "}]}}' % flawed  # noqa: UP031
    with recording(reply.encode()) as server:
        ended = run("fetch", "one", "--gateway", server.url, "--failures", str(failures))

    assert ended.code == 0
    written = {one["userName"]: one for one in map(json.loads, ended.output.splitlines())}
    assert written.keys() == {"a", "b"}
    assert (written["b"]["nickName"], written["b"]["city"], written["b"]["sex"]) == ("王", None, 0)
    assert "contacts with a value lost" in ended.messages
    assert "1 contacts have a value that could not be decoded" in ended.messages
    assert "1 contacts could not be decoded and are left out" in ended.messages
    assert "王" not in ended.messages
    blank, lost = map(json.loads, failures.read_text().splitlines())
    assert blank["raw"] == '{"userName":" "}'
    assert lost == {
        "wId": "one",
        "kind": "friend",
        "userName": "b",
        "fields": ["sex", "city"],
        "raw": flawed,
    }


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk is simulated by Linux")
def test_a_full_disk_is_said_and_what_is_missing(url: str) -> None:
    ended = run("fetch", *_W_IDS, "--gateway", url, "--output", "/dev/full")

    assert ended.code == 1
    assert "'/dev/full' cannot be written: the disk is full" in ended.messages
    assert "12 of 12 instances are missing" in ended.messages
    assert not ended.has_traceback


def test_a_dead_gateway_fails_each_instance_with_no_traceback(
    fetch_from_nowhere: subprocess.Popen[bytes],
) -> None:
    ended = end(fetch_from_nowhere)

    assert ended.code == 1
    assert ended.output == ""
    assert "2 x GatewayConnectionError, such as wId" in ended.messages
    assert "--gateway" in ended.messages
    assert "--failures" in ended.messages
    assert not ended.has_traceback
