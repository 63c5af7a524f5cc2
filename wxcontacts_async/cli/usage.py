"""Reads option values, and says what is wrong with one in the words of the command."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any

import typer

from wxcontacts_async import Gateway, InvalidArgumentError

AUTHORIZATION_VARIABLE = "WXCONTACTS_AUTHORIZATION"

# The library's names for what the command calls otherwise.
_OPTIONS = {
    "base_url": "--gateway",
    "headers": "--header",
    "interval": "--init-interval",
    "timeout": "--init-timeout",
    "w_id": "W_ID",
}
_PHRASES = {
    "headers={'Authorization': ...}": f"--header or {AUTHORIZATION_VARIABLE}",
    "or None": "or none",
    "not None": "not none",
    "must be a str": "must be text",
}
_HEADER = re.compile(r"[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:(.*)", re.DOTALL)

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)([smhd])", re.ASCII)
_DURATION = re.compile(rf"(?:{_DURATION_PART.pattern})+", re.ASCII)
_LONGEST_DURATION = 36_500 * _UNITS["d"]
_PASSWORD = re.compile(r"(\w://[^\s/:@]*:)\S*@")
_PASSWORD_PARAMETER = re.compile(r"([?&]\w*password=)[^\s&#'\"]*", re.IGNORECASE)


def wrong(option: str, what: str) -> typer.BadParameter:
    """Make the error that names the option and says what it may be; exit code 2."""
    return typer.BadParameter(what, param_hint=f"'{option}'")


@contextmanager
def naming_options(**options: str) -> Iterator[None]:
    """Turn the library's complaint about an argument into one about the option it came from.

    Arguments:
        options: Arguments that come from another option than they do elsewhere.

    """
    try:
        yield
    except InvalidArgumentError as error:
        # Where the library's name is not in the table it is the option's.
        option = f"--{error.argument.replace('_', '-')}"
        raise wrong((_OPTIONS | options).get(error.argument, option), requirement(error)) from None


def requirement(error: InvalidArgumentError) -> str:
    """Return what an argument must be, less its name, in the words of the command."""
    what = error.what.removeprefix(error.argument).strip(": ")
    for ours, theirs in _PHRASES.items():
        what = what.replace(ours, theirs)
    return what


def number(text: str | None) -> Any:  # noqa: ANN401  # the library checks what it is
    """Read a number; what is none is left to the library, whose complaint says what it may be.

    `none` is None, for options that can be switched off.
    """
    if text is None or text.strip().lower() == "none":
        return None
    try:
        value = float(text)
    except ValueError:
        return text
    # Not before it is known to be finite, as the checks cannot take a number of 400 digits.
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
    """Write a time as `duration` reads it."""
    parts = []
    for unit, size in reversed(_UNITS.items()):
        amount = seconds if unit == "s" else seconds // size
        seconds -= amount * size
        if amount:
            parts.append(f"{amount:g}{unit}")
    return "".join(parts) or "0s"


def moment(option: str, text: str) -> datetime:
    """Read a point in time, in ISO 8601 or as the time that has passed since; aware."""
    if _DURATION.fullmatch(text):
        return datetime.now(UTC) - timedelta(seconds=duration(option, text))
    try:
        # What names no time zone is meant as the clock on the wall shows it.
        return datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError, OSError):
        what = "must be a time ago like 90s, 10m, 1h or 2d, or a time like 2025-06-30T18:00"
        raise wrong(option, f"{what}, not {text!r}") from None


def without_passwords(text: str) -> str:
    """Return the text with *** for each password in a URL."""
    return _PASSWORD_PARAMETER.sub(r"\1***", _PASSWORD.sub(r"\1***@", text))


def read_headers(lines: Iterable[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Read `Name: value` options, and Authorization from the environment if none has it."""
    headers: dict[str, str] = {}
    for text in lines:
        header = _HEADER.fullmatch(text)
        if header is None:
            # Neither here nor below is it shown: it may be a secret without its name.
            raise wrong("--header", "must be like 'Name: value', with the name of an HTTP header")
        name, value = header[1], header[2].strip(" \t")
        if name.lower() in map(str.lower, headers):
            raise wrong("--header", f"gives {name} twice; it may stand once")
        _check_header("--header", name, value)
        headers[name] = value
    secret = environment.get(AUTHORIZATION_VARIABLE, "").strip()
    if secret and "authorization" not in map(str.lower, headers):
        _check_header(AUTHORIZATION_VARIABLE, "Authorization", secret)
        headers["Authorization"] = secret
    return headers


def _check_header(source: str, name: str, value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise wrong(source, f"must hold valid UTF-8, which the value of {name} is not") from None
    try:
        Gateway("http://localhost", headers={name: value})
    except InvalidArgumentError as error:
        raise wrong(source, re.sub(r"^\['(.*?)'\]", r"\1", requirement(error))) from None
