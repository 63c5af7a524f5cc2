"""The options of each command that asks a gateway: for which instances, where and how."""

import os
from collections.abc import Sequence
from typing import Annotated

import typer

from wxcontacts_async import Gateway, InitializationWait
from wxcontacts_async.cli.console import HumanConsole
from wxcontacts_async.cli.usage import (
    AUTHORIZATION_VARIABLE,
    naming_options,
    number,
    read_headers,
)
from wxcontacts_async.cli.w_ids import read_w_ids

_GATEWAY = Gateway("http://localhost:18081")
_WAIT = InitializationWait()

WIds = Annotated[
    list[str] | None,
    typer.Argument(metavar="W_ID", help="Instances to fetch.", show_default=False),
]
Source = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="FILE|-",
        help="Read more wIds from FILE, or - for standard input: one a line, in UTF-8. "
        "Blank lines and # comments are skipped.",
    ),
]
GatewayUrl = Annotated[
    str,
    typer.Option(metavar="URL", help="Where POST URL/getAllContact is answered."),
]
Headers = Annotated[
    list[str] | None,
    typer.Option(
        metavar="'NAME: VALUE'",
        help="Send this header with every call; may be given again for others. Others on this "
        f"computer can see it; {AUTHORIZATION_VARIABLE} in the environment, which is "
        "sent as the Authorization header, they cannot.",
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
MaxConcurrency = Annotated[
    str,
    typer.Option(metavar="N", help="Calls under way at once, at least 1."),
]
MaxRate = Annotated[
    str | None,
    typer.Option(
        metavar="R",
        help="Calls a second at most, above 0, spread evenly.",
        show_default="no limit",
    ),
]
InitInterval = Annotated[
    str,
    typer.Option(
        metavar="S",
        help="Seconds until an initializing instance is called again, at least 0. The API "
        "document asks for 5.",
    ),
]
InitTimeout = Annotated[
    str,
    typer.Option(
        metavar="S",
        help="Seconds after which an instance that is still initializing is given up, at "
        "least 0, or none to wait for ever.",
    ),
]

DEFAULT_GATEWAY = _GATEWAY.base_url
DEFAULT_CONCURRENCY = str(_GATEWAY.max_concurrency)
DEFAULT_INTERVAL = f"{_WAIT.interval:g}"
DEFAULT_TIMEOUT = f"{_WAIT.timeout:g}"


def read_gateway(
    url: str,
    headers: Sequence[str] | None,
    *,
    max_concurrency: str,
    max_rate: str | None,
    init_interval: str,
    init_timeout: str,
) -> tuple[Gateway, InitializationWait]:
    """Return where to ask, and how initializing instances are waited for.

    Raises:
        typer.BadParameter: An option cannot be used.

    """
    with naming_options():
        gateway = Gateway(
            url,
            headers=read_headers(headers or (), os.environ),
            max_concurrency=number(max_concurrency),
            max_rate=number(max_rate),
        )
        return gateway, InitializationWait(number(init_interval), timeout=number(init_timeout))


def read_chosen(
    w_ids: Sequence[str] | None, source: str | None, console: HumanConsole
) -> list[str]:
    """Return the wIds, each once; say how many were given once more.

    Raises:
        typer.BadParameter: There are none, or one cannot be used.

    """
    chosen, repeated = read_w_ids(w_ids or (), source)
    if repeated:
        these = "1 wId was" if repeated == 1 else f"{repeated:,} wIds were"
        console.say(f"{these} given once more; each is fetched once.")
    return chosen
