"""`wxcontacts watch` as a service: its health, its log, systemd and SIGHUP."""

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.support.command import SECONDS, end, read_until, run, start
from tests.support.recording_server import RecordingServer, recording, reply_with

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGHUP"),
]


@contextmanager
def _watching(
    url: str,
    folder: Path,
    *arguments: str,
    variables: dict[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    command = ("watch", "--gateway", url, "--every", "0.2s", *arguments)
    process = start(*command, folder=folder, variables=variables)
    with process:
        try:
            yield process
        finally:
            process.kill()


def _get(url: str) -> tuple[int, str]:
    try:
        with urlopen(url, timeout=SECONDS) as answer:  # noqa: S310  # it is http
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def _served_at(process: subprocess.Popen[bytes]) -> str:
    line = read_until(process, "Metrics are served")
    return line.split(" at ")[1].strip().removesuffix("/metrics.")


def test_it_serves_metrics_and_whether_it_is_alive_and_ready(tmp_path: Path) -> None:
    with (
        recording(reply_with("a")) as server,
        _watching(server.url, tmp_path, "one", "--listen", "0") as process,
    ):
        url = _served_at(process)
        assert url.startswith("http://127.0.0.1:")
        read_until(process, "Watching")
        assert _get(f"{url}/healthz") == (200, "ok\n")
        status, body = _get(f"{url}/readyz")
        assert (status, json.loads(body)) == (
            200,
            {
                "ready": True,
                "database": {"sqlite:///contacts.db": "up"},
                "gateways": {server.url: "up"},
            },
        )
        assert "wxcontacts_store_up 1.0" in _get(f"{url}/metrics")[1]


def test_it_is_not_ready_while_a_gateway_is_away(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        gateway = f"http://127.0.0.1:{taken.getsockname()[1]}"
        options = (*"abcdef", "--listen", "0", "--log-format", "text")
        with _watching(gateway, tmp_path, *options) as process:
            url = _served_at(process)
            read_until(process, "does not answer")
            status, body = _get(f"{url}/readyz")
            assert status == 503
            found = json.loads(body)
            assert found["ready"] is False
            assert found["gateways"][gateway].startswith("down for ")
            assert found["database"] == {"sqlite:///contacts.db": "up"}
            assert _get(f"{url}/healthz")[0] == 200


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1:", "1:2:99999", "127.0.0.1:x"])
def test_an_address_that_is_none_is_said(address: str, tmp_path: Path) -> None:
    ended = run("watch", "one", "--every", "1s", "--listen", address, folder=tmp_path)
    assert ended.code == 2
    assert "--listen" in ended.messages
    assert repr(address) in ended.messages


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with recording(reply_with()) as server:
        port = server.url.rpartition(":")[2]
        with _watching(server.url, tmp_path, "one", "--listen", port) as process:
            ended = end(process)
    assert ended.code == 1
    assert f"--listen 127.0.0.1:{port}" in ended.messages
    assert not ended.has_traceback


def _log(process: subprocess.Popen[bytes], words: str) -> dict[str, Any]:
    return dict(json.loads(read_until(process, words)))


def test_its_log_has_times_and_levels_and_sums_failures_up(tmp_path: Path) -> None:
    refusal = b'{"code":"1001","message":"gone"}'
    with (
        recording(refusal) as server,
        _watching(server.url, tmp_path, *"abcde", "--log-format", "json") as process,
    ):
        watching = _log(process, "Watching")
        summary = _log(process, "failures (")
        process.send_signal(signal.SIGTERM)
        ended = end(process)
    assert set(watching) == {"time", "level", "logger", "message"}
    assert watching["level"] == "info"
    assert watching["time"].endswith("Z")
    assert summary["level"] == "warning"
    assert "GatewayRefusedError" in summary["message"]
    assert re.search(r"GatewayRefusedError \d+: wId '\w', '\w', '\w', \.\.\.", summary["message"])
    lines = [json.loads(line) for line in ended.messages.splitlines()]
    assert not [line for line in lines if "refused with code" in line["message"]]
    assert lines[-1]["message"].startswith("Stopped: ")


def test_as_text_its_log_has_the_same_on_plain_lines(tmp_path: Path) -> None:
    with (
        recording(reply_with("a")) as server,
        _watching(server.url, tmp_path, "one", "--log-format", "text") as process,
    ):
        line = read_until(process, "In the last ")
    time, level, message = line.split(" ", 2)
    assert (time[4], time[-1], level) == ("-", "Z", "INFO")
    assert message.startswith("In the last 1 s: ")
    assert "0 failures." in message


def test_an_outage_is_said_when_it_begins_and_when_it_ends(tmp_path: Path) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        gateway = f"http://127.0.0.1:{port}"
        with _watching(gateway, tmp_path, *"abcdef", "--log-format", "text") as process:
            read_until(process, "does not answer")
            read_until(process, "In the last ")
            process.send_signal(signal.SIGTERM)
            assert "does not answer" not in end(process).messages


def test_systemd_is_told_that_it_is_ready_alive_and_stopping(tmp_path: Path) -> None:
    with (
        recording(reply_with("a")) as server,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd,
    ):
        path = tmp_path / "notify"
        systemd.bind(str(path))
        systemd.settimeout(SECONDS)
        variables = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "400000"}
        with _watching(server.url, tmp_path, "one", variables=variables) as process:
            told = _told_until(systemd, "READY=1")
            assert "STATUS=Watching 1 instances, each every 0.2 s." in _told_until(
                systemd, "STATUS=Watching"
            )
            for _ in range(3):
                _told_until(systemd, "WATCHDOG=1")
            process.send_signal(signal.SIGTERM)
            told = _told_until(systemd, "STOPPING=1")
            assert "READY=1" not in told
            assert end(process).code == 0


def _told_until(systemd: socket.socket, word: str) -> list[str]:
    told: list[str] = []
    while not any(word in line for line in told):
        told += systemd.recv(4096).decode().splitlines()
    return told


def test_without_a_watchdog_systemd_is_told_of_none(tmp_path: Path) -> None:
    with (
        recording(reply_with("a")) as server,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd,
    ):
        path = tmp_path / "notify"
        systemd.bind(str(path))
        systemd.settimeout(SECONDS)
        variables = {"NOTIFY_SOCKET": str(path)}
        with _watching(server.url, tmp_path, "one", variables=variables) as process:
            told = _told_until(systemd, "STATUS=In the last")
            process.send_signal(signal.SIGTERM)
            told += _told_until(systemd, "STOPPING=1")
            end(process)
    assert told[0] == "READY=1"
    assert "WATCHDOG=1" not in told


def test_at_a_hangup_it_reads_the_w_ids_again_and_goes_on(tmp_path: Path) -> None:
    w_ids = tmp_path / "w_ids.txt"
    w_ids.write_text("one\n")
    with (
        recording(reply_with("a")) as server,
        _watching(server.url, tmp_path, "--from", "w_ids.txt") as process,
    ):
        read_until(process, "Watching 1 instances")
        process.send_signal(signal.SIGHUP)
        said = read_until(process, "All was read again")
        assert "1 instances, 0 new, 0 dropped." in said
        w_ids.write_text("")
        process.send_signal(signal.SIGHUP)
        assert "what was read before is kept" in read_until(process, "SIGHUP: ")
        _called_again(server)
        process.send_signal(signal.SIGTERM)
        assert end(process).code == 0


def test_at_a_hangup_it_reads_its_configuration_again_and_calls_other_gateways(
    tmp_path: Path,
) -> None:
    config = tmp_path / "wxcontacts.toml"
    with recording(reply_with("a")) as before, recording(reply_with("a", "b")) as after:
        config.write_text(f'[gateways.east]\nbase_url = "{before.url}"\n')
        options = ("watch", "one", "--config", config.name, "--every", "0.2s", "--listen", "0")
        process = start(*options, folder=tmp_path)
        with process:
            try:
                url = _served_at(process)
                read_until(process, "Watching 1 instances")
                _called_again(before)
                config.write_text(f'[gateways.west]\nbase_url = "{after.url}"\n')
                process.send_signal(signal.SIGHUP)
                read_until(process, "All was read again")
                read_until(process, "Watching 1 instances")
                _called_again(after)
                found = json.loads(_get(f"{url}/readyz")[1])
                assert found["gateways"] == {"west": "up"}
                process.send_signal(signal.SIGTERM)
                assert end(process).code == 0
            finally:
                process.kill()


def test_what_is_shipped_for_a_service_stands_in_the_docs() -> None:
    root = Path(__file__).parents[2]
    unit = (root / "deploy/systemd/wxcontacts-watch.service").read_text(encoding="utf-8")
    line = (root / "deploy/crontab").read_text(encoding="utf-8").splitlines()[-1]
    for page in ("operating.md", "operating.zh.md"):
        text = (root / "docs" / page).read_text(encoding="utf-8")
        assert unit in text
        assert line in text


def _called_again(server: RecordingServer) -> None:
    """Wait for one more call."""
    while not server.w_ids.empty():
        server.w_ids.get()
    server.w_ids.get(timeout=SECONDS)
