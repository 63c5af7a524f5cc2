"""The options by which a command that runs for long is operated."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from wxcontacts_async.cli.options.usage import wrong

LISTEN = "--listen"
_LOOPBACK = "127.0.0.1"
_HIGHEST_PORT = 65_535


class LogFormat(StrEnum):
    """How messages are written."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True)
class ListenAddress:
    """Where metrics are served.

    Attributes:
        host: A name or an address.
        port: The port; 0 is any that is free.

    """

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(kw_only=True)
class OperationOptions:
    """The values of the options, as typed."""

    listen: Annotated[
        str | None,
        typer.Option(
            LISTEN,
            metavar="[HOST:]PORT",
            help="Serve /metrics for Prometheus, /healthz (the process is alive) and /readyz (the "
            "database and each gateway answer) over HTTP, at 127.0.0.1 unless HOST says otherwise. "
            "Needs the extra `prometheus`.",
            show_default="not served",
        ),
    ] = None
    log_format: Annotated[
        LogFormat | None,
        typer.Option(
            help="Write messages as a log, a line each with its time and level, or a JSON object. "
            "Failed instances are then summed up once an interval, and what is suspicious is said "
            "when it begins and ends.",
            show_default="messages for people, a line each time that an instance fails",
        ),
    ] = None

    def address(self) -> ListenAddress | None:
        """Read --listen; typer.BadParameter if it is no address."""
        if self.listen is None:
            return None
        host, _, port = self.listen.rpartition(":")
        if not (port.isascii() and port.isdigit() and int(port) <= _HIGHEST_PORT):
            raise wrong(LISTEN, f"must be [HOST:]PORT, such as 127.0.0.1:9464, not {self.listen!r}")
        return ListenAddress(host.removeprefix("[").removesuffix("]") or _LOOPBACK, int(port))
