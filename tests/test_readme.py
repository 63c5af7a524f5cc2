"""Every Python block of the README runs as it stands, against the emulator."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from wxcontacts_async.emulator import EmulatedInstance, GatewayEmulator

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
W_IDS = sorted(
    set(re.findall(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", README))
)
DEFAULT_URL = "http://localhost:18081"


@pytest.fixture(scope="module")
def emulator_url() -> Iterator[str]:
    emulator = GatewayEmulator(dict.fromkeys(W_IDS, EmulatedInstance(contacts=300)))
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(emulator):
        yield emulator.url


def test_the_readme_has_its_blocks() -> None:
    assert len(BLOCKS) >= 7
    assert len(W_IDS) == 3


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_a_python_block_of_the_readme_runs(block: str, emulator_url: str, tmp_path: Path) -> None:
    script = tmp_path / "block.py"
    script.write_text(block.replace(DEFAULT_URL, emulator_url), encoding="utf-8")
    ran = subprocess.run(  # noqa: S603  # our own README
        [sys.executable, "-W", "error", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout or "print(" not in block


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_a_python_block_of_the_readme_is_well_typed(block: str, tmp_path: Path) -> None:
    script = tmp_path / "block.py"
    script.write_text(block, encoding="utf-8")
    checked = subprocess.run(  # noqa: S603  # our own README
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", ".mypy_cache", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert checked.returncode == 0, checked.stdout
