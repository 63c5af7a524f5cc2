"""Gateways that are reached through a forward proxy."""

import pytest

from tests.real.certificates import Certificates
from tests.real.node import ForwardProxy, NodeGateway
from tests.real.runs import (
    Reading,
    calls_of,
    check_all_fetched,
    check_contacts,
    failure,
    open_pool,
    w_ids,
)

W_ID = "w0001"
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _no_proxy_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


async def test_an_http_gateway_is_reached_through_a_proxy() -> None:
    instances = w_ids(40)
    with NodeGateway() as node, ForwardProxy() as proxy:
        async with open_pool(node.url, proxy=proxy.url) as pool:
            report = await Reading().read(pool, instances)
        check_all_fetched(report, node, instances)
        assert calls_of(report) == len(node.calls()) == len(proxy.requests())
        assert {request.url for request in proxy.requests()} == {f"{node.url}/getAllContact"}


async def test_an_https_gateway_is_reached_through_a_tunnel_that_sees_no_header(
    certificates: Certificates,
) -> None:
    instances = w_ids(40)
    with NodeGateway(certificate=certificates.server) as node, ForwardProxy() as proxy:
        async with open_pool(
            node.url,
            proxy=proxy.url,
            ssl=certificates.trusting(),
            headers={"X-Token": "s3cret"},
        ) as pool:
            report = await Reading().read(pool, instances)
        check_all_fetched(report, node, instances)
        assert calls_of(report) == len(node.calls())
        requests = proxy.requests()
    assert {(request.method, request.url) for request in requests} == {
        ("CONNECT", node.url.removeprefix("https://")),
    }
    assert not any("x-token" in request.headers for request in requests)


async def test_a_proxy_of_the_environment_is_used_only_if_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with NodeGateway() as node, ForwardProxy() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        async with open_pool(node.url) as pool:
            check_contacts(await pool.fetch(W_ID), node, W_ID)
        assert not (proxy.folder / "record").read_bytes()
        async with open_pool(node.url, proxy="environment") as pool:
            check_contacts(await pool.fetch(W_ID), node, W_ID)
        assert len(proxy.requests()) == 1


async def test_an_https_gateway_is_reached_through_the_environments_proxy(
    monkeypatch: pytest.MonkeyPatch,
    certificates: Certificates,
) -> None:
    with NodeGateway(certificate=certificates.server) as node, ForwardProxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        trusting = certificates.trusting()
        async with open_pool(node.url, proxy="environment", ssl=trusting) as pool:
            check_contacts(await pool.fetch(W_ID), node, W_ID)
        assert [request.method for request in proxy.requests()] == ["CONNECT"]


async def test_what_the_environment_exempts_is_reached_without_its_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with NodeGateway() as node, ForwardProxy() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "example.org,127.0.0.1")
        async with open_pool(node.url, proxy="environment") as pool:
            check_contacts(await pool.fetch(W_ID), node, W_ID)
        assert not proxy.requests()


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_may_ask_for_credentials_which_no_error_shows(
    scheme: str,
    certificates: Certificates,
) -> None:
    certificate = certificates.server if scheme == "https" else None
    with (
        NodeGateway(certificate=certificate) as node,
        ForwardProxy(credentials="crm:s3cret") as proxy,
    ):
        trusting = certificates.trusting()
        right = proxy.url.replace("//", "//crm:s3cret@")
        async with open_pool(node.url, proxy=right, ssl=trusting) as pool:
            check_contacts(await pool.fetch(W_ID), node, W_ID)
        wrong = proxy.url.replace("//", "//crm:wr0ng@")
        async with open_pool(node.url, proxy=wrong, ssl=trusting) as pool:
            error = await failure(pool.fetch(W_ID))
        assert error.calls == 1
        assert "407" in str(error)
        assert "wr0ng" not in f"{error} {error!r}"
        assert len(node.calls()) == 1


async def test_a_gateway_that_only_a_proxy_reaches_is_said_to_be_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with NodeGateway() as node, ForwardProxy() as proxy:
        node.stop()  # so that nobody listens there
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        async with open_pool(node.url, outage_timeout=0.5) as pool:
            error = await failure(pool.fetch(W_ID))
    assert 'proxy="environment"' in str(error)
