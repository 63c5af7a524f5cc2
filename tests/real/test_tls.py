"""TLS as servers speak it, and where one side speaks it and the other does not."""

import ssl
from collections.abc import Callable

import pytest

from tests.real.certificates import Certificates
from tests.real.node import NodeGateway
from tests.real.processes import ServerProcess
from tests.real.reverse_proxies import HAProxy, Nginx
from tests.real.runs import Reading, check_all_fetched, check_contacts, failure, open_pool, w_ids
from wxcontacts_async import GatewayConnectionError

W_ID = "w0001"
H2 = "alpn h2,http/1.1"

Plain = Callable[[int], Nginx | HAProxy]
OverTls = Callable[[int, Certificates], Nginx | HAProxy]


def nginx_over_tls(upstream: int, certificates: Certificates) -> Nginx:
    return Nginx(upstream, certificate=certificates.server, tls_words="http2")


def haproxy_over_tls(upstream: int, certificates: Certificates) -> HAProxy:
    return HAProxy(upstream, certificate=certificates.server, tls_words=H2)


def nginx_for_clients_with_certificates(upstream: int, certificates: Certificates) -> Nginx:
    asking = ["ssl_verify_client on;"]
    return Nginx(upstream, in_server=asking, certificate=certificates.server)


def haproxy_for_clients_with_certificates(upstream: int, certificates: Certificates) -> HAProxy:
    return HAProxy(upstream, certificate=certificates.server, tls_words="verify required")


def haproxy_of_tls_1_2(upstream: int, certificates: Certificates) -> HAProxy:
    """Make one that refuses a client within the handshake, as TLS 1.3 does not."""
    words = "verify required ssl-max-ver TLSv1.2"
    return HAProxy(upstream, certificate=certificates.server, tls_words=words)


proxies_over_tls = pytest.mark.parametrize("proxy", [nginx_over_tls, haproxy_over_tls])


@proxies_over_tls
async def test_a_proxys_certificate_is_trusted_by_a_context_with_its_authority(
    proxy: OverTls,
    certificates: Certificates,
) -> None:
    instances = w_ids(60)
    with NodeGateway() as node, proxy(node.port, certificates) as front:
        async with open_pool(front.url, ssl=certificates.trusting()) as pool:
            report = await Reading().read(pool, instances)
        check_all_fetched(report, node, instances)
        assert len(front.calls()) == len(node.calls()) == len(instances)


async def test_nodes_certificate_is_trusted_by_a_context_with_its_authority(
    certificates: Certificates,
) -> None:
    with NodeGateway(certificate=certificates.server) as node:
        async with open_pool(node.url, ssl=certificates.trusting()) as pool:
            check_contacts(await pool.fetch(W_ID), node, W_ID)


@proxies_over_tls
async def test_an_authority_that_is_not_trusted_is_final(
    proxy: OverTls,
    certificates: Certificates,
) -> None:
    with NodeGateway() as node, proxy(node.port, certificates) as front:
        async with open_pool(front.url) as pool:
            error = await failure(pool.fetch(W_ID))
        assert isinstance(error, GatewayConnectionError)
        assert error.calls == 1
        assert "certificate" in str(error)
        assert not node.calls()


@pytest.mark.parametrize(
    "proxy",
    [
        nginx_for_clients_with_certificates,
        haproxy_for_clients_with_certificates,
        haproxy_of_tls_1_2,
    ],
)
async def test_a_gateway_that_wants_a_client_certificate_says_so_once(
    proxy: OverTls,
    certificates: Certificates,
) -> None:
    with NodeGateway() as node, proxy(node.port, certificates) as front:
        async with open_pool(front.url, ssl=certificates.trusting(), outage_timeout=1.0) as pool:
            error = await failure(pool.fetch(W_ID))
        assert isinstance(error, GatewayConnectionError)
        assert error.calls == 1
        assert "client certificate" in str(error)
        assert not node.calls()
        async with open_pool(front.url, ssl=certificates.identified()) as pool:
            check_contacts(await pool.fetch(W_ID), node, W_ID)


async def test_http_at_nginx_that_speaks_tls_is_final(certificates: Certificates) -> None:
    with NodeGateway() as node, nginx_over_tls(node.port, certificates) as nginx:
        async with open_pool(nginx.url.replace("https:", "http:")) as pool:
            error = await failure(pool.fetch(W_ID))
        assert error.calls == len(nginx.calls()) == 1
        assert "TLS" in str(error)
        assert "https://" in str(error)


def node_over_tls(upstream: int, certificates: Certificates) -> NodeGateway:  # noqa: ARG001
    return NodeGateway(certificate=certificates.server)


@pytest.mark.parametrize("server", [haproxy_over_tls, node_over_tls])
async def test_http_at_a_server_that_hangs_up_as_it_speaks_tls_leads_to_https(
    server: Callable[[int, Certificates], HAProxy | NodeGateway],
    certificates: Certificates,
) -> None:
    """They close the connection without a byte, so it could be anything else as well."""
    with NodeGateway() as node, server(node.port, certificates) as front:
        async with open_pool(
            front.url.replace("https:", "http:"),
            outage_timeout=1.0,
        ) as pool:
            error = await failure(pool.fetch(W_ID))
        assert isinstance(error, GatewayConnectionError)
        assert "https://" in str(error)
        assert error.calls <= 5


def plain_node(upstream: int) -> NodeGateway:  # noqa: ARG001
    return NodeGateway()


@pytest.mark.parametrize("server", [plain_node, Nginx, HAProxy])
async def test_https_where_no_tls_is_spoken_is_final(
    server: Callable[[int], ServerProcess],
    certificates: Certificates,
) -> None:
    with NodeGateway() as node, server(node.port) as front:
        url = f"https://127.0.0.1:{front.port}"
        async with open_pool(url, ssl=certificates.trusting()) as pool:
            error = await failure(pool.fetch(W_ID))
        assert isinstance(error, GatewayConnectionError)
        assert error.calls == 1
        assert "no TLS" in str(error)
        assert "http://" in str(error)


@proxies_over_tls
async def test_a_context_that_offers_http_2_is_told_what_came_of_it(
    proxy: OverTls,
    certificates: Certificates,
) -> None:
    offering: ssl.SSLContext = certificates.trusting()
    offering.set_alpn_protocols(["h2", "http/1.1"])
    with NodeGateway() as node, proxy(node.port, certificates) as front:
        async with open_pool(front.url, ssl=offering, outage_timeout=1.0) as pool:
            error = await failure(pool.fetch(W_ID))
        assert error.calls == 1
        assert "HTTP/2" in str(error)
        assert not node.calls()
