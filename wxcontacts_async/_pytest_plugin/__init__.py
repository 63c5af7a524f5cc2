"""The pytest plugin: a gateway and a pool as fixtures, for pytest-asyncio and for anyio.

Every run of pytest imports this, where the package is installed. So what takes long to import, such
as aiohttp, is imported with the first fixture that is asked for.
"""

from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from wxcontacts_async._pytest_plugin import opening
from wxcontacts_async._pytest_plugin.event_loops import of_event_loop, register

if TYPE_CHECKING:
    from wxcontacts_async import SessionPool
    from wxcontacts_async.emulator import GatewayEmulator

_MARKER = (
    "wx_gateway(instances=3, *, contacts=20, ...): what the gateway of the fixtures wx_gateway and "
    "wx_pool is like; the arguments are those of wxcontacts_async.emulator.GatewayEmulator"
)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, and the fixtures of each event loop."""
    config.addinivalue_line("markers", _MARKER)
    register(config, opening.FIXTURES)


@pytest.fixture
def wx_gateway(request: pytest.FixtureRequest) -> "GatewayEmulator":
    """Give a `GatewayEmulator` that serves until the test ends.

    The marker `wx_gateway` has its arguments, such as its instances; without it there are three
    invented ones with 20 contacts each. In a test that is not async it serves in a thread.
    """
    name = of_event_loop(request, "wx_gateway") or "_wx_gateway_in_thread"
    gateway: GatewayEmulator = request.getfixturevalue(name)
    return gateway


@pytest.fixture
def _wx_gateway_in_thread(request: pytest.FixtureRequest) -> "Iterator[GatewayEmulator]":
    from anyio.from_thread import start_blocking_portal  # noqa: PLC0415

    emulator = opening.emulator_of(request)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(emulator) as gateway:
        yield gateway


@pytest.fixture
def make_wx_gateway(request: pytest.FixtureRequest) -> "Callable[..., Awaitable[GatewayEmulator]]":
    """Give a function to await, which makes further gateways; they serve until the test ends.

    Its arguments are those of `GatewayEmulator`.
    """
    make: Callable[..., Awaitable[GatewayEmulator]] = request.getfixturevalue(
        _of_async_test(request, "make_wx_gateway")
    )
    return make


@pytest.fixture
def wx_pool(request: pytest.FixtureRequest) -> "SessionPool":
    """Give a `SessionPool` of `wx_gateway` that waits for nothing, see `testing.wait_free`."""
    pool: SessionPool = request.getfixturevalue(_of_async_test(request, "wx_pool"))
    return pool


@pytest.fixture
def wx_pool_settings() -> dict[str, Any]:
    """Give the settings of `wx_pool`, for a project to override: arguments of `SessionPool`."""
    return {}


@pytest.fixture
def wx_wait_free() -> Iterator[None]:
    """Let each `SessionPool` that is made meanwhile wait for nothing, see `testing.wait_free`."""
    from wxcontacts_async.testing import wait_free  # noqa: PLC0415

    with wait_free():
        yield


def _of_async_test(request: pytest.FixtureRequest, name: str) -> str:
    inner = of_event_loop(request, name)
    if inner is None:
        what = f"{name} is for async tests: mark this one with pytest.mark.anyio or .asyncio"
        pytest.fail(what, pytrace=False)
    return inner
