"""Reads headers from `--header` and the environment."""

import os
import re
from collections.abc import Iterable, Mapping

from wxcontacts_async import Gateway, InvalidArgumentError
from wxcontacts_async.cli.options.usage import AUTHORIZATION_VARIABLE, requirement, wrong

_HEADER = re.compile(r"[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:(.*)", re.DOTALL)


def read_headers(lines: Iterable[str]) -> dict[str, str]:
    """Read `Name: value` options."""
    headers: dict[str, str] = {}
    for text in lines:
        header = _HEADER.fullmatch(text)
        if header is None:
            # Not shown, here or below: it may be a secret without its name.
            raise wrong("--header", "must be like 'Name: value', with the name of an HTTP header")
        name, value = header[1], header[2].strip(" \t")
        if name.lower() in map(str.lower, headers):
            raise wrong("--header", f"gives {name} twice; it may stand once")
        check_header("--header", name, value)
        headers[name] = value
    return headers


def environment_headers() -> dict[str, str]:
    """Read Authorization from the environment, if it is there."""
    secret = os.environ.get(AUTHORIZATION_VARIABLE, "").strip()
    if not secret:
        return {}
    check_header(AUTHORIZATION_VARIABLE, "Authorization", secret)
    return {"Authorization": secret}


def overriding(headers: Mapping[str, str], others: Mapping[str, str]) -> dict[str, str]:
    """Return these headers with others in place of those of the same names."""
    names = {name.lower() for name in others}
    return {name: it for name, it in headers.items() if name.lower() not in names} | {**others}


def check_header(source: str, name: str, value: str) -> None:
    """Raise typer.BadParameter, in the name of where it is from, if it cannot be sent."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise wrong(source, f"must hold valid UTF-8, which the value of {name} is not") from None
    try:
        Gateway("http://localhost", headers={name: value})
    except InvalidArgumentError as error:
        raise wrong(source, re.sub(r"^\['(.*?)'\]", r"\1", requirement(error))) from None
