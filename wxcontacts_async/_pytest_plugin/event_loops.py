"""Fixtures that are opened in a test's own event loop, be it anyio's or pytest-asyncio's."""

from collections.abc import AsyncIterator, Callable, Mapping
from functools import wraps
from types import ModuleType
from typing import Any, Literal

import pytest

AsyncFixture = Callable[..., AsyncIterator[Any]]

_LOOP_SCOPES: tuple[Literal["function", "class", "module", "package", "session"], ...] = (
    "function",
    "class",
    "module",
    "package",
    "session",
)


def register(config: pytest.Config, fixtures: Mapping[str, AsyncFixture]) -> None:
    """Register each of the fixtures for each kind of event loop that there is a plugin for."""
    found = ModuleType("wxcontacts_event_loops")  # pytest looks for fixtures in modules alone
    if config.pluginmanager.hasplugin("anyio"):
        for name, fixture in fixtures.items():
            setattr(found, _anyio(name), pytest.fixture(name=_anyio(name))(fixture))
    if config.pluginmanager.hasplugin("asyncio"):
        import pytest_asyncio  # noqa: PLC0415  # it is imported already

        for scope in _LOOP_SCOPES:
            for name, fixture in fixtures.items():
                of_scope = pytest_asyncio.fixture(name=_asyncio(name, scope), loop_scope=scope)
                setattr(found, _asyncio(name, scope), of_scope(_copy(fixture)))
    config.pluginmanager.register(found, found.__name__)


def of_event_loop(request: pytest.FixtureRequest, name: str) -> str | None:
    """Return what the fixture is called in the event loop that the test runs in; None if none."""
    if "anyio_backend" in request.fixturenames:
        return _anyio(name)
    if not request.config.pluginmanager.hasplugin("asyncio"):
        return None
    import pytest_asyncio  # noqa: PLC0415  # it is imported already

    if not pytest_asyncio.is_async_test(request.node):
        return None
    marker = request.node.get_closest_marker("asyncio")
    scope = marker.kwargs.get("loop_scope") if marker else None
    return _asyncio(name, scope or request.config.getini("asyncio_default_test_loop_scope"))


def _anyio(name: str) -> str:
    return f"_{name}_anyio"


def _asyncio(name: str, scope: str) -> str:
    return f"_{name}_asyncio_{scope}"


def _copy(fixture: AsyncFixture) -> AsyncFixture:
    """Return one of its own for each scope, as pytest-asyncio writes the scope on the function."""

    @wraps(fixture)
    async def copied(*arguments: Any, **named: Any) -> AsyncIterator[Any]:  # noqa: ANN401
        async for value in fixture(*arguments, **named):
            yield value

    return copied
