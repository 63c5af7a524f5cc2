"""The option `--field`: keys of the gateway's contacts beside those of the API document."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any

import msgspec
import typer

from wxcontacts_async import Contact
from wxcontacts_async.cli.options.usage import wrong

OPTION = "--field"

_LONGEST = 60  # characters
_TAKEN = {*Contact.__struct_fields__, *Contact.__struct_encode_fields__}
_TAKEN |= {"w_id", "wId", "kind", "fetched_at", "fetchedAt", "fetched_at_utc", "more"}
_TAKEN |= {"first_seen", "last_changed"}
_ANY = "json"
# By the type of a remembered field's column.
_TYPES: Mapping[str, Any] = {
    "bool": bool | None,
    "double": float | None,
    "int64": int | None,
    "string": str | None,
    "timestamp[us, tz=UTC]": datetime | None,
    "list<item: bool>": list[bool] | None,
    "list<item: double>": list[float] | None,
    "list<item: int64>": list[int] | None,
    "list<item: string>": list[str] | None,
}

Fields = Annotated[
    list[str] | None,
    typer.Option(
        OPTION,
        metavar="KEY",
        help="Keep this key of the gateway's contacts as well, such as remark or labelList, "
        "whatever JSON it has; may be given again for others. A database remembers its own.",
        show_default="those that the database has",
    ),
]


def check_fields(names: Iterable[str] | None) -> list[str]:
    """Return the keys, each once; typer.BadParameter if one can be none."""
    for name in names or ():
        if name in _TAKEN:
            raise wrong(OPTION, f"must not be {name}, which is there already")
        if not name.isidentifier() or len(name) > _LONGEST:
            what = f"of letters, digits and underscores, at most {_LONGEST} of them"
            raise wrong(OPTION, f"must be a key such as remark, {what}")
    return list(dict.fromkeys(names or ()))


def with_fields(names: Iterable[str], known: Iterable[tuple[str, str, str]] = ()) -> type[Contact]:
    """Return contacts with fields of these keys, and with those that a database remembers.

    Arguments:
        names: The keys, of any JSON.
        known: Names, keys and types of columns.

    """
    fields = {key: (name, column) for name, key, column in known}
    for name in names:
        fields.setdefault(name, (name, _ANY))
    if not fields:
        return Contact
    made: type[Any] = msgspec.defstruct(
        "Contact",
        [
            (name, _TYPES.get(column, Any), msgspec.field(default=None, name=key))
            for key, (name, column) in fields.items()
        ],
        bases=(Contact,),
        module=__name__,
        frozen=True,
    )
    return made
