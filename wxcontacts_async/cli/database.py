"""The database that a command is given; what is wrong with it is said in the command's words."""

import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from shlex import quote

from wxcontacts_async.cli.console import HumanConsole
from wxcontacts_async.cli.output import CommandError
from wxcontacts_async.cli.output_path import STANDARD, OutputPath, database_files
from wxcontacts_async.cli.store_options import BUSY_TIMEOUT, RECONNECT_TIMEOUT, TO
from wxcontacts_async.cli.usage import naming_options, wrong
from wxcontacts_async.store import (
    ContactStore,
    StoreBusyError,
    StoreConnectionError,
    StoreError,
)
from wxcontacts_async.store._database.opening import Opening
from wxcontacts_async.store._database.url import read_address

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


class GivenDatabase:
    """A database that an option names; nothing of it is opened yet.

    Arguments:
        url: Where it is.
        option: Which option says so.
        is_read: Whether it is only read: it must be there, and nothing of it is changed.
        must_exist: Whether it must be there, with contacts in it.
        max_shrink: As for a ContactStore.
        confirm_after: As for a ContactStore.
        busy_timeout: Seconds, as for a ContactStore; None where no option says so.
        reconnect_timeout: Seconds, as for a ContactStore; None where no option says so.

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
        max_shrink: float = 1.0,
        confirm_after: float = 86_400.0,
        busy_timeout: float | None = None,
        reconnect_timeout: float | None = None,
    ) -> None:
        opening = Opening.MAKE
        if is_read or must_exist:
            opening = Opening.READ if is_read else Opening.UPDATE
        timeouts = {"busy_timeout": busy_timeout, "reconnect_timeout": reconnect_timeout}
        rules = {name: seconds for name, seconds in timeouts.items() if seconds is not None}
        rules |= {"max_shrink": max_shrink, "confirm_after": confirm_after}
        self.on_wait: Callable[[str, bool], None] = _say
        with naming_options(url=option):
            address = read_address(url)
            self._store = _Store(url, opening, self._waits, **rules)
        self.confirm_after = confirm_after
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

    def _waits(self, sentence: str, waits: bool) -> None:  # noqa: FBT001  # called, not calling
        self.on_wait(sentence, waits)

    def _advice(self, error: StoreError, *, was_open: bool) -> str:
        """Say what to do, with the options that this command has."""
        if isinstance(error, StoreBusyError):
            more = f", or give a longer {BUSY_TIMEOUT}" if self._has_timeouts else ""
            return f"Let the other one end first{more}."
        if isinstance(error, StoreConnectionError) and was_open and self._has_timeouts:
            return f"{error.advice} A longer {RECONNECT_TIMEOUT} waits until it is back."
        return error.advice.replace("ive the store", f"ive {self._option}")


def _say(sentence: str, waits: bool) -> None:  # noqa: ARG001, FBT001  # called, not calling
    HumanConsole().say(f"{sentence}.")


def check_no_url(w_ids: Sequence[str], option: str = TO) -> None:
    """Raise typer.BadParameter if a database's URL, maybe with a password, is among the wIds."""
    if any(w_id.startswith(_SCHEMES) for w_id in w_ids):
        raise wrong("W_ID", f"must not be the URL of a database; give that with {option}")
