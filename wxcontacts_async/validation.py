"""Checks of arguments, so that a wrong one fails where it is given."""

import math
import re
import unicodedata

from wxcontacts_async.errors import InvalidArgumentError, shown_id

# White space, control characters, and what takes no room and has no meaning in an id: U+FEFF and
# its like, marks of direction. Not the joiners, which emoji and some scripts are made with.
_ODD = r"[\s\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"


def check_number(
    name: str,
    value: object,
    *,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    whole: bool = False,
    optional: bool = False,
) -> None:
    """Raise InvalidArgumentError unless `value` is a finite number within the bounds."""
    if value is None and optional:
        return
    kinds: tuple[type, ...] = (int,) if whole else (int, float)
    if (
        isinstance(value, bool)
        or not isinstance(value, kinds)
        or (isinstance(value, float) and not math.isfinite(value))
        or (at_least is not None and value < at_least)  # type: ignore[operator]
        or (above is not None and value <= above)  # type: ignore[operator]
        or (at_most is not None and value > at_most)  # type: ignore[operator]
    ):
        bound = f" of at least {at_least:.9g}" if at_least is not None else ""
        bound = f" above {above:.9g}" if above is not None else bound
        bound += f" and at most {at_most:.9g}" if at_most is not None else ""
        what = f"a{' whole' if whole else ''} number{bound}{', or None' if optional else ''}"
        msg = f"{name} must be {what}, not {value!r}"
        raise InvalidArgumentError(msg, argument=name)


def check_w_id(w_id: object) -> None:
    """Raise InvalidArgumentError unless `w_id` is text that can be an id.

    It must be valid Unicode, not blank, and without white space, control characters and what
    takes no room, such as a byte order mark: a gateway would take it for another wId.
    """
    if isinstance(w_id, str) and w_id.isprintable() and w_id and " " not in w_id:
        return  # nearly all are; streams check 100,000 of them
    w_id = _not_blank(w_id)
    if odd := re.search(_ODD, w_id):
        what = f"{_kind_of(odd[0])} at character {odd.start() + 1} of {len(w_id)}"
        msg = f"w_id must not have {what}, as {shown_id(w_id)} has"
        raise InvalidArgumentError(msg, argument="w_id", advice=_advice(w_id))
    _check_unicode(w_id)


def check_stored_w_id(w_id: object) -> None:
    """Raise InvalidArgumentError unless `w_id` is text that a database may have as a wId.

    It may have white space, as older versions of this library took it as it was, and gateways
    may have heeded none of it.
    """
    _check_unicode(_not_blank(w_id))


def _not_blank(w_id: object) -> str:
    if not isinstance(w_id, str):
        msg = f"w_id must be a str, not {type(w_id).__name__}"
        raise InvalidArgumentError(msg, argument="w_id")
    if not w_id.strip():
        msg = f"w_id must not be blank, as {shown_id(w_id)} is"
        raise InvalidArgumentError(msg, argument="w_id")
    return w_id


def _check_unicode(w_id: str) -> None:
    try:
        w_id.encode()
    except UnicodeEncodeError:
        msg = f"w_id must be valid Unicode, which {w_id[:80]!a} is not"
        raise InvalidArgumentError(msg, argument="w_id") from None


def _kind_of(character: str) -> str:
    if character in "\r\n":
        return "a line end"
    if character.isspace():
        return f"white space (U+{ord(character):04X})"
    if character == "\ufeff":
        return "a byte order mark (U+FEFF)"
    if unicodedata.category(character) == "Cc":
        return f"a control character (U+{ord(character):04X})"
    return f"an invisible character (U+{ord(character):04X})"


def _advice(w_id: str) -> str:
    if w_id != w_id.strip():
        return "Strip it first: `line.strip()` if it is a line of a file."
    if w_id.startswith("\ufeff"):
        return "Read the file that it is from with encoding='utf-8-sig'."
    return ""
