"""Every block of code of the README and the documentation runs as it stands, in both languages."""

import ast
import asyncio
import inspect
import os
import re
import runpy
import shlex
import signal
import sqlite3
import subprocess
import sys
import tomllib
import types
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import anyio
import msgspec
import pytest
import trustme
from anyio.from_thread import start_blocking_portal

from tests.support.pages import DEFAULT_URL, PAGES, ROOT, W_IDS, Block, blocks_of, distinct_blocks
from tests.support.syncing import fetched, merged
from wxcontacts_async import Contact, ContactSet
from wxcontacts_async.emulator import EmulatedInstance, GatewayEmulator
from wxcontacts_async.store._database.connection import Connection
from wxcontacts_async.store._database.schema import prepare
from wxcontacts_async.store._database.url import read_address

PYTHON = distinct_blocks("python")
QUESTIONS = distinct_blocks("sql")
COMMANDS = [
    (block, line) for block in distinct_blocks("console") for line in block.code.splitlines()
]
RUN = {"python", "sql", "console", "toml"}
SHIPPED = {"ini": ROOT / "deploy" / "systemd" / "wxcontacts-watch.service"}  # which is tried itself
SHOWN = {"text"}  # drawings and what is printed
# `.ci/run` installs and runs these as they stand, in environments of their own.
INSTALLS = re.compile(r"(?:python3 -m venv .* )?\S*(?:python -m )?pip install .*'\.\[([\w,]+)\]'")
W_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
STAYS = ("watch ", "emulator ", "changes --follow ")


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    emulator = GatewayEmulator(dict.fromkeys(W_IDS, EmulatedInstance(contacts=300)))
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(emulator):
        yield emulator.url


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


def folder_of(block: Block, folders: Path) -> Path:
    """Return where the blocks of a page run, one after the other, and find each other's files."""
    folder = folders / block.topic
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "w_ids.txt").write_text("\n".join(W_IDS), encoding="utf-8")
    return folder


def written(block: Block, url: str, folder: Path) -> Path:
    script = folder / "block.py"
    script.write_text(block.code.replace(DEFAULT_URL, url), encoding="utf-8")
    return script


