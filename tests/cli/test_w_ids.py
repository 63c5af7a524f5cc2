"""The wIds that a command reads: from a list, CSV or JSON, in several files, and again."""

import json
import os
import signal
from pathlib import Path

import pytest
import typer

from tests.support.command import end, read_until, run, start
from tests.support.recording_server import recording, reply_with
from wxcontacts_async.cli.options.w_ids import WIdSources

_THREE = ["one", "two", "three"]
_UNDERSTOOD = {
    "a list": b"one\ntwo\nthree",
    "a list with comments, one of which has a comma": b"# mine, all\none # a, b\n\ntwo\nthree\n",
    "line ends of Windows": b"one\r\ntwo\r\nthree\r\n",
    "line ends of old Macs": b"one\rtwo\r# none\rthree\r",
    "a byte order mark": "\ufeffone\ntwo\nthree".encode(),
    "UTF-16, as PowerShell writes it": "\ufeffone\r\ntwo\r\nthree\r\n".encode("utf-16-le"),
    "UTF-16 of the other order": "\ufeffone\ntwo\nthree\n".encode("utf-16-be"),
    "UTF-32": "\ufeffone\ntwo\nthree\n".encode("utf-32-le"),
    "one column with a header": b"wId\none\ntwo\nthree\n",
    "commas": "name,w_id\n王,one\n李, two \n\n张,three\n".encode(),
    "semicolons and quotes": b'"wId";"name"\n"one";"a;b"\n"two";"c\nd"\n"three";"e""f"\n',
    "tabs in UTF-16, as Excel writes them": (
        "\ufeffname\tWID\r\n王\tone\r\n李\ttwo\r\n张\tthree\r\n".encode("utf-16-le")
    ),
    "a separator, as Excel writes it": b"sep=|\r\nname|wId\r\na|one\r\nb|two\r\nc|three\r\n",
    "more cells than names, and line ends of old Macs": b"w_id,name\rone,a,b\rtwo\rthree,c\r",
    "JSON Lines": b'{"wId":"one","name":"a"}\n\n{"name":"b","w_id":"two"}\r\n{"w_id":"three"}',
    "a JSON array of objects": b'\n[{"wId": "one"},\n {"w_id": "two"}, {"wId": "three"}]\n',
    "a JSON array of wIds": b'["one", "two", "three"]',
}


@pytest.mark.parametrize("content", _UNDERSTOOD.values(), ids=_UNDERSTOOD.keys())
def test_a_file_of_wids_is_understood_however_it_is_written(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "w_ids"
    file.write_bytes(content)

    assert WIdSources([], [str(file)]).read() == (_THREE, 0)


def _files(folder: Path, *contents: str) -> list[Path]:
    """Write these contents into files of their own."""
    files = [folder / f"w_ids-{number}" for number in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        file.write_text(content)
    return files


def test_arguments_and_several_files_are_one_list_in_the_order_given(tmp_path: Path) -> None:
    first, second = _files(tmp_path, "two\none\n", "wId,name\nthree,x\ntwo,y\n")

    assert WIdSources(["one"], [str(first), str(second)]).read() == (["one", "two", "three"], 2)


def _touched(file: Path, content: str) -> None:
    """Write it so that the time of change differs, however coarse the file system's is."""
    file.write_text(content)
    status = file.stat()
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))


def test_each_followed_file_is_read_again_by_itself(tmp_path: Path) -> None:
    first, second = _files(tmp_path, "one\n", "two\n")
    sources = WIdSources(["zero"], [str(first), str(second)])
    assert sources.read() == (["zero", "one", "two"], 0)
    assert sources.read_if_changed() is None

    _touched(second, "three\n")
    assert sources.read_if_changed() is None  # its writer may not be done
    assert sources.read_if_changed() == ["zero", "one", "three"]
    assert sources.news == f"{str(second)!r} has changed"

    _touched(first, "four\n")
    _touched(second, "a;b\n")
    assert sources.read_if_changed() is None
    with pytest.raises(typer.BadParameter, match="looks like CSV"):
        sources.read_if_changed()
    assert sources.read_if_changed() == ["zero", "four", "three"]
    assert sources.news == f"{str(first)!r} has changed"
    assert sources.read_if_changed() is None


@pytest.mark.processes
def test_from_given_twice_reads_both_and_what_failed_can_be_fetched_again(tmp_path: Path) -> None:
    failure = '{"wId":"two","error":"GatewayTimeoutError"}\n'
    listed, failures = _files(tmp_path, "one\n", failure)
    with recording(reply_with("someone")) as server:
        ended = run(
            "fetch", "--gateway", server.url, "--from", str(listed), "--from", str(failures)
        )

    assert ended.code == 0
    assert {json.loads(line)["wId"] for line in ended.output.splitlines()} == {"one", "two"}


@pytest.mark.processes
def test_watch_follows_each_file_and_keeps_what_came_by_standard_input(tmp_path: Path) -> None:
    first, second = _files(tmp_path, "one\n", "wId\ntwo\n")
    with recording(reply_with("someone")) as server:
        process = start(
            *("watch", "--gateway", server.url, "--every", "0.2s", "--from", "-"),
            *("--from", first.name, "--from", second.name),
            folder=tmp_path,
        )
        assert process.stdin is not None
        process.stdin.write(b"zero\n")
        process.stdin.close()
        process.stdin = None
        read_until(process, "Watching 3 instances")
        second.write_text("wId\nthree\nfour\n")
        said = read_until(process, "has changed: ")
        process.send_signal(signal.SIGTERM)
        ended = end(process)

    assert said == "'w_ids-1' has changed: 4 instances, 2 new, 1 dropped.\n"
    assert ended.code == 0
