"""The settings of a pool: its gateways, and how they are waited for and tried again."""

import re
import ssl as tls
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from types import MappingProxyType

from aiohttp.abc import AbstractResolver
from yarl import URL

from wxcontacts_async._messages import says_initializing, says_throttled
from wxcontacts_async.errors import InvalidArgumentError
from wxcontacts_async.validation import check_number

ENVIRONMENT = "environment"  # as a proxy: the one that the environment names
_MEBIBYTE = 1024 * 1024
_LOWEST_RATE = 0.0001
_LONGEST_WAIT = 365 * 86_400.0
_WHOLE_ADDRESS = r"(.*)/getAllContact/*"
# Compiled when a header is first checked: most gateways have none.
_HEADER_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_UNSAFE_IN_HEADER_VALUE = r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]"
_OWN_HEADERS = frozenset({"content-type", "content-length", "transfer-encoding", "host"})


# They are dataclasses rather than structs because of their keyword-only arguments.
@dataclass(frozen=True, slots=True)
class Gateway:
    """Where the instances are: an HTTP server that answers `POST {base_url}/getAllContact`.

    Arguments:
        base_url: http or https, with or without a path prefix or a trailing slash; no query, no
            credentials (these belong into `headers`). Given the whole address, with
            /getAllContact at its end, it is kept without that.
        headers: Sent with every call, to this gateway alone; never logged, never redirected.
        max_concurrency: Slots: how many calls may be under way at once, at least 1.
        max_rate: Calls a second at most, at least 0.0001; they are spread evenly. None is no
            limit.
        connect_timeout: Seconds to find the host, connect and shake hands, above 0.
        request_timeout: Seconds for one call in all, connecting and reading included, above 0.
        max_reply_bytes: The largest body that is read, after decompression, at least 1.
        outage_timeout: Seconds, at least 0: how long instances wait for a gateway that serves
            none of them, be it that it has ceased to answer or that it refuses them for load,
            before they fail. Their attempts are not spent meanwhile.
        ssl: True verifies certificates; an `ssl.SSLContext` does as it is made to; False
            verifies nothing.
        proxy: URL of an HTTP proxy that the calls go by, as in "http://proxy.example:3128", with
            or without credentials; "environment" goes by what HTTP_PROXY, HTTPS_PROXY and
            NO_PROXY say when the pool is entered; None goes straight to the gateway.
        resolver: Finds the addresses of the host, one of aiohttp's or your own
            `aiohttp.abc.AbstractResolver`, which stays yours to close. None asks the operating
            system, whatever other resolvers are installed.

    Raises:
        InvalidArgumentError: An argument is out of its bounds.

    """

    base_url: str
    _: KW_ONLY
    headers: Mapping[str, str] | None = field(default=None, repr=False, hash=False)
    max_concurrency: int = 32
    max_rate: float | None = None
    connect_timeout: float = 10.0
    request_timeout: float = 60.0
    max_reply_bytes: int = 64 * _MEBIBYTE
    outage_timeout: float = 120.0
    ssl: tls.SSLContext | bool = True
    proxy: str | None = field(default=None, repr=False)
    resolver: AbstractResolver | None = None

    def __post_init__(self) -> None:
        _check_base_url(self.base_url)
        if pasted := re.fullmatch(_WHOLE_ADDRESS, self.base_url):
            object.__setattr__(self, "base_url", pasted[1])
        check_number("max_concurrency", self.max_concurrency, at_least=1, whole=True)
        check_number("max_rate", self.max_rate, at_least=_LOWEST_RATE, optional=True)
        check_number("connect_timeout", self.connect_timeout, above=0)
        check_number("request_timeout", self.request_timeout, above=0)
        check_number("max_reply_bytes", self.max_reply_bytes, at_least=1, whole=True)
        check_number("outage_timeout", self.outage_timeout, at_least=0)
        if not isinstance(self.ssl, bool | tls.SSLContext):
            msg = f"ssl must be True, False or an ssl.SSLContext, not {self.ssl!r}"
            raise InvalidArgumentError(msg, argument="ssl")
        _check_proxy(self.proxy)
        if self.resolver is not None and not isinstance(self.resolver, AbstractResolver):
            msg = f"resolver must be an aiohttp.abc.AbstractResolver, not {self.resolver!r}"
            raise InvalidArgumentError(msg, argument="resolver")
        if self.headers is not None:
            _check_headers(self.headers)
            # A copy, so that what was checked is what is sent.
            object.__setattr__(self, "headers", MappingProxyType(dict(self.headers)))


