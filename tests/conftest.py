"""Every async test runs on asyncio and on uvloop, and may not block the loop."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from blockbuster import BlockBuster, blockbuster_ctx

from tests.postgresql import PostgresqlServer, postgresql_server


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
