"""Whatever is cancelled, at whichever await, leaves nothing behind, and the pool as it was."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import anyio
import pytest
from anyio.lowlevel import checkpoint

from tests.support.leftovers import no_tasks_left, open_sockets_to, settle
from wxcontacts_async import Gateway, InitializationWait, Instance, SessionPool
from wxcontacts_async.emulator import EmulatedInstance, GatewayEmulator, Refusal

Use = Callable[[SessionPool], Awaitable[object]]

INSTANCES = {
    "good": EmulatedInstance(contacts=1),
    "waits": EmulatedInstance(contacts=1, initializing_calls=1),
    "refused": EmulatedInstance(refusal=Refusal()),
}


async def fetch(pool: SessionPool) -> None:
    await pool.fetch("waits")


async def fetch_all(pool: SessionPool) -> None:
    await pool.fetch_all(INSTANCES)


async def read_from_an_async_source(pool: SessionPool) -> None:
    async def source() -> AsyncIterator[str]:
        try:
            for w_id in INSTANCES:
                yield w_id
                await checkpoint()
        finally:
            await checkpoint()

    async with pool.stream(source()) as outcomes:
        async for _ in outcomes:
            await checkpoint()


async def leave_early(pool: SessionPool) -> None:
    async with pool.stream(INSTANCES) as outcomes:
        await anext(outcomes)


async def was_over_after(ticks: int, use: Callable[[], Awaitable[object]], how: str) -> bool:
    """Cancel it after so many ticks; tell whether it was over before that."""
    over = False

    async def run() -> None:
        nonlocal over
        await use()
        over = True

    async def run_in_a_scope(scope: anyio.CancelScope) -> None:
        with scope:
            await run()

    scope = anyio.CancelScope()
    in_a_scope = how == "by a scope"
    task = asyncio.ensure_future(run_in_a_scope(scope) if in_a_scope else run())
    for _ in range(ticks):
        await asyncio.sleep(0)
    was_over = over
    for _ in range(2 if how == "natively and twice" else 1):
        (scope if in_a_scope else task).cancel()
        await asyncio.sleep(0)
    await asyncio.wait([task])
    assert task.cancelled() or task.exception() is None
    return was_over


HOWS = ["by a scope", "natively", "natively and twice"]


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("use", [fetch, fetch_all, read_from_an_async_source, leave_early])
async def test_a_use_of_a_pool_cancelled_at_any_await_leaves_the_pool_as_it_was(
    use: Use,
    how: str,
) -> None:
    async with GatewayEmulator(INSTANCES) as emulator:
        with no_tasks_left():
            async with SessionPool(
                Gateway(emulator.url, max_concurrency=2),
                initialization=InitializationWait(0),
            ) as pool:
                ticks, over = 1, False
                while not over:
                    emulator.set_instance("waits", INSTANCES["waits"])
                    with no_tasks_left():
                        over = await was_over_after(ticks, partial(use, pool), how)
                        await settle()  # who called ends a tick after who asked
                    ticks += 1
                    with anyio.fail_after(30):
                        assert len(await pool.fetch("good")) == 1
        assert ticks > 5
        await emulator.wait_until_idle()
        await settle()
        assert open_sockets_to(emulator.url) == 0


@pytest.mark.parametrize("how", HOWS)
async def test_a_whole_pool_cancelled_at_any_await_leaves_nothing_behind(how: str) -> None:
    async def use() -> None:
        gateways = {"a": emulator.url, "b": emulator.url}
        async with (
            SessionPool(gateways, initialization=InitializationWait(0)) as pool,
            pool.stream([Instance(w_id, gateway="a") for w_id in INSTANCES]),
        ):
            await pool.fetch(Instance("waits", gateway="b"))

    async with GatewayEmulator(INSTANCES) as emulator:
        ticks, over = 1, False
        while not over:
            with no_tasks_left():
                over = await was_over_after(ticks, use, how)
            ticks += 1
        assert ticks > 5
        await emulator.wait_until_idle()
        await settle()
        assert open_sockets_to(emulator.url) == 0
