"""The database that a command is given; what is wrong with it is said in the command's words."""

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from shlex import quote

from wxcontacts_async.cli.output import CommandError
from wxcontacts_async.cli.output_path import STANDARD, OutputPath, database_files
from wxcontacts_async.cli.store_options import TO
from wxcontacts_async.cli.usage import naming_options, wrong
from wxcontacts_async.store import ContactStore, StoreConnectionError, StoreError
from wxcontacts_async.store.dialects import SQLITE, read_address

_SQLITE = "sqlite:///"
_SCHEMES = (_SQLITE, "postgresql://", "postgres://")


class DatabaseError(CommandError):
    """A database that cannot be used any more."""


class UnopenedDatabaseError(DatabaseError):
    """A database that cannot be opened."""


class GivenDatabase:
    """A database that an option names; nothing of it is opened yet.

    Arguments:
        url: Where it is.
        option: Which option says so.
        is_read: Whether it is only read, so that a file must be there.
        max_shrink: As for a ContactStore.
        confirm_after: As for a ContactStore.

    Raises:
        typer.BadParameter: There cannot be such a database.
        ModuleNotFoundError: Its driver is not installed.

    """

    def __init__(
        self,
        url: str,
        option: str,
        *,
        is_read: bool = False,
        max_shrink: float = 1.0,
        confirm_after: float = 86_400.0,
    ) -> None:
        with naming_options(url=option):
            address = read_address(url)
            self._store = ContactStore(url, max_shrink=max_shrink, confirm_after=confirm_after)
        self.confirm_after = confirm_after
        self._option = option
        self._is_sqlite = address.dialect is SQLITE
        self.name = address.shown
        # What to type for it; a query is not shown, as it may hold a password.
        self.typed = quote(self.name) if self._is_sqlite or self.name == url else "URL"
        driver = "adbc_driver_sqlite" if self._is_sqlite else "adbc_driver_postgresql"
        if find_spec(driver) is None:
            raise ModuleNotFoundError(name=driver)
        if self._is_sqlite:
            self._check_file(Path(url.removeprefix(_SQLITE)), must_exist=is_read)

    def _check_file(self, path: Path, *, must_exist: bool) -> None:
        self._path = path
        if path.is_dir():
            what = "is a directory"
        elif not path.parent.is_dir():
            what = f"cannot be, as there is no directory {str(path.parent)!r}"
        elif must_exist and not path.exists():
            what = f"does not exist; wxcontacts sync {TO} {self.name} makes it"
        else:
            return
        raise wrong(self._option, f"{self.name} {what}")

    def refuse_output(self, output: OutputPath) -> None:
        """Raise typer.BadParameter if an output is a file of it, be it one that is yet to come."""
        if self._is_sqlite:
            output.must_not_be(database_files(self._path), self._option)

    def refuse_standard_output(self) -> None:
        """Raise typer.BadParameter if standard output leads to a file of it."""
        if sys.stdout is not None:
            self.refuse_output(OutputPath(STANDARD, "standard output"))

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[ContactStore]:
        """Open it for the block.

        Raises:
            UnopenedDatabaseError: It cannot be opened.
            DatabaseError: The block found that it cannot be used any more.

        """
        error_type: type[DatabaseError] = UnopenedDatabaseError
        try:
            async with self._store:
                error_type = DatabaseError
                yield self._store
        except StoreError as error:
            raise error_type(f"{self.name}: {self._said(error)}".rstrip(".")) from None

    def _said(self, error: StoreError) -> str:
        if self._is_sqlite and isinstance(error, StoreConnectionError):
            return error.what  # no server, user or password could be to blame
        return str(error)


def check_no_url(w_ids: Sequence[str], option: str = TO) -> None:
    """Raise typer.BadParameter if a database's URL, maybe with a password, is among the wIds."""
    if any(w_id.startswith(_SCHEMES) for w_id in w_ids):
        raise wrong("W_ID", f"must not be the URL of a database; give that with {option}")
