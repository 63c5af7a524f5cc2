"""The options of each command that calls a gateway: which instances, where and how."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import typer

from wxcontacts_async import Contact, Event, Gateway, InitializationWait, RetryPolicy, SessionPool
from wxcontacts_async._http.client import check_environment
from wxcontacts_async.cli.options.headers import read_headers
from wxcontacts_async.cli.options.tls_files import CA, CLIENT_CERT, INSECURE, tls_of
from wxcontacts_async.cli.options.usage import AUTHORIZATION_VARIABLE, naming_options
from wxcontacts_async.cli.options.values import number

_GATEWAY = Gateway("http://localhost:18081")
_WAIT = InitializationWait()
_RETRY = RetryPolicy()

WIds = Annotated[
    list[str] | None,
    typer.Argument(metavar="W_ID", help="Instances to fetch.", show_default=False),
]
Sources = Annotated[
    list[str] | None,
    typer.Option(
        "--from",
        metavar="FILE|-",
        help="Read more wIds from FILE, or - for standard input; may be given again for others. "
        "One a line, where blank lines and # comments are skipped; or CSV with a column, or JSON "
        "Lines with a key, w_id or wId.",
        show_default="none",
    ),
]
Failures = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|-",
        help="Write a JSON line for each failed instance, and for each contact that could "
        "not be decoded, or not all of it, as it came, to FILE, overwriting it.",
        show_default="not written",
    ),
]


class CallSettings(NamedTuple):
    """The gateway, and how initializing instances and failed calls are retried."""

    gateway: Gateway
    initialization: InitializationWait = InitializationWait()
    retry: RetryPolicy = RetryPolicy()

    def pool(
        self,
        observers: Iterable[Callable[[Event], object]] = (),
        contact_type: type[Contact] = Contact,
    ) -> SessionPool:
        """Make a pool with these settings."""
        return SessionPool(
            self.gateway,
            initialization=self.initialization,
            retry=self.retry,
            contact_type=contact_type,
            observers=observers,
        )


@dataclass(kw_only=True)
class GatewayOptions:
    """The values of the options, as typed."""

    gateway: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="Where POST URL/getAllContact is answered; that may stand at its end.",
        ),
    ] = _GATEWAY.base_url
    header: Annotated[
        list[str] | None,
        typer.Option(
            metavar="'NAME: VALUE'",
            help="Send this header with every call; may be given again for others. Others on this "
            f"computer can see it; {AUTHORIZATION_VARIABLE} in the environment, which is "
            "sent as the Authorization header, they cannot.",
            show_default="none",
        ),
    ] = None
    max_concurrency: Annotated[
        str,
        typer.Option(metavar="N", help="Calls under way at once, at least 1."),
    ] = str(_GATEWAY.max_concurrency)
    max_rate: Annotated[
        str | None,
        typer.Option(
            metavar="R",
            help="Calls a second at most, above 0, spread evenly.",
            show_default="no limit",
        ),
    ] = None
    init_interval: Annotated[
        str,
        typer.Option(
            metavar="S",
            help="Seconds until an initializing instance is called again, at least 0. The API "
            "document asks for 5.",
        ),
    ] = f"{_WAIT.interval:g}"
    init_timeout: Annotated[
        str,
        typer.Option(
            metavar="S",
            help="Seconds after which an instance that is still initializing is given up, at "
            "least 0, or none to wait for ever.",
        ),
    ] = f"{_WAIT.timeout:g}"
    connect_timeout: Annotated[
        str,
        typer.Option(metavar="S", help="Seconds to connect to the gateway, above 0."),
    ] = f"{_GATEWAY.connect_timeout:g}"
    request_timeout: Annotated[
        str,
        typer.Option(metavar="S", help="Seconds for one call in all, above 0."),
    ] = f"{_GATEWAY.request_timeout:g}"
    attempts: Annotated[
        str,
        typer.Option(
            metavar="N",
            help="Calls for an instance, at least 1, until it fails of what may pass, such as a "
            "timeout or half a reply.",
        ),
    ] = str(_RETRY.attempts)
    outage_timeout: Annotated[
        str,
        typer.Option(
            metavar="S",
            help="Seconds that instances wait for a gateway that is away or overloaded until they "
            "fail, at least 0.",
        ),
    ] = f"{_GATEWAY.outage_timeout:g}"
    ca: Annotated[
        str | None,
        typer.Option(
            CA,
            metavar="FILE",
            help="Trust the certificates in FILE, in PEM, and no others.",
            show_default="those that the system trusts",
        ),
    ] = None
    client_cert: Annotated[
        str | None,
        typer.Option(
            CLIENT_CERT,
            metavar="FILE[:KEY]",
            help="Show the gateway the certificate in FILE, in PEM, whose key is in KEY, or in "
            "FILE as well; the key must not be encrypted.",
            show_default="none",
        ),
    ] = None
    insecure: Annotated[
        bool,
        typer.Option(
            INSECURE,
            help="Trust any certificate of the gateway, so that anyone in between can read "
            "contacts and headers.",
        ),
    ] = False
    proxy: Annotated[
        str | None,
        typer.Option(
            metavar="URL|environment",
            help="Go by this HTTP proxy, or by the one that HTTP_PROXY, HTTPS_PROXY and NO_PROXY "
            "name; only the latter keeps a password from others on this computer.",
            show_default="none",
        ),
    ] = None

    def read(self) -> CallSettings:
        """Convert them; typer.BadParameter if one cannot be used."""
        with naming_options():
            gateway = Gateway(
                self.gateway,
                headers=read_headers(self.header or ()),
                max_concurrency=number(self.max_concurrency),
                max_rate=number(self.max_rate),
                connect_timeout=number(self.connect_timeout),
                request_timeout=number(self.request_timeout),
                outage_timeout=number(self.outage_timeout),
                ssl=tls_of(self.ca, self.client_cert, insecure=self.insecure),
                proxy=None if self.proxy == "none" else self.proxy,
            )
            check_environment(gateway)
            return CallSettings(
                gateway,
                InitializationWait(number(self.init_interval), timeout=number(self.init_timeout)),
                RetryPolicy(number(self.attempts)),
            )
