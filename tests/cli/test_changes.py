"""`wxcontacts changes`: which lines of the log it prints, and what it says of the others."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.command import end, run, start
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


def test_no_more_are_printed_than_were_asked_for(tmp_path: Path) -> None:
    with recording(reply_with("a", "b", "c")) as server:
        run("sync", "one", "two", "--gateway", server.url, folder=tmp_path)
    some = run("changes", "--limit", "2", "--after", "1", folder=tmp_path)
    none = run("changes", "--limit", "0", folder=tmp_path)

    assert [json.loads(line)["id"] for line in some.output.splitlines()] == [2, 3]
    assert (some.code, some.messages) == (0, "")
    assert none.code == 2
    assert "'--limit'" in none.messages


def test_a_table_is_for_people_and_obeys_no_name(tmp_path: Path) -> None:
    with recording(reply_with(named="张三")) as server:
        run("sync", "one", "--gateway", server.url, folder=tmp_path)
        server.reply = reply_with(named="\x1b[2J王伟\n")
        run("sync", "one", "--gateway", server.url, folder=tmp_path)
    table = run("changes", "--format", "table", folder=tmp_path)
    header, added, changed = table.output.splitlines()

    assert header.split() == ["id", "at", "change", "kind", "w_id", "user_name", "what"]
    assert added.split()[0] == "1"
    assert added.split()[3:] == ["added", "friend", "one", "named", "张三"]
    assert changed.endswith("nick_name: 张三 -> \\x1b[2J王伟\\n")
    assert header.index("what") == added.index("张三") == changed.index("nick_name")


@contextmanager
def _followed(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    process = start("changes", "--follow", *arguments, folder=folder)
    with process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("arguments", [(), ("--limit", "4"), ("--format", "table")])
def test_followed_it_goes_on_with_what_other_processes_write(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    with recording(reply_with("a", "b")) as server:
        run("sync", "one", "--gateway", server.url, folder=tmp_path)
        with _followed(tmp_path, "--after", "1", *arguments) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline()]
            if "table" in arguments:
                lines = [process.stdout.readline()]
            for w_id in ("two", "three"):
                run("sync", w_id, "--gateway", server.url, folder=tmp_path)
                lines += [process.stdout.readline() for _ in range(2 if w_id == "two" else 1)]
            if "--limit" not in arguments:
                process.send_signal(signal.SIGTERM)
            ended = end(process)

    assert (ended.code, ended.messages) == (0, "")
    if "table" in arguments:
        assert [line.split()[0] for line in lines] == [b"2", b"3", b"4", b"5"]
    else:
        assert [json.loads(line)["id"] for line in lines] == [2, 3, 4, 5]


def test_followed_of_one_instance_it_prints_no_other(tmp_path: Path) -> None:
    with recording(reply_with("a", "b")) as server:
        run("sync", "two", "--gateway", server.url, folder=tmp_path)
        with _followed(tmp_path, "--w-id", "two") as process:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(2)]
            run("sync", "three", "--gateway", server.url, folder=tmp_path)
            server.reply = reply_with("a", "b", "c")
            run("sync", "two", "--gateway", server.url, folder=tmp_path)
            lines.append(process.stdout.readline())
            process.send_signal(signal.SIGINT)
            ended = end(process)

    assert ended.code == 0
    assert [json.loads(line)["id"] for line in lines] == [1, 2, 5]
