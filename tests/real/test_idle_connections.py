"""Connections that a server closes while nobody uses them, just as a call goes out."""

from collections.abc import Callable

import anyio
import pytest

from tests.real.certificates import Certificates
from tests.real.node import NodeGateway, NodeInstance
from tests.real.reverse_proxies import HAProxy, Nginx
from tests.real.runs import (
    Reading,
    calls_of,
    check_all_fetched,
    check_manners,
    failure,
    open_pool,
    w_ids,
)
from wxcontacts_async import CallSent, Event, SessionPool

KEPT = 0.05
CONNECTIONS, ROUNDS = 24, 12


class Counting:
    """An observer that counts calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, event: Event) -> None:
        self.calls += isinstance(event, CallSent)


def check_counted(calls: int) -> None:
    """See that no more calls were counted than arrived, but for those of a moment's stall.

    On a machine that is busy elsewhere a connection may be seen to be closed so late that the call
    may have been read, for all that can be known. Such a call is counted and sent again.
    """
    assert CONNECTIONS * ROUNDS <= calls <= CONNECTIONS * (ROUNDS + 1)


async def fetch_as_connections_close(pool: SessionPool, node: NodeGateway) -> None:
    """Call all at once, again and again, just as the connections of before are about to close."""
    for n in range(ROUNDS):
        instances = [f"w{n}-{place}" for place in range(CONNECTIONS)]
        check_all_fetched(await pool.fetch_all(instances), node, instances)
        await anyio.sleep(KEPT + (n % 12 - 6) / 1000)


async def test_connections_that_node_closes_early_cost_no_call() -> None:
    counting = Counting()
    with NodeGateway(keep_alive=KEPT) as node:
        async with open_pool(node.url, observers=[counting]) as pool:
            await fetch_as_connections_close(pool, node)
        calls = node.calls()
        assert len(calls) == CONNECTIONS * ROUNDS
        check_counted(counting.calls)
        assert len({call.connection for call in calls}) > 3 * CONNECTIONS, "few were closed"
        check_manners(node)


def impatient_nginx(upstream: int, certificates: Certificates) -> Nginx:  # noqa: ARG001
    return Nginx(upstream, in_http=[f"keepalive_timeout {KEPT * 1000:.0f}ms;"])


def impatient_nginx_over_tls(upstream: int, certificates: Certificates) -> Nginx:
    timeout = f"keepalive_timeout {KEPT * 1000:.0f}ms;"
    return Nginx(upstream, in_http=[timeout], certificate=certificates.server)


def impatient_haproxy(upstream: int, certificates: Certificates) -> HAProxy:  # noqa: ARG001
    return HAProxy(upstream, in_frontend=[f"timeout http-keep-alive {KEPT * 1000:.0f}ms"])


@pytest.mark.parametrize(
    "impatient",
    [impatient_nginx, impatient_nginx_over_tls, impatient_haproxy],
)
async def test_connections_that_a_proxy_closes_early_cost_no_call(
    impatient: Callable[[int, Certificates], Nginx | HAProxy],
    certificates: Certificates,
) -> None:
    counting = Counting()
    with NodeGateway() as node, impatient(node.port, certificates) as front:
        async with open_pool(
            front.url,
            observers=[counting],
            ssl=certificates.trusting(),
        ) as pool:
            await fetch_as_connections_close(pool, node)
        calls = front.calls()
        assert len(calls) == len(node.calls()) == CONNECTIONS * ROUNDS
        check_counted(counting.calls)
        assert len({call.connection for call in calls}) > 3 * CONNECTIONS, "few were closed"
        check_manners(node)


async def test_a_proxy_that_closes_after_some_calls_costs_no_call() -> None:
    instances = w_ids(300)
    with NodeGateway() as node, Nginx(node.port, in_http=["keepalive_requests 7;"]) as nginx:
        async with open_pool(nginx.url, max_concurrency=16) as pool:
            report = await Reading().read(pool, instances)
        check_all_fetched(report, node, instances)
        assert calls_of(report) == len(nginx.calls()) == len(node.calls()) == len(instances)


@pytest.mark.parametrize(
    ("latency", "uncounted"),
    [
        pytest.param(0.1, 0, id="read, as it took a while"),
        pytest.param(0.0, 1, id="read, though it may look as if not"),
    ],
)
async def test_a_call_that_was_read_is_not_sent_again_for_each_idle_connection(
    latency: float,
    uncounted: int,
) -> None:
    fatal = NodeInstance(hangs_up=True, latency=latency)
    with NodeGateway(instances={"fatal": fatal}, instance=NodeInstance(latency=0.1)) as node:
        async with open_pool(node.url, outage_timeout=2.0) as pool:
            await pool.fetch_all(w_ids(32))  # leaves as many idle connections
            error = await failure(pool.fetch("fatal"))
        calls = [call for call in node.calls() if call.w_id == "fatal"]
        assert error.calls <= len(calls) <= error.calls * (1 + uncounted)
        check_manners(node)
