"""Says what is wrong with an option or an argument in the words of the command."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from wxcontacts_async import InvalidArgumentError

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


def without_passwords(text: str) -> str:
    """Return the text with *** for each password in a URL."""
    return _PASSWORD_PARAMETER.sub(r"\1***", _PASSWORD.sub(r"\1***@", text))
