"""Reads numbers, durations and points in time as typed."""

import re
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any

from wxcontacts_async.cli.options.usage import wrong

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)([smhd])", re.ASCII)
_DURATION = re.compile(rf"(?:{_DURATION_PART.pattern})+", re.ASCII)
_LONGEST_DURATION = 36_500 * _UNITS["d"]


def number(text: str | None) -> Any:  # noqa: ANN401  # the library checks what it is
    """Read a number; other text is returned as is, for the library to reject with its bounds.

    `none` is None, for options that can be switched off.
    """
    if text is None or text.strip().lower() == "none":
        return None
    try:
        value = float(text)
    except ValueError:
        return text
    # Only once it is known to be finite, as the checks cannot take an int of 400 digits.
    digits = re.fullmatch(r"\s*[+-]?\d+\s*", text)
    return int(text) if digits and abs(value) < float("inf") else value


def duration(option: str, text: str, *, shortest: float = 0.0) -> float:
    """Read a time such as 90s, 10m, 1h30m or 2d; return its seconds, at least `shortest`."""
    seconds = inf
    if _DURATION.fullmatch(text):
        parts = _DURATION_PART.findall(text)
        seconds = sum(float(amount) * _UNITS[unit] for amount, unit in parts)
    if not shortest <= seconds <= _LONGEST_DURATION:
        bound = f"at least {shortest:g}s and " if shortest else ""
        what = f"must be a time like 90s, 10m, 1h or 2d, {bound}at most 36500d"
        raise wrong(option, f"{what}, not {text!r}")
    return seconds


def shown_duration(seconds: float) -> str:
    """Format a time as `duration` reads it."""
    parts = []
    for unit, size in reversed(_UNITS.items()):
        amount = seconds if unit == "s" else seconds // size
        seconds -= amount * size
        if amount:
            parts.append(f"{amount:g}{unit}")
    return "".join(parts) or "0s"


def moment(option: str, text: str) -> datetime:
    """Read a point in time, in ISO 8601 or as the time since; aware."""
    if _DURATION.fullmatch(text):
        return datetime.now(UTC) - timedelta(seconds=duration(option, text))
    try:
        # Local time, unless it has an offset.
        return datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError, OSError):
        what = "must be a time ago like 90s, 10m, 1h or 2d, or a time like 2025-06-30T18:00"
        raise wrong(option, f"{what}, not {text!r}") from None
