"""Reads option values, and says what is wrong with one in the words of the command."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
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


def wrong(option: str, what: str) -> typer.BadParameter:
    """Make the error that names the option and says what it may be; exit code 2."""
    return typer.BadParameter(what, param_hint=f"'{option}'")


@contextmanager
def naming_options() -> Iterator[None]:
    """Turn the library's complaint about an argument into one about the option it came from."""
    try:
        yield
    except InvalidArgumentError as error:
        argument, what = _parted(error.what)
        # Where the library's name is not in the table it is the option's.
        option = _OPTIONS.get(argument, "--" + argument.replace("_", "-"))
        raise wrong(option, what) from None


def _parted(message: str) -> tuple[str, str]:
    """Part the library's message into the argument's name and what is wrong with it."""
    argument = re.match(r"\w*", message)[0]  # type: ignore[index]  # it matches anything
    what = message.removeprefix(argument).strip()
    for ours, theirs in _PHRASES.items():
        what = what.replace(ours, theirs)
    return argument, what


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


def read_headers(given: Iterable[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Read `Name: value` options, and Authorization from the environment if none has it."""
    headers: dict[str, str] = {}
    for text in given:
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
        what = _parted(error.what)[1]
        raise wrong(source, re.sub(r"^\['(.*?)'\]", r"\1", what)) from None
