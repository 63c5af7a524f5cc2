"""`wxcontacts accept`: what it lets the next sync do, what it says and how it ends."""

import json
import re
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.command import Ended, run
from tests.support.postgresql import PASSWORD, PostgresqlServer, execute
from tests.support.recording_server import RecordingServer, recording, reply_with
from wxcontacts_async import ContactKind
from wxcontacts_async.cli.options.database import DatabaseOption
from wxcontacts_async.cli.options.values import duration, shown_duration
from wxcontacts_async.cli.terminal.suspicion import describe_suspicion
from wxcontacts_async.store import Suspicion

pytestmark = pytest.mark.processes

NOTHING = b'{"code":"1000","data":null}'


def _sync(server: RecordingServer, folder: Path, *w_ids: str) -> Ended:
    return run("sync", *w_ids, "--gateway", server.url, folder=folder)


def test_an_answer_with_nobody_is_taken_over_once_it_is_accepted(tmp_path: Path) -> None:
    with recording(reply_with("a", "b", named="secret")) as server:
        _sync(server, tmp_path, "one", "two")
        server.reply = NOTHING
        suspicious = _sync(server, tmp_path, "one", "two")
        said = run("changes", "--w-id", "two", "--since", "0s", folder=tmp_path)
        accepted = run("accept", "one", "--store", "sqlite:///contacts.db", folder=tmp_path)
        again = _sync(server, tmp_path, "one")
        known = run("accept", "one", "two", "three", folder=tmp_path)

    assert suspicious.code == 1
    # Of two that are fetched at once, either may be the first.
    (example,) = re.findall(r"2 x suspicious, such as wId '(one|two)'", suspicious.messages)
    assert f"wId '{example}': 3 of 3 contacts are missing" in suspicious.messages
    assert "No sync believes that by itself" in suspicious.messages
    assert f"accept {example} --store sqlite:///contacts.db" in suspicious.messages
    assert (said.code, said.output) == (0, "")
    assert said.messages.startswith("1 x suspicious, such as wId 'two': 3 of 3 contacts are ")
    assert "`wxcontacts accept two --store sqlite:///contacts.db`" in said.messages
    assert (accepted.code, accepted.output) == (0, "")
    assert accepted.messages == (
        "wId 'one': accepted that 3 of 3 contacts are gone; the next sync removes those that are "
        "still missing.\n"
    )
    assert again.code == 0
    with closing(sqlite3.connect(tmp_path / "contacts.db")) as connection:
        assert dict(connection.execute("SELECT w_id, contacts FROM instances")) == {
            "one": 0,
            "two": 3,
        }
    assert known.code == 1
    nothing, taken, unknown = known.messages.splitlines()
    assert nothing == "wId 'one': nothing is suspicious of it."
    assert taken.startswith("wId 'two': accepted that 3 of 3")
    assert unknown == "wId 'three': sqlite:///contacts.db has no contacts of it."
    assert "secret" not in "".join(each.messages for each in (suspicious, said, accepted, known))


def test_changes_say_which_instances_are_suspicious(tmp_path: Path) -> None:
    names = [f"wxid_{number}" for number in range(30)]
    with recording(reply_with(*names)) as server:
        _sync(server, tmp_path, "one", "two")
        clean = run("changes", folder=tmp_path)
        server.reply = reply_with(*names[:5])
        _sync(server, tmp_path, "one", "two")
        all_said = run("changes", folder=tmp_path)
        other = run("changes", "--w-id", "three", folder=tmp_path)
        run("accept", "two", folder=tmp_path)
        one = run("changes", "--w-id", "one", folder=tmp_path)
        two = run("changes", "--w-id", "two", folder=tmp_path)
        run("sync", "two", "--gateway", server.url, folder=tmp_path)
        removed = run("changes", "--w-id", "two", folder=tmp_path)
        _forget_who(tmp_path)
        unknown = run("changes", folder=tmp_path)

    assert clean.messages == ""
    assert other.messages == "wId 'three': sqlite:///contacts.db does not know it.\n"
    assert (clean.code, other.code) == (0, 1)
    assert len([json.loads(line) for line in all_said.output.splitlines()]) == 60
    assert all_said.code == 0
    assert all_said.messages.startswith(
        "2 x suspicious, such as wId 'one': 25 of 30 contacts are missing since ",
    )
    assert "--confirm-after" in all_said.messages
    assert "`wxcontacts accept one --store" in all_said.messages
    assert "accepted" not in one.messages
    assert two.messages == (
        "1 x suspicious, such as wId 'two': 25 of 30 contacts are missing, which is accepted; the "
        "next sync removes those that it still lacks.\n"
    )
    assert removed.messages == ""
    assert "25 of 30 contacts are missing, and are kept; `wxcontacts" in unknown.messages


