"""Every async test of a folder runs by connections of ours and by aiohttp's session."""

import inspect

import pytest

WAYS = ["ours", "aiohttp"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run an async test both ways."""
    if inspect.iscoroutinefunction(metafunc.function):
        metafunc.parametrize("way", WAYS, indirect=True)


@pytest.fixture(autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have the calls of a test sent that way, whatever the environment says."""
    chosen: str = getattr(request, "param", "ours")
    if chosen == "aiohttp":
        monkeypatch.setenv("WXCONTACTS_HTTP", "aiohttp")
    else:
        monkeypatch.delenv("WXCONTACTS_HTTP", raising=False)
    return chosen
