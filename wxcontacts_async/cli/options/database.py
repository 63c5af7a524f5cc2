"""The database that an option names, whose errors are in the command's words."""

import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from shlex import quote

import typer

from wxcontacts_async.cli.options.fields import with_fields
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
    ChangesPrunedError,
    ContactStore,
    StoreBusyError,
    StoreConnectionError,
    StoreError,
)
from wxcontacts_async.store._database.news import News
from wxcontacts_async.store._database.opening import Opening
from wxcontacts_async.store._database.url import read_address
from wxcontacts_async.store._merging.remembering import known_fields
from wxcontacts_async.store._tabular.own_fields import OwnFields, own_fields

_SCHEMES = ("sqlite:///", "postgresql://", "postgres://")


class DatabaseError(CommandError):
    """A database that can no longer be used."""


class UnopenedDatabaseError(DatabaseError):
    """A database that cannot be opened."""


class CommandStore(ContactStore):
    """A store that may be opened without creating it, and that tells what it waits for."""

    def __init__(
        self, url: str, opening: Opening, on_wait: Callable[[str, bool], None], **rules: float
    ) -> None:
        self._opening, self._on_wait = opening, on_wait
        super().__init__(url, **rules)

    async def take_fields(self, keys: Sequence[str]) -> None:
        """Keep the contacts' fields of these keys from now on, and those that it remembers."""
        known = await self._run(known_fields)
        columns = [(field.name, field.key, field.column) for field in known]
        self._own = own_fields(with_fields(keys, columns))

    def choose_fields(self, keys: Sequence[str]) -> None:
        """Read these of the fields that it keeps alone; all if there are none.

        Raise DatabaseError if it does not keep one of them.
        """
        kept = {field.key: field for field in self._own.fields}
        if lacking := [key for key in keys if key not in kept]:
            has = f"it has {', '.join(kept)}" if kept else "it has none beside the document's"
            msg = f"{self._address.shown} has no field {', '.join(lacking)} of contacts; {has}"
            raise DatabaseError(msg)
        if keys:
            columns = [(kept[key].name, key, kept[key].column_name) for key in keys]
            self._own = own_fields(with_fields((), columns))

    @property
    def own(self) -> OwnFields:
        """The fields of contacts that it keeps, beside the document's."""
        return self._own

    def news(self) -> News:
        """Return what a reader of the log waits for."""
        return News(self._database)


class DatabaseOption:
    """A database that an option names, not opened yet.

    The arguments are values as typed: busy_timeout and reconnect_timeout are None where there are
    no such options, and opening is that of an `Opening`.

    Attributes:
        confirm_after: Seconds.
        name: The URL without a password, as messages show it.
        typed: The same as a shell reads it, for a command to copy.
        on_wait: Called with a sentence when a wait for it begins or ends, and whether it begins;
            prints the sentence to standard error unless a job sets another one.

    Raises:
        typer.BadParameter: There can be no such database.
        ModuleNotFoundError: Its driver is not installed.

    """

    def __init__(
        self,
        url: str,
        option: str,
        *,
        opening: str = "make",
        max_shrink: str = "1",
        confirm_after: str = DEFAULT_CONFIRMATION,
        busy_timeout: str | None = None,
        reconnect_timeout: str | None = None,
    ) -> None:
        self.confirm_after = duration("--confirm-after", confirm_after)
        rules = {"max_shrink": number(max_shrink), "confirm_after": self.confirm_after}
        if busy_timeout is not None:
            rules["busy_timeout"] = duration(BUSY_TIMEOUT, busy_timeout)
        if reconnect_timeout is not None:
            rules["reconnect_timeout"] = duration(RECONNECT_TIMEOUT, reconnect_timeout)
        self.on_wait: Callable[[str, bool], None] = _say
        with naming_options(url=option):
            address = read_address(url)
            self._store = CommandStore(
                url,
                Opening(opening),
                lambda *wait: self.on_wait(*wait),  # noqa: PLW0108  # a job may set another one
                **rules,
            )
        self._option = option
        self._has_timeouts = busy_timeout is not None
        self._path = address.path
        self.name = address.shown
        # A query is not shown, as it may hold a password.
        self.typed = quote(self.name) if self._path or self.name == url else "URL"
        driver = "adbc_driver_sqlite" if self._path else "adbc_driver_postgresql"
        if find_spec(driver) is None:
            raise ModuleNotFoundError(name=driver)
        if self._path is not None:
            self._check_file(self._path, must_exist=opening != "make")
            if sys.stdout is not None:  # which may be redirected to one of its files
                self.refuse_output(OutputPath(STANDARD, "standard output"))

    def _check_file(self, path: Path, *, must_exist: bool) -> None:
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
        """Raise typer.BadParameter if an output is, or would be, one of its files."""
        if self._path is not None:
            output.must_not_be(database_files(self._path), self._option)

    @asynccontextmanager
    async def opened(self, fields: Sequence[str] = ()) -> AsyncIterator[CommandStore]:
        """Open it for the block, to keep these fields, and those that it remembers.

        Raise DatabaseError if it cannot be, or can no longer be, used.
        """
        error_type: type[DatabaseError] = UnopenedDatabaseError
        try:
            async with self._store:
                error_type = DatabaseError
                await self._store.take_fields(fields)
                yield self._store
        except StoreError as error:
            error.advice = self._advice(error, was_open=error_type is DatabaseError)
            raise error_type(f"{self.name}: {error}".rstrip(".")) from None

    def _advice(self, error: StoreError, *, was_open: bool) -> str:
        """Return what to do, with the options of this command."""
        if isinstance(error, StoreBusyError):
            more = f", or give a longer {BUSY_TIMEOUT}" if self._has_timeouts else ""
            return f"Let the other one end first{more}."
        if isinstance(error, StoreConnectionError) and was_open and self._has_timeouts:
            return f"{error.advice} A longer {RECONNECT_TIMEOUT} waits until it is back."
        if isinstance(error, ChangesPrunedError):
            return f"Begin with --after {error.first_id - 1}, and without the file of a --cursor."
        return error.advice.replace("ive the store", f"ive {self._option}")


def _say(sentence: str, waits: bool) -> None:  # noqa: ARG001, FBT001  # called, not calling
    typer.echo(f"{sentence}.", err=True)


def check_no_url(w_ids: Sequence[str], option: str = TO) -> None:
    """Raise typer.BadParameter if a database's URL, maybe with a password, is among the wIds."""
    if any(w_id.startswith(_SCHEMES) for w_id in w_ids):
        raise wrong("W_ID", f"must not be the URL of a database; give that with {option}")
