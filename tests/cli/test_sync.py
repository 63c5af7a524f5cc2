"""`wxcontacts sync`: what is in the database, what it says and how it ends."""

import json
import re
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from time import sleep

import pytest

from tests.support.command import SECONDS, Ended, emulator, end, read_until, run, start
from tests.support.recording_server import recording, reply_with
from wxcontacts_async.emulator import GatewayEmulator

pytestmark = pytest.mark.processes

_INSTANCES = 12
_CONTACTS = 60
_W_IDS = GatewayEmulator(_INSTANCES).w_ids
_OPTIONS = {"--instances": _INSTANCES, "--contacts": _CONTACTS, "--initializing": 0.5}
_STORE_COMMANDS = {
    "sync": ("x", "--gateway", "http://127.0.0.1:9", "--to"),
    "watch": ("x", "--gateway", "http://127.0.0.1:9", "--every", "1s", "--to"),
    "changes": ("--store",),
    "export": ("--format", "csv", "--output", "-", "--store"),
    "accept": ("x", "--store"),
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with emulator(*(str(word) for option in _OPTIONS.items() for word in option)) as url:
        yield url


def _rows(ended: Ended) -> dict[str, str]:
    """Return the rows of the table, by name."""
    return dict(re.findall(r"│ +(.*?) +│ +(\S+)", ended.messages))


def test_the_database_is_in_step_and_another_run_does_just_the_rest(
    url: str,
    tmp_path: Path,
) -> None:
    listed = tmp_path / "w_ids.txt"
    listed.write_text("\n".join(_W_IDS))
    arguments = ("--from", "w_ids.txt", "--gateway", url, "--init-interval", "0.05")

    first = run("sync", "[nobody]", *arguments, folder=tmp_path)
    rest = run("sync", "[nobody]", *arguments, "--stale-after", "1h", folder=tmp_path)
    again = run("sync", *arguments, "--to", "sqlite:///contacts.db", folder=tmp_path)

    database = tmp_path / "contacts.db"
    with closing(sqlite3.connect(database)) as connection:
        counts = connection.execute("SELECT w_id, count(*) FROM contacts GROUP BY w_id")
        assert dict(counts) == dict.fromkeys(_W_IDS, _CONTACTS)
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
    assert [ended.output for ended in (first, rest, again)] == [""] * 3
    assert (first.code, rest.code, again.code) == (1, 1, 0)

    added = str(_INSTANCES * _CONTACTS)
    rows = _rows(first)
    assert rows.pop("time")
    assert rows == {
        "instances synced": str(_INSTANCES),
        "instances skipped, not stale": "0",
        "instances failed": "1",
        "GatewayRefusedError": "1",
        "instances suspicious": "0",
        "contacts": added,
        "contacts added": added,
        "contacts removed": "0",
        "contacts changed": "0",
    }
    assert "1 x GatewayRefusedError, such as wId '[nobody]'" in first.messages
    assert "The same command with --stale-after 1h syncs just the rest." in first.messages
    assert _rows(rest)["instances skipped, not stale"] == str(_INSTANCES)
    assert _rows(rest)["instances synced"] == "0"
    assert _rows(again)["contacts"] == added
    assert _rows(again)["contacts added"] == "0"
    assert "just the rest" not in again.messages


@pytest.mark.slow
def test_after_ctrl_c_the_same_command_does_just_the_rest(tmp_path: Path) -> None:
    arguments = ("--to", f"sqlite:///{tmp_path}/contacts.db", "--stale-after", "1h")
    with emulator(*(str(word) for option in _OPTIONS.items() for word in option)) as url:
        command = ("sync", *_W_IDS, "--gateway", url, *arguments, "--init-interval")
        process = start(*command, "500")
        read_until(process, "6 done, 6 waiting (initializing)")
        process.send_signal(signal.SIGINT)
        interrupted = end(process)
        rest = run(*command, "0.05")

    assert interrupted.code == 130
    assert "Interrupted (SIGINT)." in interrupted.messages
    assert "6 of 12 instances are missing" in interrupted.messages
    assert "The same command again syncs just the rest." in interrupted.messages
    assert not interrupted.has_traceback
    assert rest.code == 0
    assert _rows(rest)["instances skipped, not stale"] == "6"
    assert _rows(rest)["instances synced"] == "6"


@pytest.mark.slow
def test_ctrl_c_ends_it_though_another_one_holds_the_database(tmp_path: Path) -> None:
    with recording(reply_with("someone")) as server:
        command = ("sync", "one", "--gateway", server.url)
        assert run(*command, folder=tmp_path).code == 0
        with closing(sqlite3.connect(tmp_path / "contacts.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            server.reply = reply_with("someone else")
            process = start(*command, folder=tmp_path)
            read_until(process, "0 done")
            process.send_signal(signal.SIGINT)
            ended = end(process)

    assert ended.code == 130
    assert "1 of 1 instances are missing; the database has them as they were" in ended.messages
    assert not ended.has_traceback


@pytest.mark.parametrize("is_refused", [False, True])
def test_ctrl_c_says_what_the_database_has(tmp_path: Path, *, is_refused: bool) -> None:
    w_ids = [f"w{number}" for number in range(20)]
    refused = b'{"code":"1001","message":"gone"}'
    with recording(reply_with("someone")) as server:
        assert run("sync", "one", "--gateway", server.url, folder=tmp_path).code == 0
        if is_refused:
            server.reply = refused
        with closing(sqlite3.connect(tmp_path / "contacts.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            process = start(
                *("sync", *w_ids, "--gateway", server.url, "--failures", "failures.jsonl"),
                folder=tmp_path,
            )
            read_until(process, "is waited for")
            process.send_signal(signal.SIGINT)
            sleep(1.0)  # a third of how long it then waits
            other.execute("ROLLBACK")  # so that what waits for its turn is written
        ended = end(process)
    with closing(sqlite3.connect(tmp_path / "contacts.db")) as connection:
        rows = connection.execute("SELECT w_id FROM instances WHERE w_id <> 'one'")
        written = [w_id for (w_id,) in rows]

    assert ended.code == 130
    assert 0 < len(written) < len(w_ids)
    missing = len(w_ids) - len(written)
    assert f"{missing} of 20 instances are missing; the database has them as" in ended.messages
    assert _rows(ended)["instances failed" if is_refused else "instances synced"] == str(
        len(written),
    )
    failures = (tmp_path / "failures.jsonl").read_text().splitlines()
    failed = sorted(json.loads(line)["wId"] for line in failures)
    assert failed == (sorted(written) if is_refused else [])


def test_a_suspicious_instance_is_counted_and_explained(tmp_path: Path) -> None:
    names = [f"wxid_{number}" for number in range(30)]
    with recording(reply_with(*names)) as server:
        command = ("sync", "one", "--gateway", server.url, "--to", f"sqlite:///{tmp_path}/c.db")
        run(*command)
        server.reply = reply_with(*names[:5])
        suspicious = run(*command, "--stale-after", "0s")
        stale = run(*command, "--stale-after", "1h")
        again = run(*command, "--confirm-after", "1h30m")
        removed = run(*command, "--max-shrink", "1")

    assert suspicious.code == stale.code == again.code == 1
    assert _rows(stale)["instances suspicious"] == "1"
    assert _rows(suspicious)["instances suspicious"] == "1"
    assert _rows(suspicious)["instances failed"] == "0"
    assert _rows(suspicious)["contacts removed"] == "0"
    assert _rows(suspicious)["contacts missing, not removed"] == "25"
    assert "wId 'one': 25 of 30 contacts are missing" in suspicious.messages
    assert "once they have been missing for 1d;" in suspicious.messages
    hint = f"`wxcontacts accept one --store sqlite:///{tmp_path}/c.db` lets the next sync"
    assert hint in suspicious.messages
    assert "once they have been missing for 1h30m;" in again.messages
    assert removed.code == 0
    assert _rows(removed)["contacts removed"] == "25"
    assert "suspicious, such" not in removed.messages


def test_who_has_been_missing_for_long_enough_is_removed(tmp_path: Path) -> None:
    names = [f"wxid_{number}" for number in range(30)]
    with recording(reply_with(*names)) as server:
        command = ("sync", "one", "--gateway", server.url, "--confirm-after", "0s")
        run(*command, folder=tmp_path)
        server.reply = reply_with(*names[:5])
        suspicious = run(*command, folder=tmp_path)
        removed = run(*command, folder=tmp_path)

    assert (suspicious.code, removed.code) == (1, 0)
    assert _rows(removed)["contacts removed"] == "25"


def test_who_may_be_among_the_unreadable_is_held_back_and_said(tmp_path: Path) -> None:
    with recording(reply_with("a", "b", "c")) as server:
        command = ("sync", "one", "--gateway", server.url)
        run(*command, folder=tmp_path)
        server.reply = b'{"code":"1000","data":{"friend":[{"userName":"a"},{"userName":[1]}]}}'
        ended = run(*command, folder=tmp_path)

    assert ended.code == 0
    assert _rows(ended)["contacts held back"] == "2"
    assert _rows(ended)["contacts removed"] == "0"
    assert "2 contacts are missing and kept" in ended.messages


def test_a_contact_that_cannot_be_stored_is_in_the_failures(tmp_path: Path) -> None:
    reply = b'{"code":"1000","data":{"friend":[{"userName":"a"},{"userName":"b","sex":%d}]}}'
    with recording(reply % 2**63) as server:
        ended = run(
            *("sync", "one", "--gateway", server.url, "--failures", "failures.jsonl"),
            folder=tmp_path,
        )

    assert ended.code == 0
    assert _rows(ended)["contacts"] == _rows(ended)["contacts rejected"] == "1"
    failure = json.loads((tmp_path / "failures.jsonl").read_text())
    assert "sex must be a whole number" in failure["error"]
    assert json.loads(failure["raw"])["userName"] == "b"


def test_what_fails_and_what_cannot_be_decoded_is_in_the_failures(tmp_path: Path) -> None:
    flawed = b'{"userName":"a","city":NaN}'
    reply = b'{"code":"1000","data":{"friend":[%b,{"userName":[1]}]}}' % flawed
    with recording(reply) as server:
        ended = run(
            *("sync", "one", "--gateway", server.url, "--failures", "failures.jsonl"),
            folder=tmp_path,
        )

    assert ended.code == 0
    assert _rows(ended)["contacts rejected"] == "1"
    assert _rows(ended)["contacts with a value lost"] == "1"
    lines = (tmp_path / "failures.jsonl").read_text().splitlines()
    assert [json.loads(line)["raw"] for line in lines] == ['{"userName":[1]}', flawed.decode()]


def test_a_database_that_cannot_be_used_is_said_in_one_line(tmp_path: Path) -> None:
    newer, junk = tmp_path / "newer.db", tmp_path / "junk.db"
    with closing(sqlite3.connect(newer)) as connection, connection:
        connection.execute("CREATE TABLE wxcontacts_schema (version)")
        connection.execute("INSERT INTO wxcontacts_schema VALUES (99)")
    junk.write_bytes(b"no database " * 1000)
    newer_url, junk_url = f"sqlite:///{newer}", f"sqlite:///{junk}"
    refusing = "postgresql://user:hidden@127.0.0.1:1/contacts"
    unusable = {
        ("sync", newer_url): "tables of version 99",
        ("watch", newer_url): "tables of version 99",
        ("export", junk_url): "file is not a database",
        ("changes", refusing): "Connection refused",
        ("accept", newer_url): "tables of version 99",
    }
    with ThreadPoolExecutor() as threads:
        ends = threads.map(
            lambda given: run(given[0], *_STORE_COMMANDS[given[0]], given[1]), unusable
        )

    for ((command, url), words), ended in zip(unusable.items(), ends, strict=True):
        assert ended.code == 1
        assert ended.output == ""
        assert ended.messages.startswith(url.replace(":hidden", ""))
        said, *more = ended.messages.splitlines()
        assert words in said
        assert more == (["standard output is not complete."] if command == "export" else [])


def _run_without(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it as if a module were not installed."""
    program = (
        f"import sys; sys.modules[{module!r}] = None; sys.argv[0] = 'wxcontacts'; "
        "from wxcontacts_async.cli import main; main()"
    )
    return subprocess.run(  # noqa: S603  # this very program
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        check=False,
        text=True,
        timeout=SECONDS,
    )


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        ("sync", "pyarrow"),
        ("export", "adbc_driver_sqlite"),
        pytest.param("watch", "pyarrow", marks=pytest.mark.slow),
        pytest.param("changes", "adbc_driver_manager", marks=pytest.mark.slow),
        pytest.param("accept", "pyarrow", marks=pytest.mark.slow),
    ],
)
def test_without_the_extra_a_command_that_needs_it_says_what_to_install(
    command: str, missing: str
) -> None:
    ended = _run_without(missing, command, *_STORE_COMMANDS[command], "sqlite:///absent.db")

    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert missing in ended.stderr
    assert "pip install 'wxcontacts_async[cli,store]'" in ended.stderr


def test_fetch_imports_nothing_of_the_extra(url: str) -> None:
    program = (
        "import sys; from wxcontacts_async.cli import main\n"
        "try: main()\n"
        "finally: print({name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    ended = subprocess.run(  # noqa: S603  # this very program
        [sys.executable, "-c", program, "fetch", _W_IDS[0], "--gateway", url],
        capture_output=True,
        check=True,
        text=True,
        timeout=SECONDS,
    )

    imported = ended.stderr.splitlines()[-1]
    assert "'wxcontacts_async'" in imported
    assert "pyarrow" not in imported
    assert "adbc" not in imported
