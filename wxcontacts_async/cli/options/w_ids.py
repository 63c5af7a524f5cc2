"""The wIds on the command line, in files and on standard input."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from stat import S_ISREG
from typing import Generic, TypeVar

import typer

from wxcontacts_async import InvalidArgumentError
from wxcontacts_async.cli.options.output_path import STANDARD
from wxcontacts_async.cli.options.usage import naming_options, wrong
from wxcontacts_async.cli.options.w_id_files import OPTION, FoundWId, shown_source, w_ids_in
from wxcontacts_async.validation import check_w_id

Check = Callable[[object], None]
ItemT = TypeVar("ItemT")


class Sources(Generic[ItemT]):
    """What a command is given by wIds, read again when their files change.

    Arguments:
        arguments: wIds.
        files: Files with wIds; `-` is standard input.
        convert: Makes an item of a wId; raises InvalidArgumentError for an invalid one.

    """

    def __init__(
        self,
        arguments: Sequence[str],
        files: Sequence[str],
        convert: Callable[[FoundWId], ItemT],
    ) -> None:
        # The names of the changed files: those last reported, and those not reported yet.
        self._changed: list[str] = []
        self._news: list[str] = []
        self._convert = convert
        self._arguments = arguments
        self._given = self._converted()
        self._files: dict[str, _WIdFile[ItemT]] = {}
        self._open(files)

    def read(self) -> tuple[list[ItemT], int]:
        """Return the items in their order, each once, and how many were duplicates."""
        for file in self._files.values():
            file.read()
        return self._unique()

    def read_if_changed(self) -> list[ItemT] | None:
        """Return the items if a file has changed and then been stable for one call of this.

        Its writer may not be done before. An error in it, a typer.BadParameter, is raised once.
        """
        first_error: typer.BadParameter | None = None
        for file in self._files.values():
            if file.is_stable():
                try:
                    file.read()
                except typer.BadParameter as error:
                    first_error = first_error or error
                else:
                    self._news.append(shown_source(file.source))
        if first_error is not None:
            raise first_error  # the next call returns the changes of other files
        if not self._news:
            return None
        self._changed, self._news = self._news, []
        return self._unique()[0]

    @property
    def files(self) -> list[str]:
        """The files, each once."""
        return list(self._files)

    @property
    def news(self) -> str:
        """Which files `read_if_changed` read, as in "'w_ids.txt' has changed"."""
        return f"{', '.join(self._changed)} {'has' if len(self._changed) == 1 else 'have'} changed"

    def _converted(self) -> list[ItemT]:
        with naming_options():
            return [self._convert(FoundWId(w_id)) for w_id in self._arguments]

    def _open(self, files: Sequence[str]) -> None:
        """Have these files, of which those from before keep what they said."""
        if files.count(STANDARD) > 1:
            raise wrong(OPTION, "may be standard input once")
        # Each file once. Its status is taken before it is read, so that no change is missed.
        self._files = {
            file: self._files.get(file) or _WIdFile(file, self._convert) for file in files
        }

    def _unique(self) -> tuple[list[ItemT], int]:
        found = [*self._given, *(item for file in self._files.values() for item in file.items)]
        if not found:
            if self._files:
                raise wrong(OPTION, "must hold a wId a line, and there is none in it")
            raise wrong("W_ID", "must be given, or --from FILE with one wId a line")
        items = list(dict.fromkeys(found))
        self._check(items)
        return items, len(found) - len(items)

    def _check(self, items: Iterable[ItemT]) -> None:
        """Raise typer.BadParameter if they do not go together."""


class WIdSources(Sources[str]):
    """wIds whose gateway does not matter.

    Arguments:
        arguments: wIds.
        files: Files with wIds; `-` is standard input.
        check: Raises InvalidArgumentError for an invalid one.

    """

    def __init__(
        self, arguments: Sequence[str], files: Sequence[str], check: Check = check_w_id
    ) -> None:
        def convert(found: FoundWId) -> str:
            check(found.w_id)
            return found.w_id

        super().__init__(arguments, files, convert)


class _WIdFile(Generic[ItemT]):
    """A file of wIds. Standard input and pipes can be read once, so they never change.

    Attributes:
        source: Its path.
        items: What was made of its wIds when it was last read.

    """

    def __init__(self, source: str, convert: Callable[[FoundWId], ItemT]) -> None:
        self.source = source
        self.items: list[ItemT] = []
        self._found: list[FoundWId] = []
        self._convert = convert
        # The last signature seen, and whether the file has been read since.
        self._signature = self._look()
        self._is_read = True
        self._may_change = self._signature is not None

    def read(self) -> None:
        """Read it; if it cannot be used, keep the last wIds and raise typer.BadParameter."""
        if self._may_change or not self._found:
            found = list(w_ids_in(self.source))
            self.items, self._found = self._converted(found), found
        else:  # what it said once may mean something else by now
            self.items = self._converted(self._found)

    def is_stable(self) -> bool:
        """Return once whether it has changed and then been stable for one call of this."""
        before, self._signature = self._signature, self._look()
        if self._signature != before:
            self._is_read = False
        elif not self._is_read:
            self._is_read = True
            return True
        return False

    def _converted(self, found: Iterable[FoundWId]) -> list[ItemT]:
        items = []
        for each in found:
            try:
                items.append(self._convert(each))
            except InvalidArgumentError as error:
                where = shown_source(self.source)
                if each.line is not None:
                    where += f", line {each.line}"
                what = error.what.removeprefix(f"{error.argument} ")
                subject = "a wId" if error.argument == "w_id" else "its gateway"
                raise wrong(OPTION, f"{where}: {subject} {what}") from None
        return items

    def _look(self) -> tuple[int, int, int] | None:
        """Return a signature that changes with the file; None if there is none."""
        if self.source == STANDARD:
            return None
        try:
            status = Path(self.source).stat()
        except OSError:
            return None
        if not S_ISREG(status.st_mode):
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino
