"""The options of each command that calls a gateway: which instances, where and how."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, NamedTuple

import typer

from wxcontacts_async import (
    Contact,
    Event,
    Gateway,
    InitializationWait,
    Instance,
    RetryPolicy,
    SessionPool,
)
from wxcontacts_async._http.client import check_environment
from wxcontacts_async.cli.options.config import Config
from wxcontacts_async.cli.options.config_option import ConfigOption
from wxcontacts_async.cli.options.gateway_names import named_urls
from wxcontacts_async.cli.options.headers import environment_headers, overriding, read_headers
from wxcontacts_async.cli.options.instances import InstanceSources
from wxcontacts_async.cli.options.tls_files import CA, CLIENT_CERT, INSECURE, tls_of
from wxcontacts_async.cli.options.usage import (
    AUTHORIZATION_VARIABLE,
    GATEWAY_VARIABLE,
    naming_options,
)
from wxcontacts_async.cli.options.values import number

_GATEWAY = Gateway("http://localhost:18081")
_WAIT = InitializationWait()
_RETRY = RetryPolicy()
# The numbers of a Gateway, each an option of the same name.
_SETTINGS = (
    *("max_concurrency", "max_rate"),
    *("connect_timeout", "request_timeout", "outage_timeout"),
)

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
        "One a line, where blank lines and # comments are skipped, and behind it, with several "
        "gateways, a tab or comma and its gateway; or CSV with columns, or JSON Lines with keys, "
        "w_id or wId, and gateway.",
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
    """The gateways by name, and how initializing instances and failed calls are retried."""

    gateways: Mapping[str, Gateway]
    initialization: InitializationWait = InitializationWait()
    retry: RetryPolicy = RetryPolicy()

    def pool(
        self,
        observers: Iterable[Callable[[Event], object]] = (),
        contact_type: type[Contact] = Contact,
    ) -> SessionPool:
        """Make a pool with these settings."""
        return SessionPool(
            self.gateways,
            initialization=self.initialization,
            retry=self.retry,
            contact_type=contact_type,
            observers=observers,
        )


@dataclass(kw_only=True)
class GatewayOptions:
    """The values of the options, as typed, and the context that says which of them were."""

    context: typer.Context
    gateway: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]URL",
            envvar=GATEWAY_VARIABLE,
            help="Where POST URL/getAllContact is answered; that may stand at its end. With a "
            "name it may be given again for others. Those of --config are left out then, with "
            "their headers.",
            show_default=_GATEWAY.base_url,
        ),
    ] = None
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
        """Convert them, with what --config says; typer.BadParameter if one cannot be used."""
        config = self._config
        gateways = config.gateways() if self._takes_gateways_of_config else self._gateways()
        with naming_options():
            settings = CallSettings(
                {name: self._overriding(gateway) for name, gateway in gateways.items()},
                replace(
                    config.initialization(),
                    **self._typed("init_interval", interval=number(self.init_interval)),
                    **self._typed("init_timeout", timeout=number(self.init_timeout)),
                ),
                replace(
                    config.retry(),
                    **self._typed("attempts", attempts=number(self.attempts)),
                ),
            )
            for gateway in settings.gateways.values():
                check_environment(gateway)
        return settings

    def instances(
        self, w_ids: Sequence[str], sources: Sequence[str], settings: CallSettings
    ) -> InstanceSources:
        """Return the wIds and files that were typed, or the files of --config where none were."""
        if not w_ids and not sources:
            sources = self._config.sources
        return InstanceSources(w_ids, sources, settings.gateways)

    @property
    def _config(self) -> Config:
        option: ConfigOption = self.context.obj
        return option.config

    @property
    def _takes_gateways_of_config(self) -> bool:
        return bool(self._config.settings.gateways) and not self._was_given("gateway")

    def _gateways(self) -> dict[str, Gateway]:
        """Make those of --gateway; one without a name is called by its URL."""
        headers = environment_headers() or None
        named = {}
        for name, url in named_urls(self.gateway or [_GATEWAY.base_url]).items():
            with naming_options():
                gateway = Gateway(url, headers=headers)
            named[name or gateway.base_url] = gateway
        return named

    def _overriding(self, gateway: Gateway) -> Gateway:
        """Return a gateway with the settings that were typed in place of its own."""
        typed: dict[str, Any] = {}
        for name in _SETTINGS:
            typed |= self._typed(name, **{name: number(getattr(self, name))})
        if self.header:
            typed["headers"] = overriding(gateway.headers or {}, read_headers(self.header))
        if any(map(self._was_given, ("ca", "client_cert", "insecure"))):
            typed["ssl"] = tls_of(self.ca, self.client_cert, insecure=self.insecure)
        typed |= self._typed("proxy", proxy=None if self.proxy == "none" else self.proxy)
        return replace(gateway, **typed)

    def _typed(self, option: str, **values: Any) -> dict[str, Any]:  # noqa: ANN401
        """Return these values if the option was given, or else none."""
        return values if self._was_given(option) else {}

    def _was_given(self, option: str) -> bool:
        source = self.context.get_parameter_source(option)
        return source is not None and source.name in {"COMMANDLINE", "ENVIRONMENT"}


def read_again(
    options: GatewayOptions, w_ids: Sequence[str], sources: Sequence[str], given: InstanceSources
) -> tuple[CallSettings, list[Instance]]:
    """Read the file of --config and those of wIds again, as for SIGHUP.

    What standard input said is kept. If something cannot be used, it raises typer.BadParameter,
    and what was read before can be used on.

    Arguments:
        options: Those of the command.
        w_ids: As typed.
        sources: As typed.
        given: What `instances` returned for them.

    """
    option: ConfigOption = options.context.obj
    option.read_again()
    settings = options.read()
    files = options.instances(w_ids, sources, settings).files
    return settings, given.read_anew(files, settings.gateways)
