"""Shows changes as rows of a table, one after the other."""

from rich.cells import cell_len

from wxcontacts_async.store import ContactChange, ContactVersion

_WIDTHS = {"id": 9, "at": 19, "change": 7, "kind": 6, "w_id": 36, "user_name": 24}
_ZERO_WIDTH_JOINER = "\u200d"  # which emoji are made with


def header_row() -> bytes:
    """Return the row of the columns' names."""
    return _row([*_WIDTHS, "what"])


def change_row(change: ContactChange) -> bytes:
    """Show a change as a row, the same one each time; its time is this computer's."""
    version = change.after or change.before
    return _row(
        [
            str(change.id),
            f"{change.at.astimezone():%Y-%m-%d %H:%M:%S}",
            change.change,
            "" if version is None else version.kind,
            change.w_id,
            change.user_name,
            _what(change),
        ]
    )


def _what(change: ContactChange) -> str:
    """Return what differs, or else the contact's name."""
    if change.before is None or change.after is None:
        version = change.after or change.before
        return "" if version is None else version.contact.nick_name or ""
    return ", ".join(
        f"{field}: {_value(change.before, field)} -> {_value(change.after, field)}"
        for field in change.fields
    )


def _value(version: ContactVersion, field: str) -> str:
    value = version.kind if field == "kind" else getattr(version.contact, field, None)
    return "none" if value is None else str(value)


def _row(cells: list[str]) -> bytes:
    padded = [
        cell + " " * (width - cell_len(cell))
        for cell, width in zip(map(_printable, cells), (*_WIDTHS.values(), 0), strict=True)
    ]
    return "  ".join(padded).rstrip().encode(errors="replace") + b"\n"


def _printable(text: str) -> str:
    """Escape what a terminal would obey, as names are chosen by strangers."""
    return "".join(
        character
        if character.isprintable() or character == _ZERO_WIDTH_JOINER
        else ascii(character)[1:-1]
        for character in text
    )
