"""Reads the emulator's `--faults` option."""

import re
from collections.abc import Iterable

from wxcontacts_async import InvalidArgumentError
from wxcontacts_async.cli.options.usage import wrong
from wxcontacts_async.cli.options.values import number
from wxcontacts_async.emulator import Fault, FaultKind

OPTION = "--faults"
SYNTAX = "KIND[=N][:SHARE][@AFTER[+SECONDS[/EVERY]]]"
_FAULT = re.compile(
    r"(?P<kind>[^=:@+/]+)(=(?P<n>[^=:@+/]+))?(:(?P<share>[^=:@+/]+))?"
    r"(@(?P<after>[^=:@+/]+)(\+(?P<during>[^=:@+/]+)(/(?P<every>[^=:@+/]+))?)?)?",
)


def read_faults(options: Iterable[str]) -> list[Fault]:
    """Read faults, of which each option is a comma-separated list."""
    texts = [text.strip() for option in options for text in option.split(",")]
    return [_fault(text) for text in texts if text]


def _fault(text: str) -> Fault:
    parts = _FAULT.fullmatch(text)
    if parts is None:
        raise wrong(OPTION, f"must be like {SYNTAX}, which {text!r} is not")
    if parts["kind"] not in list(FaultKind):
        raise wrong(OPTION, f"has no {parts['kind']!r}; there are {', '.join(FaultKind)}")
    kind = FaultKind(parts["kind"])
    arguments = {
        name: number(parts[name])
        for name in ("share", "after", "during", "every")
        if parts[name] is not None
    }
    if parts["n"] is not None:
        arguments[_meaning_of_n(kind, text)] = number(parts["n"])
    try:
        return Fault(kind, **arguments)
    except InvalidArgumentError as error:
        raise wrong(OPTION, f"has {text!r}, whose {error.what}") from None


def _meaning_of_n(kind: FaultKind, text: str) -> str:
    if kind.status is not None:
        return "retry_after"
    if kind is FaultKind.TRICKLE:
        return "bytes_per_second"
    if kind is FaultKind.RATE_LIMIT:
        return "per_second"
    if kind.strikes_contacts:
        return "contacts"
    raise wrong(OPTION, f"has {text!r}, but {kind} takes no number")
