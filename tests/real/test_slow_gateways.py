"""Gateways that accept every connection and are slow to answer."""

import pytest

from tests.real.node import NodeGateway, NodeInstance
from tests.real.reverse_proxies import Nginx
from tests.real.runs import (
    Clocked,
    Reading,
    at_most,
    calls_of,
    check_contacts,
    check_manners,
    on_asyncio,
    on_uvloop,
    open_pool,
    w_ids,
)
from wxcontacts_async import CallSent, GatewayTimeoutError, RetryPolicy

SLOW = NodeInstance(latency=3.0)
TWICE = RetryPolicy(2, initial_delay=0.1, max_delay=0.2)


@pytest.mark.slow
@on_uvloop
async def test_a_gateway_that_is_slower_than_its_timeout_says_which_one_and_is_not_hammered() -> (
    None
):
    instances = w_ids(40)
    sent = Clocked(CallSent)
    with NodeGateway(instance=SLOW) as node:
        with at_most(40):
            async with open_pool(
                node.url,
                retry=TWICE,
                observers=[sent],
                max_concurrency=16,
                request_timeout=0.5,
                outage_timeout=3.0,
            ) as pool:
                report = await Reading().read(pool, instances)
        assert sorted(report.errors) == instances
        for error in report.errors.values():
            assert isinstance(error, GatewayTimeoutError)
            assert "request_timeout" in str(error)
            assert "base_url" not in str(error)
        assert len(node.calls()) <= calls_of(report) <= 2 * len(instances)
        most = max(
            sum(began <= at < began + 1.0 for at, _ in sent.events) for began, _ in sent.events
        )
        assert most <= 3 * 16  # what its slots can have in two timeouts


async def test_one_instance_that_is_slow_fails_alone() -> None:
    slow, *quick = instances = w_ids(40)
    with NodeGateway(instances={slow: SLOW}) as node:
        async with open_pool(node.url, retry=TWICE, request_timeout=1.5) as pool:
            report = await Reading().read(pool, instances)
        assert list(report.errors) == [slow]
        assert isinstance(report.errors[slow], GatewayTimeoutError)
        assert "request_timeout" in str(report.errors[slow])
        assert report.errors[slow].calls == 2
        for w_id in quick:
            check_contacts(report.contacts[w_id], node, w_id)
        assert calls_of(report) == len(node.calls())
        check_manners(node)


@pytest.mark.slow
@on_asyncio
async def test_a_gateway_that_is_slower_than_nginx_waits_is_called_no_more_than_its_attempts() -> (
    None
):
    instances = w_ids(40)
    with (
        NodeGateway(instance=SLOW) as node,
        Nginx(node.port, in_location=["proxy_read_timeout 300ms;"]) as nginx,
    ):
        with at_most(40):
            async with open_pool(
                nginx.url,
                retry=TWICE,
                max_concurrency=16,
                outage_timeout=3.0,
            ) as pool:
                report = await Reading().read(pool, instances)
        assert sorted(report.errors) == instances
        assert all("504" in str(error) for error in report.errors.values())
        assert calls_of(report) == len(nginx.calls()) <= 2 * len(instances)


async def test_one_instance_that_is_slower_than_nginx_waits_fails_alone() -> None:
    slow, *quick = instances = w_ids(40)
    with (
        NodeGateway(instances={slow: SLOW}) as node,
        Nginx(node.port, in_location=["proxy_read_timeout 1500ms;"]) as nginx,
    ):
        async with open_pool(nginx.url, retry=TWICE, max_concurrency=4) as pool:
            report = await Reading().read(pool, instances)
        assert list(report.errors) == [slow]
        assert "504" in str(report.errors[slow])
        for w_id in quick:
            check_contacts(report.contacts[w_id], node, w_id)
        assert calls_of(report) == len(nginx.calls())
