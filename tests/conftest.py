"""Every async test runs on asyncio and on uvloop, and may not block the loop."""

import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from blockbuster import BlockBuster, blockbuster_ctx
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.support import properties
from tests.support.postgresql import PostgresqlServer, postgresql_server

properties.register()

_FEWEST_WORKERS = 6


def pytest_configure(config: pytest.Config) -> None:
    """Have each file compiled once where Python is to keep no bytecode.

    It would else be compiled in each worker and in each of the many processes that tests start.
    """
    if sys.dont_write_bytecode and not hasattr(config, "workerinput"):
        folder = TemporaryDirectory(prefix="wxcontacts-bytecode-")
        config.add_cleanup(folder.cleanup)
        Path(folder.name).chmod(0o755)  # for those that are started as another user
        os.environ["PYTHONPYCACHEPREFIX"] = folder.name
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return how many tests run at once: more than there are cores, as most of them wait.

    A few that are named on the command line are run by pytest itself, which is there sooner.
    """
    if any(Path(argument.partition("::")[0]).suffix == ".py" for argument in config.args):
        return 0
    return max(_FEWEST_WORKERS, os.cpu_count() or 1)


class _FilesOrTests(LoadScopeScheduling):
    """Gives workers one test after the other, but whole files whose tests share a fixture."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if _shares_a_fixture(self.config.rootpath / file) else nodeid


@cache
def _shares_a_fixture(file: Path) -> bool:
    return 'scope="module"' in file.read_text(encoding="utf-8")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _FilesOrTests:
    """Say which tests go to one worker, where their fixture is made once."""
    return _FilesOrTests(config, log)


@pytest.fixture(
    params=[
        pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
        pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"),
    ],
)
def anyio_backend(request: pytest.FixtureRequest) -> Any:  # noqa: ANN401  # pytest's own type
    return request.param


@pytest.fixture(autouse=True)
def no_blocking_calls() -> Iterator[BlockBuster]:
    with blockbuster_ctx("wxcontacts_async") as blockbuster:
        for function in blockbuster.functions.values():  # in a thread and a loop of its own
            function.can_block_in("wxcontacts_async/store/_database/listener.py", "_listen")
        yield blockbuster


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """Start it when the first test asks for it."""
    with postgresql_server() as server:
        yield server


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/contacts.db"


@pytest.fixture
def postgresql_url(postgresql: PostgresqlServer) -> str:
    return postgresql.fresh_url()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Give an empty database, of each kind in turn."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url
