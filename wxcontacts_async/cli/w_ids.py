"""Reads the wIds to fetch: from the command line, a file or standard input."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from wxcontacts_async.arguments import check_w_id
from wxcontacts_async.cli.output import STANDARD
from wxcontacts_async.cli.usage import naming_options, wrong

_COMMENT = re.compile(r"(^|\s)#.*")


def read_w_ids(arguments: Sequence[str], source: str | None) -> tuple[list[str], int]:
    """Return the wIds, each once, in the order given, and how many were there once more.

    Arguments:
        arguments: wIds.
        source: A file with one wId a line, `-` for standard input, or None.

    """
    with naming_options():
        for w_id in arguments:
            check_w_id(w_id)
    given = list(arguments)
    if source is not None:
        given += _w_ids_in(source)
    if not given:
        if source is not None:
            raise wrong("--from", "must hold a wId a line, and there is none in it")
        raise wrong("W_ID", "must be given, or --from FILE with one wId a line")
    w_ids = list(dict.fromkeys(given))
    return w_ids, len(given) - len(w_ids)


def _w_ids_in(source: str) -> list[str]:
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
    lines = (_COMMENT.sub("", line).strip() for line in text.split("\n"))
    return [line for line in lines if line]


def _content(source: str) -> bytes:
    if source != STANDARD:
        return Path(source).read_bytes()
    if sys.stdin is None:
        raise wrong("--from", "is standard input, which is closed")
    return sys.stdin.buffer.read()
