"""What the fixtures open: gateways and pools, each entered and left in one task of its own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

if TYPE_CHECKING:
    from wxcontacts_async import SessionPool
    from wxcontacts_async.emulator import GatewayEmulator

OpenedT = TypeVar("OpenedT")

_INSTANCES, _CONTACTS = 3, 20  # few, as most tests need no more


def emulator_of(request: pytest.FixtureRequest) -> "GatewayEmulator":
    """Make the emulator that the test's marker describes."""
    marker = request.node.get_closest_marker("wx_gateway")
    return _emulator(*(marker.args if marker else ()), **(marker.kwargs if marker else {}))


def _emulator(instances: Any = _INSTANCES, **settings: Any) -> "GatewayEmulator":  # noqa: ANN401
    from wxcontacts_async.emulator import GatewayEmulator  # noqa: PLC0415

    return GatewayEmulator(instances, **{"contacts": _CONTACTS, **settings})


async def _gateway(request: pytest.FixtureRequest) -> "AsyncIterator[GatewayEmulator]":
    async with _in_own_task(emulator_of(request)) as gateway:
        yield gateway


async def _make_gateway() -> "AsyncIterator[Callable[..., Awaitable[GatewayEmulator]]]":
    async with AsyncExitStack() as opened:

        async def make(*arguments: Any, **settings: Any) -> "GatewayEmulator":  # noqa: ANN401
            emulator = _emulator(*arguments, **settings)
            return await opened.enter_async_context(_in_own_task(emulator))

        yield make


async def _pool(
    wx_gateway: "GatewayEmulator", wx_pool_settings: Mapping[str, Any]
) -> "AsyncIterator[SessionPool]":
    from wxcontacts_async import SessionPool  # noqa: PLC0415
    from wxcontacts_async.testing import wait_free  # noqa: PLC0415

    with wait_free():
        made = SessionPool(**{"gateways": wx_gateway.url, **wx_pool_settings})
    async with _in_own_task(made) as pool:
        yield pool


FIXTURES: Mapping[str, Callable[..., AsyncIterator[Any]]] = {
    "wx_gateway": _gateway,
    "make_wx_gateway": _make_gateway,
    "wx_pool": _pool,
}


@asynccontextmanager
async def _in_own_task(
    context: AbstractAsyncContextManager[OpenedT, bool | None],
) -> AsyncIterator[OpenedT]:
    """Enter and leave it in one task, as pytest-asyncio ends a fixture in another than it began."""
    from wxcontacts_async._event_loop import running_loop  # noqa: PLC0415

    entered = running_loop("a fixture of wxcontacts_async").create_future()
    leaving = asyncio.Event()

    async def keep() -> None:
        async with context as value:
            entered.set_result(value)
            await leaving.wait()

    keeping = asyncio.ensure_future(keep())
    await asyncio.wait([entered, keeping], return_when=asyncio.FIRST_COMPLETED)
    if not entered.done():
        await keeping  # which raises
    try:
        yield await entered
    finally:
        leaving.set()
        await keeping
