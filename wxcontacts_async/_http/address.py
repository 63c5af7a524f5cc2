"""Where the calls to a gateway go, with which headers, and what its errors may be due to."""

from ipaddress import ip_address

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from wxcontacts_async._http.proxies import named_by_environment, proxy_for
from wxcontacts_async._http.translation import translated
from wxcontacts_async.errors import WxContactsError
from wxcontacts_async.settings import Gateway

_PROXY_ADVICE = ' The environment names a proxy; Gateway(proxy="environment") goes by it.'
_TLS_ADVICE = " If TLS is spoken there, it must begin with https://."


class Address:
    """The address of a gateway.

    Arguments:
        gateway: Its settings.
        proxy: The proxy that leads to it; None is none.

    Attributes:
        url: Where its calls are posted to.
        headers: Those of each call.
        has_replied: Whether HTTP has been heard from it.

    """

    def __init__(self, gateway: Gateway, proxy: URL | None) -> None:
        self._gateway = gateway
        self.url = _url_of(gateway)
        self.proxy = proxy
        self.has_replied = False
        self.headers = CIMultiDict({**(gateway.headers or {}), "Content-Type": "application/json"})
        self.headers.setdefault("Accept", "application/json")
        # To compress costs more than it saves where nothing has to travel.
        accepted = "identity" if _is_loopback(self.url.host or "") else "gzip, deflate"
        self.headers.setdefault("Accept-Encoding", accepted)

    @classmethod
    def of(cls, gateway: Gateway) -> "Address":
        """Make the address of a gateway, as the environment is now.

        Raises:
            InvalidArgumentError: The environment's proxy is to be used, and is none.

        """
        return cls(gateway, proxy_for(_url_of(gateway), gateway.proxy))

    def translated(self, error: Exception) -> WxContactsError:
        """Return the error of ours that says what became of a call."""
        if isinstance(error, WxContactsError):
            return error
        gateway = self._gateway
        ours = translated(
            error,
            connect_timeout=gateway.connect_timeout,
            request_timeout=gateway.request_timeout,
        )
        if not ours.reached and self.proxy is None and named_by_environment(self.url):
            ours.advice += _PROXY_ADVICE
        closed = isinstance(error, aiohttp.ServerDisconnectedError | ConnectionResetError)
        if closed and not self.has_replied and self.url.scheme == "http":
            # Servers close a connection on which they get no TLS, and say nothing.
            ours.advice += _TLS_ADVICE
        return ours


def _url_of(gateway: Gateway) -> URL:
    # By hand, since URL's own / would encode a path prefix again.
    return URL(gateway.base_url.rstrip("/") + "/getAllContact")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
