"""Reads gateways with and without names, as typed."""

import re
from collections.abc import Iterable

from wxcontacts_async.cli.options.usage import wrong

_NAMED = re.compile(r"([^=:/\s]+)=(.*)", re.DOTALL)
_NAME = re.compile(r"[^\s=:/,;\x00-\x1f\x7f]+")


def check_name(name: str) -> None:
    """Raise ValueError unless it is a name that can stand in a column of a file."""
    if not _NAME.fullmatch(name):
        msg = "the name of a gateway must have no white space and none of = : / , ;"
        raise ValueError(msg)


def named_urls(given: Iterable[str]) -> dict[str | None, str]:
    """Read `NAME=URL`, or one URL without a name, which is None."""
    urls: dict[str | None, str] = {}
    for text in given:
        named = _NAMED.fullmatch(text)
        name, url = (named[1], named[2]) if named else (None, text)
        if name is not None:
            try:
                check_name(name)
            except ValueError as error:
                raise wrong("--gateway", str(error)) from None
        if name in urls:
            what = "without a name may be given once; name each as in east=http://..."
            raise wrong("--gateway", f"{name} is given twice" if name else what)
        urls[name] = url
    if None in urls and len(urls) > 1:
        raise wrong("--gateway", "must be like east=http://... where there are several")
    return urls
