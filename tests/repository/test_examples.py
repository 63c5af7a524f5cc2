"""The examples of the documentation do what their pages say, against an emulator."""

import json
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from anyio.from_thread import start_blocking_portal

from tests.support.loops import on_asyncio
from tests.support.pages import DEFAULT_URL, DOCS, PAGES, W_IDS
from wxcontacts_async import ContactSet
from wxcontacts_async.emulator import EmulatedInstance, GatewayEmulator, Refusal
from wxcontacts_async.store import ContactStore

EXAMPLES = DOCS / "examples"


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    instances = dict.fromkeys(W_IDS[:2], EmulatedInstance(contacts=300))
    instances[W_IDS[2]] = EmulatedInstance(refusal=Refusal())
    emulator = GatewayEmulator(instances)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(emulator):
        yield emulator.url


def loaded(name: str, gateway: str, folder: Path) -> dict[str, Any]:
    """Return what an example defines, when it calls that gateway."""
    script = folder / name
    code = (EXAMPLES / name).read_text(encoding="utf-8")
    script.write_text(code.replace(DEFAULT_URL, gateway), encoding="utf-8")
    return runpy.run_path(str(script), run_name="example")


async def answer_of(app: Any, path: str) -> tuple[int, bytes]:  # noqa: ANN401  # FastAPI's
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async with app.router.lifespan_context(app) as state:
        call = {"type": "http", "method": "GET", "path": path, "state": state}
        await app({**call, "query_string": b"", "headers": []}, receive, send)
    beginning, *pieces = sent
    return beginning["status"], b"".join(piece["body"] for piece in pieces)


@on_asyncio
async def test_the_fastapi_service_answers_with_contacts(gateway: str, tmp_path: Path) -> None:
    app = loaded("fastapi_service.py", gateway, tmp_path)["app"]
    status, body = await answer_of(app, f"/contacts/{W_IDS[0]}")
    assert status == 200
    assert len(msgspec.json.decode(body, type=ContactSet)) == 300


@on_asyncio
@pytest.mark.parametrize(
    ("w_id", "status", "error"),
    [(W_IDS[2], 502, "GatewayRefusedError"), ("a b", 422, "InvalidArgumentError")],
)
async def test_the_fastapi_service_says_what_went_wrong(
    w_id: str, status: int, error: str, gateway: str, tmp_path: Path
) -> None:
    app = loaded("fastapi_service.py", gateway, tmp_path)["app"]
    answered, body = await answer_of(app, f"/contacts/{w_id}")
    assert (answered, json.loads(body)["error"]) == (status, error)


@on_asyncio
async def test_the_aiohttp_service_answers_a_line_an_instance(gateway: str, tmp_path: Path) -> None:
    app = loaded("aiohttp_service.py", gateway, tmp_path)["make_app"]()
    async with (
        TestServer(app) as server,
        ClientSession() as session,
        session.post(server.make_url("/contacts"), json=W_IDS) as response,
    ):
        lines = [json.loads(line) async for line in response.content]
    by_w_id = {line["wId"]: line for line in lines}
    assert by_w_id.keys() == set(W_IDS)
    assert len(by_w_id[W_IDS[0]]["contacts"]) == 300
    assert "refused with code" in by_w_id[W_IDS[2]]["error"]


@on_asyncio
async def test_the_worker_brings_the_database_in_step(
    gateway: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    await loaded("worker.py", gateway, tmp_path)["main"]()
    async with ContactStore("sqlite:///contacts.db") as store:
        stored = [contacts.w_id async for contacts in store.load_all()]
    assert stored == sorted(W_IDS[:2])


@on_asyncio
async def test_the_loop_and_what_replaces_it_find_the_same(
    gateway: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = []
    for name in ("hand_written_loop.py", "replaced_loop.py"):
        await loaded(name, gateway, tmp_path)["main"]()
        shown.append(sorted(capsys.readouterr().out.splitlines()))
    assert shown[0] == shown[1]
    assert len(shown[0]) == 2


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("[!_]*.py")))
def test_pages_show_the_example_as_it_is_in_both_languages(name: str) -> None:
    code = (EXAMPLES / name).read_text(encoding="utf-8")
    shown = [page.name for page in PAGES if f"```python\n{code}```" in page.read_text("utf-8")]
    assert [name.endswith(".zh.md") for name in shown] == [False, True]


def test_the_page_shows_the_cells_of_the_notebook() -> None:
    notebook = json.loads((EXAMPLES / "notebook.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    page = (DOCS / "frameworks.md").read_text(encoding="utf-8")
    for line in f"{cells[0]}\n{cells[1]}".splitlines():
        assert f"{line}\n" in page


@pytest.mark.slow
def test_the_notebook_runs_from_top_to_bottom(
    gateway: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    monkeypatch.setenv("PYTHONWARNINGS", "default")
    text = (EXAMPLES / "notebook.ipynb").read_text(encoding="utf-8").replace(DEFAULT_URL, gateway)
    notebook = nbformat.reads(text, as_version=4)
    client = nbclient.NotebookClient(notebook, timeout=100, kernel_name="python3")
    client.execute(cwd=str(tmp_path))
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert any(re.search(r"shape: \(\d+, 3\)", str(output)) for output in outputs)
