"""Which HTTP proxy leads to a gateway, and what the environment says of that."""

from urllib.request import getproxies_environment, proxy_bypass

from yarl import URL

from wxcontacts_async.errors import InvalidArgumentError
from wxcontacts_async.settings import ENVIRONMENT, is_proxy_url


def proxy_for(url: URL, proxy: str | None) -> URL | None:
    """Return the proxy that a gateway's calls go by; None is none.

    Raises:
        InvalidArgumentError: The environment names what is no HTTP proxy.

    """
    if proxy != ENVIRONMENT:
        return None if proxy is None else URL(proxy)
    named = named_by_environment(url)
    if named is None:
        return None
    if not is_proxy_url(named):
        variable = f"{url.scheme.upper()}_PROXY"
        msg = f"proxy: {variable} must be like 'http://proxy.example:3128', as no other is spoken"
        raise InvalidArgumentError(msg, argument="proxy")
    return URL(named)


def named_by_environment(url: URL) -> str | None:
    """Return the proxy that HTTP_PROXY, HTTPS_PROXY and NO_PROXY name for a URL, if any."""
    proxies = getproxies_environment()
    named = proxies.get(url.scheme)
    # Port by port, as NO_PROXY may name one.
    hosts = (url.host or "", f"{url.host}:{url.port}")
    if not named or any(proxy_bypass(host) for host in hosts):
        return None
    return named if "://" in named else f"http://{named}"
