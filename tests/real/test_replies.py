"""What a reply means does not depend on its status, nor on the proxy that it came through."""

from collections.abc import Callable

import pytest

from tests.real.node import NodeGateway, NodeInstance
from tests.real.reverse_proxies import HAProxy, Nginx, ReverseProxy
from tests.real.runs import (
    Reading,
    calls_of,
    check_all_fetched,
    check_contacts,
    check_manners,
    failure,
    open_pool,
    w_ids,
)
from wxcontacts_async import GatewayRefusedError

proxies = pytest.mark.parametrize("proxy", [Nginx, HAProxy])
Proxy = Callable[[int], ReverseProxy]


@proxies
@pytest.mark.parametrize("status", [200, 500, 503])
async def test_an_initializing_instance_is_waited_for_whatever_the_status(
    status: int,
    proxy: Proxy,
) -> None:
    instances = w_ids(40)
    initializing = NodeInstance(initializing=2, initializing_status=status)
    with (
        NodeGateway(instances=dict.fromkeys(instances[::2], initializing)) as node,
        proxy(node.port) as front,
    ):
        async with open_pool(front.url) as pool:
            report = await Reading().read(pool, instances)
        check_all_fetched(report, node, instances)
        assert calls_of(report) == len(front.calls()) == len(node.calls()) == 80
        check_manners(node)


@proxies
async def test_a_refusal_with_a_status_is_a_refusal(proxy: Proxy) -> None:
    unknown = NodeInstance(refusal="wId不存在", refusal_status=404)
    with NodeGateway(instances={"unknown": unknown}) as node, proxy(node.port) as front:
        async with open_pool(front.url) as pool:
            error = await failure(pool.fetch("unknown"))
            check_contacts(await pool.fetch("known"), node, "known")
        assert isinstance(error, GatewayRefusedError)
        told: dict[str, object] = vars(error)
        assert (error.code, error.message, told["status"]) == ("1001", "wId不存在", 404)
        assert error.calls == 1
        assert all(part in str(error) for part in ("1001", "wId不存在", "404"))
        assert len(front.calls()) == 2


@proxies
async def test_a_refusal_with_a_servers_fault_may_pass_and_says_why_if_it_does_not(
    proxy: Proxy,
) -> None:
    faulty = NodeInstance(refusal="内部错误", refusal_status=500)
    with NodeGateway(instances={"faulty": faulty}) as node, proxy(node.port) as front:
        async with open_pool(front.url) as pool:
            error = await failure(pool.fetch("faulty"))
        assert error.calls == len(front.calls()) == 5
        assert "内部错误" in str(error)


async def test_one_account_that_is_called_too_often_waits_and_hurts_no_other() -> None:
    throttled = NodeInstance(refusal="操作太频繁，请稍后再试")
    instances = w_ids(40)
    busy, *others = instances
    with NodeGateway(instances={busy: throttled}) as node:
        async with open_pool(node.url, outage_timeout=2.0) as pool:
            report = await Reading().read(pool, instances)
        assert list(report.errors) == [busy]
        assert "操作太频繁" in str(report.errors[busy])
        for w_id in others:
            check_contacts(report.contacts[w_id], node, w_id)
        of_busy = [call for call in node.calls() if call.w_id == busy]
        assert report.errors[busy].calls == len(of_busy) > 1
        assert of_busy[-1].began - of_busy[0].began >= 1.0, "it was given up too soon"
        check_manners(node)
