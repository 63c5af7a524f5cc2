"""Every block of the README runs as it stands, against the emulator."""

import re
import runpy
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
from anyio.from_thread import start_blocking_portal

from tests.support.loops import on_asyncio
from tests.support.syncing import fetched, merged
from wxcontacts_async import Contact, ContactSet
from wxcontacts_async.emulator import EmulatedInstance, GatewayEmulator
from wxcontacts_async.store._database.connection import Connection
from wxcontacts_async.store._database.schema import prepare
from wxcontacts_async.store._database.url import read_address

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
QUESTIONS = re.findall(r"^```sql\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
W_IDS = sorted(
    set(re.findall(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", README))
)
DEFAULT_URL = "http://localhost:18081"


@pytest.fixture(scope="module")
def emulator_url() -> Iterator[str]:
    emulator = GatewayEmulator(dict.fromkeys(W_IDS, EmulatedInstance(contacts=300)))
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(emulator):
        yield emulator.url


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the blocks run, one after the other, so that they find each other's files."""
    return tmp_path_factory.mktemp("readme")


def test_the_readme_has_its_blocks() -> None:
    assert len(BLOCKS) >= 9
    assert len(QUESTIONS) == 3
    assert len(W_IDS) == 3


def run(block: str, url: str, folder: Path) -> None:
    """Run it as `python block.py` in that folder does, less the start of a process."""
    script = folder / "block.py"
    script.write_text(block.replace(DEFAULT_URL, url), encoding="utf-8")
    with chdir(folder):
        runpy.run_path(str(script), run_name="__main__")


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_a_python_block_of_the_readme_runs(
    block: str, emulator_url: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run(block, emulator_url, folder)
    printed, said = capfd.readouterr()
    assert said == ""
    assert printed or "print(" not in block


@on_asyncio
async def test_the_web_service_of_the_readme_answers_with_contacts(emulator_url: str) -> None:
    (block,) = (block for block in BLOCKS if "FastAPI" in block)
    service: dict[str, Any] = {}
    exec(block.replace(DEFAULT_URL, emulator_url), service)  # noqa: S102  # our own README
    app, sent = service["app"], []

    async def receive() -> dict[str, object]:
        return {"type": "http.request"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async with app.router.lifespan_context(app) as state:
        call = {"type": "http", "method": "GET", "path": f"/contacts/{W_IDS[0]}", "state": state}
        await app({**call, "query_string": b"", "headers": []}, receive, send)

    beginning, *pieces = sent
    assert beginning["status"] == 200
    body = b"".join(piece["body"] for piece in pieces)
    assert len(msgspec.json.decode(body, type=ContactSet)) == 300


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_python_blocks_of_the_readme_are_well_typed(tmp_path: Path) -> None:
    scripts = [tmp_path / f"block_{number}.py" for number in range(len(BLOCKS))]
    for script, block in zip(scripts, BLOCKS, strict=True):
        script.write_text(block, encoding="utf-8")
    checked = subprocess.run(  # noqa: S603  # our own README
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", ".mypy_cache", *scripts],
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert checked.returncode == 0, checked.stdout


def test_the_questions_of_the_readme_have_answers(emulator_url: str, folder: Path) -> None:
    """In a database that a block makes, of which some contacts then leave."""
    (syncs,) = (block for block in BLOCKS if "store.sync(" in block)
    run(syncs, emulator_url, folder)
    with closing(sqlite3.connect(folder / "contacts.db")) as database:
        database.execute(
            "INSERT INTO contact_changes (w_id, user_name, change, fields, before, at) "
            "SELECT w_id, user_name, 'removed', '', '{\"nick_name\": \"gone\"}', "
            "datetime('now', '-6 days') FROM contacts LIMIT 3",
        )
        answers = [database.execute(question).fetchall() for question in QUESTIONS]
    by_instance, on_several, left = answers
    assert {w_id for w_id, _ in by_instance} == set(W_IDS)
    assert on_several
    assert [nick_name for *_, nick_name in left] == ["gone"] * 3


def test_the_questions_of_the_readme_have_answers_in_postgresql(postgresql_url: str) -> None:
    (instead,) = re.findall(r"\(`(now\(\) [^`]*)` in PostgreSQL\)", README)
    connection = Connection(read_address(postgresql_url), 10)
    prepare(connection)
    contacts = ContactSet("w1", friends=(Contact("wxid_1"), Contact("wxid_2", nick_name="gone")))
    for w_id, kept in (("w1", contacts), ("w2", contacts), ("w1", ContactSet("w1"))):
        given = msgspec.structs.replace(kept, w_id=w_id)
        anyio.run(partial(merged, connection, fetched(given), datetime.now(UTC), max_shrink=1))
    by_instance, on_several, left = (
        connection.rows(question.replace("datetime('now', '-7 days')", instead).rstrip(";\n"))
        for question in QUESTIONS
    )
    connection.close()
    assert by_instance == [("w2", 2)]
    assert on_several == []
    assert {nick_name for *_, nick_name in left} == {None, "gone"}
