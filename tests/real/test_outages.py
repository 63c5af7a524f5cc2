"""Gateways and proxies that are restarted, killed and brought back in the middle of a fetch."""

from collections.abc import Callable

import anyio
import pytest
from anyio.to_thread import run_sync

from tests.real.node import NodeGateway, NodeInstance
from tests.real.reverse_proxies import HAProxy, Nginx, ReverseProxy
from tests.real.runs import (
    Clocked,
    Reading,
    calls_of,
    check_all_fetched,
    check_contacts,
    check_manners,
    on_asyncio,
    on_uvloop,
    open_pool,
    w_ids,
)
from wxcontacts_async import GatewayDown, GatewayUp

INSTANCES = w_ids(400)
AWAY = 4.0
SLOTS = 32
# So slow that an outage comes in the middle.
SLOWISH = NodeInstance(latency=0.05)


def checked_haproxy(upstream: int) -> HAProxy:
    """Make one that knows within some 0.2 s whether the gateway is there: 503 if it is not."""
    return HAProxy(upstream, server_words="check inter 100ms fall 2 rise 1")


async def fetch_around_a_kill(node: NodeGateway, url: str) -> tuple[Reading, Clocked]:
    """Fetch all; kill the gateway after a quarter of them, and bring it back after AWAY."""
    reading, seen = Reading(), Clocked(GatewayDown, GatewayUp)

    async def come_back() -> None:
        await anyio.sleep(AWAY)
        await run_sync(node.start)

    async with (
        open_pool(url, observers=[seen], max_concurrency=SLOTS) as pool,
        anyio.create_task_group() as tasks,
    ):

        async def kill_once(outcomes: int) -> None:
            if outcomes == len(INSTANCES) // 4:
                await run_sync(node.kill)
                tasks.start_soon(come_back)

        await reading.read(pool, INSTANCES, then=kill_once)
    return reading, seen


def check_outage(reading: Reading, seen: Clocked, node: NodeGateway) -> None:
    check_all_fetched(reading.report, node, INSTANCES)
    assert calls_of(reading.report) <= 1.5 * len(INSTANCES)
    assert {type(event) for _, event in seen.events} == {GatewayDown, GatewayUp}
    check_manners(node)


@pytest.mark.slow
@pytest.mark.parametrize(
    "proxy",
    [pytest.param(Nginx, id="nginx says 502"), pytest.param(checked_haproxy, id="haproxy 503")],
)
@on_uvloop
async def test_a_gateway_that_is_killed_behind_a_proxy_costs_no_instance(
    proxy: Callable[[int], ReverseProxy],
) -> None:
    with NodeGateway(instance=SLOWISH) as node, proxy(node.port) as front:
        reading, seen = await fetch_around_a_kill(node, front.url)
        check_outage(reading, seen, node)
        unlogged = calls_of(reading.report) - len(front.calls())
    # Of the calls under way as Node is killed, HAProxy closes some without a reply or a line in
    # its log, so that clients send them again.
    assert 0 <= unlogged <= (SLOTS if proxy is checked_haproxy else 0)


@pytest.mark.slow
@on_asyncio
async def test_a_gateway_that_is_killed_costs_no_instance() -> None:
    with NodeGateway(instance=SLOWISH) as node:
        reading, seen = await fetch_around_a_kill(node, node.url)
        check_outage(reading, seen, node)


@pytest.mark.slow
@on_uvloop
@pytest.mark.parametrize("proxy", [Nginx, HAProxy])
async def test_a_proxy_that_is_stopped_and_started_costs_no_instance(
    proxy: Callable[[int], ReverseProxy],
) -> None:
    with NodeGateway(instance=SLOWISH) as node, proxy(node.port) as front:
        reading = Reading()

        async with (
            open_pool(front.url, max_concurrency=SLOTS) as pool,
            anyio.create_task_group() as tasks,
        ):

            async def start_again() -> None:
                await anyio.sleep(2.0)
                await run_sync(front.start)

            async def stop_once(outcomes: int) -> None:
                if outcomes == len(INSTANCES) // 4:
                    await run_sync(front.stop)
                    tasks.start_soon(start_again)

            await reading.read(pool, INSTANCES, then=stop_once)
        check_all_fetched(reading.report, node, INSTANCES)
        assert calls_of(reading.report) <= 1.5 * len(INSTANCES)
        check_manners(node)


async def test_nginx_that_is_reloaded_meanwhile_costs_no_call() -> None:
    instances = w_ids(600)
    with NodeGateway(instance=NodeInstance(latency=0.01)) as node, Nginx(node.port) as nginx:
        reading = Reading()

        async def reload_now_and_then(outcomes: int) -> None:
            if outcomes % 150 == 100:
                nginx.reload()

        async with open_pool(nginx.url, max_concurrency=16) as pool:
            report = await reading.read(pool, instances, then=reload_now_and_then)
        check_all_fetched(report, node, instances)
        assert calls_of(report) == len(node.calls()) == len(nginx.calls()) == len(instances)
        check_manners(node)


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_one_instance_that_alone_is_answered_so_is_no_outage(status: int) -> None:
    instances = w_ids(60)
    sick, *well = instances
    seen = Clocked(GatewayDown)
    with (
        NodeGateway(instances={sick: NodeInstance(page_status=status)}) as node,
        Nginx(node.port) as nginx,
    ):
        async with open_pool(nginx.url, observers=[seen], max_concurrency=8) as pool:
            report = await pool.fetch_all([*well[:30], sick, *well[30:]])
        assert list(report.errors) == [sick]
        assert f"HTTP status {status}" in str(report.errors[sick])
        assert report.errors[sick].calls == 5
        for w_id in well:
            check_contacts(report.contacts[w_id], node, w_id)
        assert not seen.events
        assert calls_of(report) == len(node.calls()) == len(nginx.calls())