@dataclass(frozen=True, slots=True)
class InitializationWait:
    """How an instance that answers 初始化中 is waited for.

    The API document asks to wait 5 seconds and to call again until it succeeds.

    Arguments:
        interval: Seconds between two calls, at least 0 and at most a year.
        timeout: Seconds from the first "initializing" until the instance is given up with
            InitializationTimeoutError, at least 0; None waits for ever, as the document says.
            No wait is begun that would end after it.
        is_initializing: Tells from a reply's code and message, both text, whether it means
            "initializing"; by default 初始化中 and its like in the message do.

    Raises:
        InvalidArgumentError: An argument is out of its bounds.

    """

    interval: float = 5.0
    _: KW_ONLY
    timeout: float | None = 600.0
    is_initializing: Callable[[str, str], bool] = says_initializing

    def __post_init__(self) -> None:
        check_number("interval", self.interval, at_least=0, at_most=_LONGEST_WAIT)
        check_number("timeout", self.timeout, at_least=0, optional=True)
        _check_callable("is_initializing", self.is_initializing)

    def gives_up_after(self, elapsed: float) -> bool:
        """Tell whether another wait, begun `elapsed` seconds after the first, ends too late."""
        return self.timeout is not None and elapsed + self.interval > self.timeout


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How what may pass is tried again: exponential backoff with full jitter.

    What may pass: connection errors, timeouts, cut or undecodable bodies, HTTP 429 and 5xx.
    See https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.

    Arguments:
        attempts: Calls in all, the first one included, at least 1. An "initializing" reply is
            no failure: it starts the count again.
        initial_delay: Seconds, at least 0: the most that is waited after the first failure.
            Each further failure doubles it.
        max_delay: Seconds, at least `initial_delay` and at most a year: the most that is ever
            waited, on top of what a Retry-After header asks for.
        is_throttled: Tells from a refusal's code and message, both text, whether it means that
            the instance was called too often and may be called again later.

    Raises:
        InvalidArgumentError: An argument is out of its bounds.

    """

    attempts: int = 5
    _: KW_ONLY
    initial_delay: float = 0.5
    max_delay: float = 30.0
    is_throttled: Callable[[str, str], bool] = says_throttled

    def __post_init__(self) -> None:
        check_number("attempts", self.attempts, at_least=1, whole=True)
        check_number("initial_delay", self.initial_delay, at_least=0, at_most=_LONGEST_WAIT)
        check_number(
            "max_delay",
            self.max_delay,
            at_least=self.initial_delay,
            at_most=_LONGEST_WAIT,
        )
        _check_callable("is_throttled", self.is_throttled)

    def delay(self, failures: int, *, jitter: float, retry_after: float | None = None) -> float:
        """Return the seconds to wait after so many failures in a row.

        Arguments:
            failures: Failed calls since the last reply, at least 1.
            jitter: A random number in [0, 1): the share of the full delay that is waited.
            retry_after: Seconds that the gateway asked for. They are waited in full, and the
                delay after them, so that not all come back at once.

        """
        # 2 ** 64 doublings of any delay are past any max_delay; floats overflow beyond 2 ** 1023.
        full = min(self.max_delay, self.initial_delay * 2.0 ** min(failures - 1, 64))
        return full * jitter + (retry_after or 0.0)


def _check_base_url(base_url: object) -> None:
    # The URL is not shown whole, since it may hold credentials.
    if not isinstance(base_url, str):
        msg = f"base_url must be a str, not {type(base_url).__name__}"
        raise InvalidArgumentError(msg, argument="base_url")
    try:
        url = URL(base_url)
    except ValueError:
        msg = "base_url is no URL; it must be like 'http://localhost:18081'"
        raise InvalidArgumentError(msg, argument="base_url") from None
    if url.scheme not in {"http", "https"} or not url.host:
        msg = "base_url must begin with http:// or https:// and name a host"
    elif url.user is not None or url.password is not None:
        msg = "base_url must hold no credentials; pass them as headers={'Authorization': ...}"
    elif "?" in base_url or "#" in base_url:
        msg = "base_url must have no query and no fragment"
    else:
        return
    raise InvalidArgumentError(msg, argument="base_url")


def _check_headers(headers: object) -> None:
    if not isinstance(headers, Mapping):
        msg = f"headers must be a mapping of names to values, not {type(headers).__name__}"
        raise InvalidArgumentError(msg, argument="headers")
    for name, value in headers.items():
        if not isinstance(name, str) or not re.fullmatch(_HEADER_NAME, name):
            # Not shown, since it may be a whole header with its value.
            msg = "headers must have HTTP field names; one of them is not, or has a value in it"
        elif name.lower() in _OWN_HEADERS:
            msg = f"headers must not set {name}, which follows from the call"
        elif not isinstance(value, str) or re.search(_UNSAFE_IN_HEADER_VALUE, value):
            msg = f"headers[{name!r}] must be a str without control characters such as newlines"
        else:
            continue
        raise InvalidArgumentError(msg, argument="headers")


def _check_callable(name: str, value: object) -> None:
    if not callable(value):
        msg = f"{name} must be callable, not {value!r}"
        raise InvalidArgumentError(msg, argument=name)


def _check_proxy(proxy: object) -> None:
    """Raise InvalidArgumentError unless it is an HTTP proxy's URL, "environment" or None."""
    if proxy is None or proxy == ENVIRONMENT:
        return
    # The URL is not shown, since it may hold credentials.
    if not isinstance(proxy, str) or not is_proxy_url(proxy):
        msg = "proxy must be like 'http://proxy.example:3128', or 'environment', or None"
        raise InvalidArgumentError(msg, argument="proxy")


def is_proxy_url(proxy: str) -> bool:
    """Tell whether it is the URL of an HTTP proxy."""
    try:
        url = URL(proxy)
    except ValueError:
        return False
    return url.scheme == "http" and bool(url.host) and url.path in {"", "/"} and not url.query
