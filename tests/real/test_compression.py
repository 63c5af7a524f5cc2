"""Answers that are compressed on their way."""

import aiohttp

from tests.real.node import NodeGateway
from tests.real.reverse_proxies import HAProxy, Nginx, ReverseProxy
from tests.real.runs import Reading, calls_of, check_all_fetched, open_pool, w_ids

INSTANCES = w_ids(12)
CONTACTS = 2_000


async def check_through(front: ReverseProxy, node: NodeGateway) -> None:
    async with open_pool(front.url) as pool:
        report = await Reading().read(pool, INSTANCES)
    check_all_fetched(report, node, INSTANCES)
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{front.url}/getAllContact", json={"wId": INSTANCES[0]}) as response,
    ):
        assert response.headers["Content-Encoding"] == "gzip", "it was not compressed at all"
    assert calls_of(report) == len(INSTANCES) == len(front.calls()) - 1


async def test_what_nginx_compresses_arrives_whole() -> None:
    gzip = ["gzip on;", "gzip_types application/json;", "gzip_proxied any;"]
    with NodeGateway(contacts=CONTACTS) as node, Nginx(node.port, in_http=gzip) as nginx:
        await check_through(nginx, node)


async def test_what_haproxy_compresses_arrives_whole() -> None:
    gzip = ["compression algo gzip", "compression type application/json"]
    with NodeGateway(contacts=CONTACTS) as node, HAProxy(node.port, in_frontend=gzip) as haproxy:
        await check_through(haproxy, node)


async def test_what_node_compresses_arrives_whole_through_a_proxy() -> None:
    with NodeGateway(contacts=CONTACTS, compressed=True) as node, Nginx(node.port) as nginx:
        await check_through(nginx, node)
