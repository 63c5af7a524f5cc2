"""Calls by way of an HTTP proxy, and names that are resolved as the system does it."""

import socket
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from tests.support.one_call import QUICKLY, failure, fetch
from tests.support.raw_server import RawServer, http_reply, replying
from wxcontacts_async import (
    Gateway,
    GatewayConnectionError,
    GatewayHTTPError,
    InvalidArgumentError,
    SessionPool,
)

ELSEWHERE = "http://gateway.invalid:18081"


@pytest.fixture(autouse=True)
def no_proxy_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


async def test_calls_go_by_the_proxy_with_its_credentials_and_to_no_other() -> None:
    async with RawServer(replying(http_reply())) as proxy:
        url = proxy.url.replace("http://", "http://user:pa55@")
        gateway = Gateway(ELSEWHERE, proxy=url, headers={"Authorization": "Bearer own"})
        assert "pa55" not in repr(gateway)
        assert len(await fetch(gateway)) == 1
    (request,) = proxy.requests
    assert request.startswith(b"POST http://gateway.invalid:18081/getAllContact HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic dXNlcjpwYTU1\r\n" in request
    assert b"Authorization: Bearer own\r\n" in request


async def test_the_environment_s_proxy_is_taken_where_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with RawServer(replying(http_reply())) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert len(await fetch(Gateway(ELSEWHERE, proxy="environment"))) == 1
        assert len(proxy.requests) == 1
        monkeypatch.setenv("NO_PROXY", "gateway.invalid")
        error = await failure(Gateway(ELSEWHERE, proxy="environment"))
        assert "could not be resolved" in str(error)
        assert len(proxy.requests) == 1


async def test_without_it_the_environment_s_proxy_is_advised_where_there_is_no_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with RawServer(replying(http_reply())) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        error = await failure(ELSEWHERE, retry=QUICKLY)
        assert proxy.requests == []
    assert 'The environment names a proxy; Gateway(proxy="environment") goes by it.' in str(error)
    assert proxy.url not in str(error)
    monkeypatch.delenv("http_proxy")
    assert "proxy" not in str(await failure(ELSEWHERE))


async def test_a_proxy_that_is_not_there_is_said_to_be_the_proxy() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        error = await failure(Gateway(ELSEWHERE, proxy=f"http://u:pa55@127.0.0.1:{port}"))
    assert isinstance(error, GatewayConnectionError)
    assert "no connection to the proxy: Connection refused" in str(error)
    assert "pa55" not in f"{error} {vars(error)}"


@pytest.mark.parametrize(
    ("status", "calls", "kind"),
    [
        (407, 1, GatewayConnectionError),
        (403, 1, GatewayConnectionError),
        (502, 3, GatewayHTTPError),
    ],
)
async def test_a_proxy_that_refuses_to_connect_says_with_which_status(
    status: int, calls: int, kind: type[Exception]
) -> None:
    async with RawServer(replying(http_reply(b"", status=f"{status} No"))) as proxy:
        gateway = Gateway("https://gateway.invalid", proxy=proxy.url)
        error = await failure(gateway, retry=QUICKLY)
        assert all(request.startswith(b"CONNECT ") for request in proxy.requests)
        assert len(proxy.requests) == error.calls == calls
    assert isinstance(error, kind)
    assert f"HTTP status {status}" in str(error)


@pytest.mark.parametrize(
    "proxy",
    [
        "",
        "proxy.example",
        "https://proxy.example",
        "socks5://proxy.example",
        "http://",
        3128,
        "http://proxy.example/path",
        "http://u:pa55@proxy.example:x",
    ],
)
def test_what_is_no_http_proxy_is_refused_where_it_is_given(proxy: Any) -> None:  # noqa: ANN401
    with pytest.raises(InvalidArgumentError, match="^proxy must be") as raised:
        Gateway(ELSEWHERE, proxy=proxy)
    assert "pa55" not in str(raised.value)


async def test_an_environment_that_names_no_http_proxy_is_refused_as_the_pool_is_entered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "socks5://u:pa55@proxy.example")
    with pytest.raises(InvalidArgumentError, match="HTTP_PROXY") as raised:
        async with SessionPool(Gateway(ELSEWHERE, proxy="environment")):
            pass
    assert "pa55" not in str(raised.value)


async def test_names_are_resolved_as_the_system_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else is installed: aiodns is, with the extra `speed`, and aiohttp prefers it."""

    async def resolve(*_: object, **__: object) -> None:
        msg = "aiodns was asked"
        raise AssertionError(msg)

    monkeypatch.setattr(aiohttp.AsyncResolver, "resolve", resolve)
    async with RawServer(replying(http_reply())) as server:
        assert len(await fetch(server.url.replace("127.0.0.1", "localhost"))) == 1


class OwnResolver(AbstractResolver):
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.is_closed = False

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        return [
            ResolveResult(
                hostname=host, host="127.0.0.1", port=port, family=family, proto=0, flags=0
            )
        ]

    async def close(self) -> None:
        self.is_closed = True


async def test_a_resolver_of_the_caller_s_is_asked_and_stays_the_caller_s() -> None:
    own = OwnResolver()
    async with RawServer(replying(http_reply())) as server:
        url = server.url.replace("127.0.0.1", "gateway.invalid")
        assert len(await fetch(Gateway(url, resolver=own))) == 1
    assert own.asked == ["gateway.invalid"]
    assert not own.is_closed


def test_what_is_no_resolver_is_refused_where_it_is_given() -> None:
    with pytest.raises(InvalidArgumentError, match="^resolver must be"):
        Gateway(ELSEWHERE, resolver=aiohttp.ThreadedResolver)  # type: ignore[arg-type]
