"""Finds the line of a key in TOML."""

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any


def line_of(text: str, keys: Sequence[str]) -> int | None:
    """Return the number of the line where a key or table is first given; None if it is not.

    tomllib says no lines. So the text is parsed up to the end of each line: the key begins behind
    the last whole beginning that is without it.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    before = 0
    for number in range(1, len(lines) + 1):
        try:
            document = tomllib.loads("\n".join(lines[:number]))
        except tomllib.TOMLDecodeError:
            continue
        if _has(document, keys):
            return before + 1
        before = number
    return None


def _has(document: Any, keys: Sequence[str]) -> bool:  # noqa: ANN401  # whatever TOML has
    for key in keys:
        if not isinstance(document, Mapping) or key not in document:
            return False
        document = document[key]
    return True
