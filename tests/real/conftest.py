"""What tests against real servers share."""

from pathlib import Path
from typing import Any

import pytest

from tests.real.certificates import Certificates
from tests.support.ways import both_ways
from tests.support.ways import way as way  # noqa: PLC0414  # a fixture

pytest_generate_tests = both_ways(pytest.mark.slow)


@pytest.fixture(
    params=[
        pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
        pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop", marks=pytest.mark.slow),
    ],
)
def anyio_backend(request: pytest.FixtureRequest) -> Any:  # noqa: ANN401  # pytest's own type
    """Run on one loop where both take too long: what ends connections is tested on both besides."""
    return request.param


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder: Path = tmp_path_factory.mktemp("certificates")
    return Certificates(folder)
