"""Usage errors in the words of the command."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from wxcontacts_async import InvalidArgumentError

AUTHORIZATION_VARIABLE = "WXCONTACTS_AUTHORIZATION"
GATEWAY_VARIABLE = "WXCONTACTS_GATEWAY"
STORE_VARIABLE = "WXCONTACTS_STORE"

# The command's names of the library's arguments, where they differ.
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

_PASSWORD = re.compile(r"(\w://[^\s/:@]*:)\S*@")
_PASSWORD_PARAMETER = re.compile(r"([?&]\w*password=)[^\s&#'\"]*", re.IGNORECASE)


def wrong(option: str, what: str) -> typer.BadParameter:
    """Make the error for an option, with what it must be; exit code 2."""
    return typer.BadParameter(what, param_hint=f"'{option}'")


@contextmanager
def naming_options(**options: str) -> Iterator[None]:
    """Turn InvalidArgumentError into a usage error; `options` are those with names of their own."""
    try:
        yield
    except InvalidArgumentError as error:
        # Names that are not in the table are the same.
        option = f"--{error.argument.replace('_', '-')}"
        raise wrong((_OPTIONS | options).get(error.argument, option), requirement(error)) from None


def requirement(error: InvalidArgumentError) -> str:
    """Return what an argument must be, less its name, in the words of the command."""
    what = error.what.removeprefix(error.argument).strip(": ")
    for ours, theirs in _PHRASES.items():
        what = what.replace(ours, theirs)
    return what


def without_passwords(text: str) -> str:
    """Return the text with *** for each password in a URL."""
    return _PASSWORD_PARAMETER.sub(r"\1***", _PASSWORD.sub(r"\1***@", text))
