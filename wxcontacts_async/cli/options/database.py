"""The database that a command is given; what is wrong with it is said in the command's words."""

import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from shlex import quote

import typer

from wxcontacts_async.cli.options.output_path import STANDARD, OutputPath, database_files
from wxcontacts_async.cli.options.store_options import (
    BUSY_TIMEOUT,
    DEFAULT_CONFIRMATION,
    RECONNECT_TIMEOUT,
    TO,
)
from wxcontacts_async.cli.options.usage import naming_options, wrong
from wxcontacts_async.cli.options.values import duration, number
from wxcontacts_async.cli.runtime.errors import CommandError
from wxcontacts_async.store import (
    ContactStore,
    StoreBusyError,
    StoreConnectionError,
    StoreError,
)
from wxcontacts_async.store.dialects import read_address
from wxcontacts_async.store.opening import Opening

_SCHEMES = ("sqlite:///", "postgresql://", "postgres://")


class DatabaseError(CommandError):
    """A database that cannot be used any more."""


class UnopenedDatabaseError(DatabaseError):
    """A database that cannot be opened."""


class _Store(ContactStore):
    """A store that may be opened for less than to make it, and says what it waits for.

    Arguments:
        url: Where it is.
        opening: What for.
        on_wait: Called with what it says, and whether it waits from then on.
        rules: As for a ContactStore.

    """

    def __init__(
        self,
        url: str,
        opening: Opening,
        on_wait: Callable[[str, bool], None],
        **rules: float,
    ) -> None:
        self._opening = opening
        self._called = on_wait
        super().__init__(url, **rules)

    def _on_wait(self, sentence: str, waits: bool) -> None:  # noqa: FBT001  # called, not calling
        self._called(sentence, waits)


class DatabaseOption:
    """A database that an option names; nothing of it is opened yet.

    Arguments:
        url: Where it is.
        option: Which option says so.
        is_read: Whether it is only read: it must be there, and nothing of it is changed.
        must_exist: Whether it must be there, with contacts in it.
        max_shrink: What --max-shrink says.
        confirm_after: What --confirm-after says.
        busy_timeout: What --busy-timeout says; None where there is no such option.
        reconnect_timeout: What --reconnect-timeout says; None where there is no such option.

    Attributes:
        on_wait: Called with a sentence when it is waited for or that is over, and whether it is
            waited from then on. It is said on standard error unless something else is set.

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
        must_exist: bool = False,
        max_shrink: str = "1",
        confirm_after: str = DEFAULT_CONFIRMATION,
        busy_timeout: str | None = None,
        reconnect_timeout: str | None = None,
    ) -> None:
        opening = Opening.MAKE
        if is_read or must_exist:
            opening = Opening.READ if is_read else Opening.UPDATE
        self.confirm_after = duration("--confirm-after", confirm_after)
        rules = {"max_shrink": number(max_shrink), "confirm_after": self.confirm_after}
        if busy_timeout is not None:
            rules["busy_timeout"] = duration(BUSY_TIMEOUT, busy_timeout)
        if reconnect_timeout is not None:
            rules["reconnect_timeout"] = duration(RECONNECT_TIMEOUT, reconnect_timeout)
        self.on_wait: Callable[[str, bool], None] = _say
        with naming_options(url=option):
            address = read_address(url)
            self._store = _Store(
                url,
                opening,
                lambda *wait: self.on_wait(*wait),  # noqa: PLW0108  # a job may set another one
                **rules,
            )
        self._option = option
        self._has_timeouts = busy_timeout is not None
        self._is_sqlite = address.path is not None
        self.name = address.shown
        # What to type for it; a query is not shown, as it may hold a password.
        self.typed = quote(self.name) if self._is_sqlite or self.name == url else "URL"
        driver = "adbc_driver_sqlite" if self._is_sqlite else "adbc_driver_postgresql"
        if find_spec(driver) is None:
            raise ModuleNotFoundError(name=driver)
        if address.path is not None:
            self._check_file(address.path, must_exist=opening is not Opening.MAKE)
            self._refuse_standard_output()

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

    def _refuse_standard_output(self) -> None:
        if sys.stdout is not None:  # it may lead to a file of it, be anything printed or not
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
            error.advice = self._advice(error, was_open=error_type is DatabaseError)
            raise error_type(f"{self.name}: {error}".rstrip(".")) from None

    def _advice(self, error: StoreError, *, was_open: bool) -> str:
        """Say what to do, with the options that this command has."""
        if isinstance(error, StoreBusyError):
            more = f", or give a longer {BUSY_TIMEOUT}" if self._has_timeouts else ""
            return f"Let the other one end first{more}."
        if isinstance(error, StoreConnectionError) and was_open and self._has_timeouts:
            return f"{error.advice} A longer {RECONNECT_TIMEOUT} waits until it is back."
        return error.advice.replace("ive the store", f"ive {self._option}")


def _say(sentence: str, waits: bool) -> None:  # noqa: ARG001, FBT001  # called, not calling
    typer.echo(f"{sentence}.", err=True)


def check_no_url(w_ids: Sequence[str], option: str = TO) -> None:
    """Raise typer.BadParameter if a database's URL, maybe with a password, is among the wIds."""
    if any(w_id.startswith(_SCHEMES) for w_id in w_ids):
        raise wrong("W_ID", f"must not be the URL of a database; give that with {option}")
