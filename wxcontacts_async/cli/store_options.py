"""The options that name a database, and what is said where its drivers are not installed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

DEFAULT_STORE = "sqlite:///contacts.db"
DEFAULT_SHRINK = "0.5"
TO, STORE = "--to", "--store"

_NEEDED = {"adbc_driver_manager", "adbc_driver_postgresql", "adbc_driver_sqlite", "pyarrow"}
_URL_HELP = (
    "sqlite:///contacts.db (four slashes before an absolute path) or "
    "postgresql://USER@HOST/DATABASE. A password is better kept in PGPASSWORD or PGPASSFILE "
    "than in the URL, which others on this computer can see."
)

ToStore = Annotated[
    str,
    typer.Option(
        TO,
        STORE,
        metavar="URL",
        help=f"The database to keep in step, made if need be: {_URL_HELP}",
    ),
]
FromStore = Annotated[
    str,
    typer.Option(STORE, metavar="URL", help=f"The database to read: {_URL_HELP}"),
]
MaxShrink = Annotated[
    str,
    typer.Option(
        metavar="SHARE",
        help="Share of an instance's contacts, 0 to 1, that may leave at once. Where more of at "
        "least 20 are missing it is suspicious, and none is removed unless the very same are "
        "missing the next time, too; 1 removes always.",
    ),
]


@contextmanager
def needing_store() -> Iterator[None]:
    """Say what to install if what a database needs is not there; exit code 2."""
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
