"""Every async test of this folder runs both ways in which calls are sent."""

import pytest

from tests.support.ways import both_ways
from tests.support.ways import way as way  # noqa: PLC0414  # a fixture

pytest_generate_tests = both_ways()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave aiohttp's session on uvloop to the slow tests: either is tested with the other."""
    for item in items:
        if isinstance(item, pytest.Function) and hasattr(item, "callspec"):
            parameters = item.callspec.params
            on_uvloop = parameters.get("anyio_backend") == ("asyncio", {"use_uvloop": True})
            if parameters.get("way") == "aiohttp" and on_uvloop:
                item.add_marker(pytest.mark.slow)
