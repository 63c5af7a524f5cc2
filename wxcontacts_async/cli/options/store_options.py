"""The options of databases, and the message where their drivers are not installed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import typer

from wxcontacts_async.cli.options.usage import STORE_VARIABLE

DEFAULT_STORE = "sqlite:///contacts.db"
DEFAULT_CONFIRMATION = "1d"
TO, STORE = "--to", "--store"
BUSY_TIMEOUT, RECONNECT_TIMEOUT = "--busy-timeout", "--reconnect-timeout"

_NEEDED = {"adbc_driver_manager", "adbc_driver_postgresql", "adbc_driver_sqlite", "pyarrow"}
_URL_HELP = (
    "sqlite:///contacts.db (four slashes before an absolute path) or "
    "postgresql://USER@HOST/DATABASE. A password is better kept in PGPASSWORD or PGPASSFILE "
    "than in the URL, which others on this computer can see."
)


def url_help(what: str) -> str:
    """Return the help of an option that names a database."""
    return f"{what}: {_URL_HELP}"


ToStore = Annotated[
    str,
    typer.Option(
        TO,
        STORE,
        metavar="URL",
        envvar=STORE_VARIABLE,
        help=url_help("The database to keep in step, made if need be"),
    ),
]
FromStore = Annotated[
    str,
    typer.Option(
        STORE, metavar="URL", envvar=STORE_VARIABLE, help=url_help("The database to read")
    ),
]
HeldStore = Annotated[
    str,
    typer.Option(
        STORE,
        metavar="URL",
        envvar=STORE_VARIABLE,
        help=url_help("The database that holds them"),
    ),
]


@dataclass(kw_only=True)
class Guarding:
    """When missing contacts are removed, as typed."""

    max_shrink: Annotated[
        str,
        typer.Option(
            metavar="SHARE",
            help="Share of an instance's contacts, 0 to 1, that may leave at once. An answer that "
            "lacks more of at least 20, in all or of one kind (public, friend, group), or all of a "
            "kind, is suspicious, and none is removed; 1 removes always.",
        ),
    ] = "0.5"
    confirm_after: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="How long contacts that a suspicious answer lacks must be missing from every "
            "answer until they are removed: 90s, 10m, 1h or 2d. Where an answer has no contact at "
            "all, they are not, unless `wxcontacts accept` says so.",
        ),
    ] = DEFAULT_CONFIRMATION


@dataclass(kw_only=True)
class Timeouts:
    """How long a database is waited for, as typed."""

    busy_timeout: Annotated[
        str,
        typer.Option(
            BUSY_TIMEOUT,
            metavar="TIME",
            help="How long to wait while another one writes to the database: 90s, 10m, 1h or 1d at "
            "most. That it is waited for is said after a second.",
        ),
    ] = "60s"
    reconnect_timeout: Annotated[
        str,
        typer.Option(
            RECONNECT_TIMEOUT,
            metavar="TIME",
            help="How long to try to connect again once the connection to the database was lost: "
            "90s, 10m, 1h or 2d. What was fetched is kept meanwhile.",
        ),
    ] = "60s"


@contextmanager
def needing_store() -> Iterator[None]:
    """Show what to install if a driver of a database is missing; exit code 2."""
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in _NEEDED:
            raise
        typer.echo(
            f"A database needs {module}, which is not installed: "
            "pip install 'wxcontacts_async[cli,store]'",
            err=True,
        )
        raise typer.Exit(2) from None
