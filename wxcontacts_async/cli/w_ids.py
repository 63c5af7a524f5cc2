"""Reads the wIds to fetch: from the command line, a file or standard input."""

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from wxcontacts_async import InvalidArgumentError
from wxcontacts_async.arguments import check_w_id
from wxcontacts_async.cli.output import STANDARD
from wxcontacts_async.cli.usage import naming_options, wrong

_COMMENT = re.compile(r"(^|\s)#.*")


def read_w_ids(
    arguments: Sequence[str],
    source: str | None,
    check: Callable[[object], None] = check_w_id,
) -> tuple[list[str], int]:
    """Return the wIds, each once, in the order given, and how many were there once more.

    Arguments:
        arguments: wIds.
        source: A file with one wId a line, `-` for standard input, or None.
        check: Raises InvalidArgumentError for what is none.

    """
    with naming_options():
        for w_id in arguments:
            check(w_id)
    given = list(arguments)
    if source is not None:
        given += _w_ids_in(source, check)
    if not given:
        if source is not None:
            raise wrong("--from", "must hold a wId a line, and there is none in it")
        raise wrong("W_ID", "must be given, or --from FILE with one wId a line")
    w_ids = list(dict.fromkeys(given))
    return w_ids, len(given) - len(w_ids)


class FollowedWIds:
    """The wIds to fetch, which are read again when their file changes.

    Arguments:
        arguments: wIds.
        source: A file with one wId a line, or None.

    """

    def __init__(self, arguments: Sequence[str], source: str | None) -> None:
        self.source = source
        self._arguments = arguments
        # Of the file as it was last looked at, and whether it has been read since.
        self._signature = self._look()
        self._is_read = True

    def read_if_changed(self) -> list[str] | None:
        """Return the wIds if the file has changed and then stayed the same for one call of this.

        Whoever writes it may not be done before. What is wrong with it is raised once.

        Raises:
            typer.BadParameter: It cannot be used.

        """
        before, self._signature = self._signature, self._look()
        if self._signature != before:
            self._is_read = False
        elif not self._is_read:
            self._is_read = True
            return read_w_ids(self._arguments, self.source)[0]
        return None

    def _look(self) -> tuple[int, int, int] | None:
        """Return what changes whenever the file does; None where there is none."""
        if self.source is None:
            return None
        try:
            status = Path(self.source).stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino


def _w_ids_in(source: str, check: Callable[[object], None]) -> list[str]:
    name = "standard input" if source == STANDARD else repr(source)
    try:
        content = _content(source)
    except OSError as error:
        raise wrong("--from", f"{name} cannot be read: {error.strerror or error}") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise wrong("--from", f"{name} must be UTF-8, which line {line} is not") from None
    # Not splitlines, to which a dozen other characters would be line ends.
    lines = enumerate((_COMMENT.sub("", line).strip() for line in text.split("\n")), 1)
    return [_checked(line, f"{name}, line {number}", check) for number, line in lines if line]


def _checked(w_id: str, where: str, check: Callable[[object], None]) -> str:
    try:
        check(w_id)
    except InvalidArgumentError as error:
        what = error.what.removeprefix("w_id ")
        raise wrong("--from", f"{where}: a wId {what}") from None
    return w_id


def _content(source: str) -> bytes:
    if source != STANDARD:
        return Path(source).read_bytes()
    if sys.stdin is None:
        raise wrong("--from", "is standard input, which is closed")
    return sys.stdin.buffer.read()