def _forget_who(folder: Path) -> None:
    """Let suspicions be as an older version wrote them down."""
    with closing(sqlite3.connect(folder / "contacts.db")) as connection, connection:
        connection.execute(
            "UPDATE instances SET suspected_digest = 'of names', suspected_since = NULL, "
            "suspected_kinds = NULL WHERE suspected_at IS NOT NULL",
        )
        connection.execute("DELETE FROM missing_contacts")


def test_only_of_an_answer_that_had_none_it_is_said_that_it_has_no_contact_at_all(
    tmp_path: Path,
) -> None:
    database = DatabaseOption(f"sqlite:///{tmp_path}/contacts.db", "--to")
    known = describe_suspicion("w", Suspicion(40, 40, kinds=(ContactKind.FRIEND,)), database)
    assert "which has no contact at all" in known
    assert "no contact" not in describe_suspicion("w", Suspicion(40, 30), database)


def test_wids_are_read_from_a_file_and_typed_safely(tmp_path: Path) -> None:
    (tmp_path / "w_ids.txt").write_text("-it's-one\n")
    with recording(reply_with("a")) as server:
        command = ("sync", "--from", "w_ids.txt", "--gateway", server.url)
        run(*command, folder=tmp_path)
        server.reply = NOTHING
        suspicious = run(*command, folder=tmp_path)
        accepted = run("accept", "--from", "w_ids.txt", folder=tmp_path)

    hint = """accept --store sqlite:///contacts.db -- '-it'"'"'s-one'`"""
    assert hint in suspicious.messages
    assert accepted.code == 0
    assert "accepted that 1 of 1 contacts are gone" in accepted.messages


@pytest.mark.parametrize("w_id", ["one\n", "it's\\ \u3000one\x01", "\ufeff王"])
def test_an_odd_wid_of_an_older_version_can_be_typed_as_it_is_shown(
    tmp_path: Path,
    w_id: str,
) -> None:
    with recording(reply_with("a")) as server:
        _sync(server, tmp_path, "one")
        server.reply = NOTHING
        _sync(server, tmp_path, "one")
    with closing(sqlite3.connect(tmp_path / "contacts.db")) as connection, connection:
        for table in ("instances", "contacts", "contact_changes"):
            connection.execute(f"UPDATE {table} SET w_id = ?", (w_id,))
    said = run("changes", "--w-id", w_id, folder=tmp_path)
    (typed,) = re.findall("`wxcontacts accept (.*) --store", said.messages)
    read = subprocess.run(  # noqa: S603  # our own wId
        ["/bin/bash", "-c", f"printf %s {typed}"],
        capture_output=True,
        check=True,
    )
    accepted = run("accept", read.stdout.decode(), folder=tmp_path)
    assert read.stdout.decode() == w_id
    assert accepted.code == 0
    assert "accepted that 1 of 1 contacts are gone" in accepted.messages


def test_no_password_of_the_database_is_said(
    postgresql: PostgresqlServer,
    tmp_path: Path,
) -> None:
    url = postgresql.fresh_url()
    schema = url.rpartition("%3D")[2]
    role = f"role_of_{schema}"
    execute(
        postgresql.url(),
        f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'",
        f"GRANT ALL ON SCHEMA {schema} TO {role}",
    )
    with_password = postgresql.url(schema, user=role, password=PASSWORD)
    with recording(reply_with("a")) as server:
        command = ("sync", "one", "--gateway", server.url, "--to", with_password)
        run(*command, folder=tmp_path)
        server.reply = NOTHING
        ends = [
            run(*command, folder=tmp_path),
            run("changes", "--store", with_password, folder=tmp_path),
            run("accept", "one", "two", "--store", with_password, folder=tmp_path),
            run(*command, folder=tmp_path),
        ]

    assert [ended.code for ended in ends] == [1, 0, 1, 0]
    said = "".join(ended.messages for ended in ends)
    assert f"postgresql://{role}@/postgres has no contacts of it." in said
    assert said.count("`wxcontacts accept one --store URL`") == 2
    assert "horse" not in said


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0s"), (86_400, "1d"), (5_400, "1h30m"), (90_061.5, "1d1h1m1.5s"), (0.25, "0.25s")],
)
def test_a_time_is_said_as_it_can_be_given(seconds: float, shown: str) -> None:
    assert shown_duration(seconds) == shown
    assert duration("--confirm-after", shown) == seconds