def run_python(script: Path) -> None:
    code = script.read_text(encoding="utf-8")
    if "ClusterPool(" in code:  # whose processes import the program
        subprocess.run([sys.executable, script], check=True, timeout=100)  # noqa: S603  # our own
        return
    if "\nasync def test_" in code:
        run_tests(script)
        return
    compiled = compile(code, str(script), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if compiled.co_flags & inspect.CO_COROUTINE:  # a cell of a notebook
        cell = types.FunctionType(compiled, {"__name__": "__main__"})
        asyncio.run(cell())
    else:
        serves = "run_app(" in code  # until it is stopped
        runpy.run_path(str(script), run_name="service" if serves else "__main__")


def run_tests(script: Path) -> None:
    """Run it as a project does that has nothing but this file, and the library."""
    ran = subprocess.run(  # noqa: S603  # our own pages
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, script],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " passed" in ran.stdout


def test_the_w_ids_of_the_pages_are_those_of_an_emulator_that_one_starts() -> None:
    named = {w_id for page in PAGES for w_id in W_ID.findall(page.read_text(encoding="utf-8"))}
    assert named == set(W_IDS)


def test_every_block_is_of_a_kind_that_is_run_or_shows_what_is_printed() -> None:
    kinds = {block.language for page in PAGES for block in blocks_of(page)}
    assert kinds <= RUN | SHIPPED.keys() | SHOWN
    assert len(PYTHON) >= 15
    assert len(QUESTIONS) >= 4
    assert len(COMMANDS) >= 15


@pytest.mark.parametrize("block", distinct_blocks(*SHIPPED), ids=str)
def test_what_is_shipped_is_shown_as_it_is(block: Block) -> None:
    assert block.code == SHIPPED[block.language].read_text(encoding="utf-8")


def marked(block: Block) -> object:
    """Leave a block that starts processes to the slow tests."""
    marks = [pytest.mark.slow] if "ClusterPool(" in block.code else []
    return pytest.param(block, marks=marks, id=str(block))


@pytest.mark.parametrize("block", [marked(block) for block in PYTHON])
def test_a_python_block_runs(
    block: Block,
    gateway: str,
    folders: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folder = folder_of(block, folders)
    monkeypatch.chdir(folder)
    run_python(written(block, gateway, folder))
    assert capfd.readouterr().out or not re.search(r"^ {4,}print\(", block.code, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("block", "command"),
    COMMANDS,
    ids=[f"{block}-{command}" for block, command in COMMANDS],
)
def test_a_command_runs(block: Block, command: str, gateway: str, folders: Path) -> None:
    if installs := INSTALLS.match(command):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        assert set(installs[1].split(",")) <= set(project["optional-dependencies"])
        return
    program, _, rest = command.partition("wxcontacts ")
    assert program in {"", ".venv/bin/"}, "no command of this library"
    if rest == "demo":
        return  # by tests/cli and by `.ci/run`
    folder = folder_of(block, folders)
    if not rest.startswith(("fetch", "sync", "emulator")) and not list(folder.glob("*.db")):
        succeeds(f"sync --from w_ids.txt --gateway {gateway}", folder)  # what it reads
    if rest.startswith(STAYS) and "--list" not in rest.split():
        ends_in_order(rest.replace(DEFAULT_URL, gateway), folder)
        return
    if rest.startswith(("fetch", "sync")) and "--gateway" not in rest:
        rest += f" --gateway {gateway}"
    succeeds(rest.replace(DEFAULT_URL, gateway), folder)


def succeeds(words: str, folder: Path) -> None:
    line = f"{shlex.quote(sys.executable)} -m wxcontacts_async {words}"
    ran = subprocess.run(  # noqa: S602  # our own pages
        line, shell=True, cwd=folder, capture_output=True, text=True, check=False, timeout=50
    )
    assert ran.returncode == 0, ran.stderr


def ends_in_order(words: str, folder: Path) -> None:
    """Run what stays, until it says something; interrupt it then."""
    options = shlex.split(words)
    options += ["--port", "0"] if options[0] == "emulator" else []
    options = ["0" if option == "127.0.0.1:9464" else option for option in options]  # a free port
    with subprocess.Popen(  # noqa: S603  # our own pages
        [sys.executable, "-m", "wxcontacts_async", *options],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as running:
        assert running.stdout is not None
        said = running.stdout.readline()
        running.send_signal(signal.SIGINT)
        rest = running.stdout.read()
    assert said
    assert running.returncode in {0, 130}, said + rest


@pytest.mark.slow
@pytest.mark.parametrize("block", distinct_blocks("toml"), ids=str)
def test_a_configuration_can_be_used(block: Block, tmp_path: Path) -> None:
    """Its secrets, certificates and wIds are beside it, or where it says."""
    authority = trustme.CA()
    certificate = authority.issue_cert("west.example")
    authority.cert_pem.write_to_path(str(tmp_path / "west.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "crm.pem"))
    certificate.private_key_pem.write_to_path(str(tmp_path / "crm.key"))
    (tmp_path / "west").write_text("Bearer b", encoding="utf-8")
    (tmp_path / "w_ids.tsv").write_text(f"{W_IDS[0]}\teast\n{W_IDS[1]}\twest\n", "utf-8")
    written = block.code.replace("/run/secrets/", f"{tmp_path}/")
    (tmp_path / "wxcontacts.toml").write_text(written, encoding="utf-8")
    checked = subprocess.run(  # our own pages
        [
            sys.executable,
            "-m",
            "wxcontacts_async",
            "config",
            "check",
            "--config",
            "wxcontacts.toml",
        ],
        cwd=tmp_path,
        env={**os.environ, "EAST_TOKEN": "Bearer a"},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert checked.returncode == 0, checked.stderr
    used = tomllib.loads(checked.stdout)
    assert used["gateways"].keys() == tomllib.loads(block.code)["gateways"].keys()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_python_blocks_are_well_typed(tmp_path: Path) -> None:
    scripts = []
    for number, block in enumerate(PYTHON):
        if not re.search(r"^(?:async|await) ", block.code, re.MULTILINE) or "def " in block.code:
            scripts.append(tmp_path / f"block_{number}.py")
            scripts[-1].write_text(block.code, encoding="utf-8")
    checked = subprocess.run(  # noqa: S603  # our own pages
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", ".mypy_cache", *scripts],
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert checked.returncode == 0, checked.stdout


def questions(start: str) -> list[str]:
    """Return the questions, those of the database's page first."""
    found = sorted(QUESTIONS, key=lambda block: not block.page.startswith(start))
    return [block.code for block in found]


def test_the_questions_have_answers(
    gateway: str, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a database that a block makes, of which some contacts then leave."""
    syncs = next(block for block in PYTHON if "store.sync(" in block.code)
    folder = folders / "questions"
    folder.mkdir()
    monkeypatch.chdir(folder)
    run_python(written(syncs, gateway, folder))
    with closing(sqlite3.connect(folder / "contacts.db")) as database:
        database.execute(
            "INSERT INTO contact_changes (w_id, user_name, change, fields, before, at) "
            "SELECT w_id, user_name, 'removed', '', '{\"nick_name\": \"gone\"}', "
            "datetime('now', '-6 days') FROM contacts LIMIT 3",
        )
        answers = [database.execute(question).fetchall() for question in questions("docs/database")]
    by_instance, on_several, left, *others = answers
    assert {w_id for w_id, _ in by_instance} <= set(W_IDS)
    assert on_several
    assert [nick_name for *_, nick_name in left] == ["gone"] * 3
    assert others == [[]] * len(others)  # nothing needs a person


def test_the_questions_have_answers_in_postgresql(postgresql_url: str) -> None:
    page = (ROOT / "docs" / "database.md").read_text(encoding="utf-8")
    (instead,) = re.findall(r"\(`(now\(\) [^`]*)` in PostgreSQL\)", page)
    connection = Connection(read_address(postgresql_url), 10)
    prepare(connection)
    contacts = ContactSet("w1", friends=(Contact("wxid_1"), Contact("wxid_2", nick_name="gone")))
    for w_id, kept in (("w1", contacts), ("w2", contacts), ("w1", ContactSet("w1"))):
        given = msgspec.structs.replace(kept, w_id=w_id)
        anyio.run(partial(merged, connection, fetched(given), datetime.now(UTC), max_shrink=1))
    by_instance, on_several, left, *others = (
        connection.rows(question.replace("datetime('now', '-7 days')", instead).rstrip(";\n"))
        for question in questions("docs/database")
    )
    connection.close()
    assert by_instance == [("w2", 2)]
    assert on_several == []
    assert {nick_name for *_, nick_name in left} == {None, "gone"}
    assert len(others) == len(QUESTIONS) - 3
