"""Checks of arguments, so that a wrong one fails where it is given."""

import math

from wxcontacts_async.errors import InvalidArgumentError


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
        raise InvalidArgumentError(msg)


def check_w_id(w_id: object) -> None:
    """Raise InvalidArgumentError unless `w_id` is valid Unicode text and not blank."""
    if not isinstance(w_id, str):
        msg = f"w_id must be a str, not {type(w_id).__name__}"
        raise InvalidArgumentError(msg)
    if not w_id.strip():
        msg = f"w_id must not be blank, as {w_id!r} is"
        raise InvalidArgumentError(msg)
    try:
        w_id.encode()
    except UnicodeEncodeError:
        msg = f"w_id must be valid Unicode, which {w_id[:80]!a} is not"
        raise InvalidArgumentError(msg) from None
