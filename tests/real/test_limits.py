"""Proxies that let through so many calls a second, and refuse the others."""

from collections.abc import Callable
from itertools import pairwise

import anyio
import pytest

from tests.real.node import NodeGateway, NodeInstance
from tests.real.reverse_proxies import HAProxy, Nginx, ReverseProxy
from tests.real.runs import (
    Clocked,
    Reading,
    calls_of,
    check_all_fetched,
    check_manners,
    on_asyncio,
    on_uvloop,
    open_pool,
    w_ids,
)
from wxcontacts_async import GatewayDown, GatewayPaused, InitializationWait, RetryPolicy

RATE = 50
INSTANCES = w_ids(300)
INITIALIZING = {w_id: NodeInstance(initializing=2) for w_id in INSTANCES[::5]}
NEEDED = len(INSTANCES) + 2 * len(INITIALIZING)
IDEAL = NEEDED / RATE
INTERVAL = 0.5
ASKED_PAUSE = 2.0

LIMIT = [f"limit_req_zone $server_port zone=calls:1m rate={RATE}r/s;"]
TOO_MANY = ["limit_req zone=calls;", "limit_req_status 429;"]


def nginx_429(upstream: int) -> Nginx:
    return Nginx(upstream, in_http=LIMIT, in_location=TOO_MANY)


def nginx_503(upstream: int) -> Nginx:
    return Nginx(upstream, in_http=LIMIT, in_location=["limit_req zone=calls;"])


def nginx_that_asks_for_a_pause(upstream: int) -> Nginx:
    # `always` puts it on errors as well, and so on every answer, which may not pause anybody.
    pause = f"add_header Retry-After {ASKED_PAUSE:.0f} always;"
    return Nginx(upstream, in_http=LIMIT, in_location=[*TOO_MANY, pause])


def haproxy_429(upstream: int) -> HAProxy:
    """Make one that counts the calls of the last second, those it refused included."""
    return HAProxy(
        upstream,
        in_frontend=[
            "stick-table type ip size 1k expire 10s store http_req_rate(1s)",
            "http-request track-sc0 src",
            f"http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt {RATE} }}",
        ],
    )


async def fetch_through(front: ReverseProxy, *observers: Clocked) -> tuple[Reading, float]:
    """Fetch all; return how that went, and the ideal time of a machine that is so busy."""
    reading = Reading()
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await anyio.sleep(1 / RATE)
            ticks += 1

    async with (
        open_pool(
            front.url,
            initialization=InitializationWait(INTERVAL),
            retry=RetryPolicy(),
            observers=observers,
            max_concurrency=32,
        ) as pool,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(tick)
        with anyio.move_on_after(5 * IDEAL):  # longer than any of them may take
            await reading.read(pool, INSTANCES)
        tasks.cancel_scope.cancel()
    return reading, NEEDED * reading.seconds / ticks


def check(
    reading: Reading,
    ideal: float,
    node: NodeGateway,
    front: ReverseProxy,
    *,
    paused: float = 0.0,
) -> None:
    """Check that all is fetched, in twice the ideal time beside the seconds that it was paused."""
    calls = front.calls()
    happened = (
        f"{len(reading.report.contacts)} of {len(INSTANCES)} fetched, "
        f"{len(calls)} calls, {front.refused} refused, "
        f"{reading.seconds:.1f} s, ideally {ideal:.1f} s, paused for {paused:.0f} s"
    )
    assert len(reading.report.contacts) == len(INSTANCES), happened
    check_all_fetched(reading.report, node, INSTANCES)
    assert calls_of(reading.report) == len(calls), happened
    assert len(node.calls()) == NEEDED == len(calls) - front.refused, happened
    assert front.refused <= len(calls) / 3, happened
    assert reading.seconds - paused <= 2 * ideal, happened
    check_manners(node, interval=INTERVAL)


@pytest.mark.slow
@on_uvloop
@pytest.mark.parametrize(
    "limited",
    [
        pytest.param(nginx_429, id="nginx 429"),
        pytest.param(nginx_503, id="nginx 503"),
        pytest.param(haproxy_429, id="haproxy 429"),
    ],
)
async def test_a_limit_on_the_rate_costs_no_instance_and_few_calls(
    limited: Callable[[int], ReverseProxy],
) -> None:
    seen = Clocked(GatewayDown)
    with NodeGateway(instances=INITIALIZING) as node, limited(node.port) as front:
        reading, ideal = await fetch_through(front, seen)
        check(reading, ideal, node, front)
        statuses = {call.status for call in front.calls()}
    # As many 503 in a row as a first burst meets could be an outage; 429 never is one.
    assert 503 in statuses or not seen.events


@pytest.mark.slow
@on_asyncio
async def test_a_pause_that_is_asked_for_is_made_once_and_by_all() -> None:
    seen = Clocked(GatewayPaused)
    with (
        NodeGateway(instances=INITIALIZING) as node,
        nginx_that_asks_for_a_pause(node.port) as nginx,
    ):
        reading, ideal = await fetch_through(nginx, seen)
        calls = nginx.calls()
        pauses = [at for at, _ in seen.events]
        assert pauses
        # How many there are depends on how late the machine is; each is as long as was asked.
        check(reading, ideal, node, nginx, paused=len(pauses) * ASKED_PAUSE)
    # One that is announced within another one would be that one again.
    assert all(after - before >= ASKED_PAUSE - 0.1 for before, after in pairwise(pauses))
    for refused in (call for call in calls if call.status == 429):
        # Those that were on their way as it was refused are not to blame.
        pause = (refused.ended + 0.5, refused.ended + ASKED_PAUSE - 0.1)
        within = [call for call in calls if pause[0] < call.began < pause[1]]
        assert not within, f"{len(within)} calls in the pause that {refused} asked for"


async def check_lived_with(node: NodeGateway, front: ReverseProxy) -> None:
    """Fetch with more slots than the proxy allows; check that it costs few calls, no instance."""
    instances = w_ids(240)
    async with open_pool(front.url, max_concurrency=32) as pool:
        report = await Reading().read(pool, instances)
    check_all_fetched(report, node, instances)
    calls = front.calls()
    assert calls_of(report) == len(calls)
    assert len(node.calls()) == len(instances)
    assert front.refused <= len(calls) / 3
    check_manners(node)


async def test_few_connections_that_a_proxy_allows_are_lived_with() -> None:
    """HAProxy has others wait for a connection to the gateway, and refuses those that wait long."""
    with (
        NodeGateway(instance=NodeInstance(latency=0.02)) as node,
        HAProxy(node.port, server_words="maxconn 4", in_backend=["timeout queue 50ms"]) as haproxy,
    ):
        await check_lived_with(node, haproxy)


async def test_few_calls_at_once_that_nginx_allows_are_lived_with() -> None:
    with (
        NodeGateway(instance=NodeInstance(latency=0.02)) as node,
        Nginx(
            node.port,
            in_http=["limit_conn_zone $server_port zone=calls:1m;"],
            in_location=["limit_conn calls 4;", "limit_conn_status 429;"],
        ) as nginx,
    ):
        await check_lived_with(node, nginx)
