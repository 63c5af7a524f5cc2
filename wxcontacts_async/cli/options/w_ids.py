"""The wIds on the command line, in files and on standard input."""

from collections.abc import Callable, Sequence
from pathlib import Path
from stat import S_ISREG

import typer

from wxcontacts_async import InvalidArgumentError
from wxcontacts_async.cli.options.output_path import STANDARD
from wxcontacts_async.cli.options.usage import naming_options, wrong
from wxcontacts_async.cli.options.w_id_files import OPTION, shown_source, w_ids_in
from wxcontacts_async.validation import check_w_id

Check = Callable[[object], None]


class WIdSources:
    """The wIds of a command, read again when their files change.

    Arguments:
        arguments: wIds.
        sources: Files with wIds; `-` is standard input.
        check: Raises InvalidArgumentError for an invalid one.

    """

    def __init__(
        self,
        arguments: Sequence[str],
        sources: Sequence[str],
        check: Check = check_w_id,
    ) -> None:
        with naming_options():
            for w_id in arguments:
                check(w_id)
        if sources.count(STANDARD) > 1:
            raise wrong(OPTION, "may be standard input once")
        # The names of the changed files: those last reported, and those not reported yet.
        self._changed: list[str] = []
        self._news: list[str] = []
        self._arguments = arguments
        # Each file once. Its status is taken before it is read, so that no change is missed.
        self._files = [_WIdFile(source, check) for source in dict.fromkeys(sources)]

    def read(self) -> tuple[list[str], int]:
        """Return the wIds in their order, each once, and how many were duplicates."""
        for file in self._files:
            file.read()
        return self._unique()

    def read_if_changed(self) -> list[str] | None:
        """Return the wIds if a file has changed and then been stable for one call of this.

        Its writer may not be done before. An error in it, a typer.BadParameter, is raised once.
        """
        first_error: typer.BadParameter | None = None
        for file in self._files:
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
    def news(self) -> str:
        """Which files `read_if_changed` read, as in "'w_ids.txt' has changed"."""
        return f"{', '.join(self._changed)} {'has' if len(self._changed) == 1 else 'have'} changed"

    def _unique(self) -> tuple[list[str], int]:
        found = [*self._arguments, *(w_id for file in self._files for w_id in file.w_ids)]
        if not found:
            if self._files:
                raise wrong(OPTION, "must hold a wId a line, and there is none in it")
            raise wrong("W_ID", "must be given, or --from FILE with one wId a line")
        w_ids = list(dict.fromkeys(found))
        return w_ids, len(found) - len(w_ids)


class _WIdFile:
    """A file of wIds. Standard input and pipes can be read once, so they never change.

    Attributes:
        source: Its path.
        w_ids: Its wIds when it was last read.

    """

    def __init__(self, source: str, check: Check) -> None:
        self.source = source
        self.w_ids: list[str] = []
        self._check = check
        # The last signature seen, and whether the file has been read since.
        self._signature = self._look()
        self._is_read = True

    def read(self) -> None:
        """Read it; if it cannot be used, keep the last wIds and raise typer.BadParameter."""
        self.w_ids = list(self._checked())

    def is_stable(self) -> bool:
        """Return once whether it has changed and then been stable for one call of this."""
        before, self._signature = self._signature, self._look()
        if self._signature != before:
            self._is_read = False
        elif not self._is_read:
            self._is_read = True
            return True
        return False

    def _checked(self) -> list[str]:
        found = list(w_ids_in(self.source))
        for each in found:
            try:
                self._check(each.w_id)
            except InvalidArgumentError as error:
                where = shown_source(self.source)
                if each.line is not None:
                    where += f", line {each.line}"
                what = error.what.removeprefix(f"{error.argument} ")
                raise wrong(OPTION, f"{where}: a wId {what}") from None
        return [each.w_id for each in found]

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
