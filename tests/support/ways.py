"""Runs the tests of a folder by connections of ours and by aiohttp's session."""

import inspect
from collections.abc import Callable

import pytest


def both_ways(*marks: pytest.MarkDecorator) -> Callable[[pytest.Metafunc], None]:
    """Return a folder's `pytest_generate_tests`, by which each async test runs both ways.

    Arguments:
        marks: Those of each test that runs by aiohttp's session.

    """
    ways = ["ours", pytest.param("aiohttp", marks=marks)]

    def generate(metafunc: pytest.Metafunc) -> None:
        if inspect.iscoroutinefunction(metafunc.function):
            metafunc.parametrize("way", ways, indirect=True)

    return generate


@pytest.fixture(autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have the calls of a test sent that way, whatever the environment says."""
    chosen: str = getattr(request, "param", "ours")
    if chosen == "aiohttp":
        monkeypatch.setenv("WXCONTACTS_HTTP", "aiohttp")
    else:
        monkeypatch.delenv("WXCONTACTS_HTTP", raising=False)
    return chosen
