"""Has the tests compiled once, rather than in each of the processes that they take."""

import os
import sys
from collections.abc import Generator
from importlib.util import cache_from_source
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any

import pytest

_FIRST = "gw0"  # the worker that is there first
_LONGEST = 60.0  # seconds that the others wait for it, should it have ended
_folder = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Keep bytecode as long as the tests run, elsewhere, where Python is to keep none."""
    if hasattr(config, "workerinput"):
        return
    temporary = TemporaryDirectory(prefix="wxcontacts-tests-")
    config.add_cleanup(temporary.cleanup)
    folder = config.stash[_folder] = Path(temporary.name)
    folder.chmod(0o755)  # for what is started as another user
    if sys.dont_write_bytecode:
        os.environ["PYTHONPYCACHEPREFIX"] = temporary.name
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # noqa: ANN401  # xdist has no types
    """Tell a worker what the first one leaves when it has imported all tests."""
    folder = node.config.stash[_folder]
    node.workerinput["imported"] = "" if _is_compiled() else str(folder / "imported")


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Let the first worker import the tests before the others do, if they must be compiled."""
    given: dict[str, str] = getattr(session.config, "workerinput", {})
    if not given.get("imported"):
        return (yield)
    imported = Path(given["imported"])
    if given["workerid"] != _FIRST:
        end = monotonic() + _LONGEST
        while not imported.exists() and monotonic() < end:
            sleep(0.05)
        return (yield)
    try:
        return (yield)
    finally:
        imported.touch()


def _is_compiled() -> bool:
    beside = Path(__file__).with_name("program.py")  # which none but workers import
    return not sys.dont_write_bytecode and Path(cache_from_source(str(beside))).exists()
