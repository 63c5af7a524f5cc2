"""Contact sets as CSV, in which nothing is a formula."""

import csv
import io
import re
from collections.abc import Iterator
from itertools import islice, repeat
from typing import Any

from wxcontacts_async.contacts import Contact, ContactSet, merged_lists
from wxcontacts_async.errors import InvalidArgumentError
from wxcontacts_async.store._tabular.columns import (
    COLUMNS,
    FIELDS,
    fetched_in_utc,
    unfit_value,
    without_nul,
)
from wxcontacts_async.store._tabular.own_fields import NO_FIELDS, OwnField, OwnFields

_ROWS_AT_ONCE = 200  # a millisecond's worth, for which the GIL is held
# What a spreadsheet takes for a formula's beginning, and what it may skip on its way there.
_FORMULA = re.compile(r"""[\s\x00-\x1f\u200b\ufeff"']*[=+\-@\uff1d\uff0b\uff0d\uff20\t\r\n]""")


def csv_header(own: OwnFields = NO_FIELDS, *, bom: bool = False) -> bytes:
    """Return the line that names the columns: those of a Parquet file, in its order.

    Excel knows UTF-8 by the byte order mark.
    """
    line = ",".join([*COLUMNS[:-1], *own.names, COLUMNS[-1]]) + "\r\n"
    return line.encode("utf-8-sig" if bom else "utf-8")


def csv_lines(contacts: ContactSet[Any], own: OwnFields = NO_FIELDS) -> Iterator[bytes]:
    """Make one line for each contact of the merged set, some lines at a time: RFC 4180, in UTF-8.

    What is null is an empty cell, and U+0000 is left out. A cell that a spreadsheet would run as a
    formula, since it begins with one of `=+-@` (full-width, too), a tab or a line end, be it after
    white space or quotes, gets a single quote in front, which is the mark of text there.
    InvalidArgumentError for a text that is no valid Unicode names the field, never the value.
    """
    w_id, fetched_at = _defused(contacts.w_id), fetched_in_utc(contacts).isoformat()
    for kind, of_kind in merged_lists(contacts):
        left = iter(of_kind)
        while some := list(islice(left, _ROWS_AT_ONCE)):
            user_names, *others = (_cells(field, some) for field in FIELDS)
            others += [_own_cells(field, some) for field in own.fields]
            kinds = repeat(kind.value)
            text = io.StringIO(newline="")
            rows = zip(repeat(w_id), user_names, kinds, *others, repeat(fetched_at))
            csv.writer(text).writerows(rows)
            try:
                yield text.getvalue().encode()
            except UnicodeEncodeError:
                raise _unsound(contacts) from None


def _cells(field: str, contacts: list[Contact]) -> list[str | None]:
    values = [getattr(contact, field) for contact in contacts]
    if field == "sex":
        values = [str(int(sex)) for sex in values]
    return [value and _defused(value) for value in values]


def _own_cells(field: OwnField, contacts: list[Contact]) -> list[str | None]:
    values = [field.in_cell(getattr(contact, field.name, None)) for contact in contacts]
    # Of a number a spreadsheet makes one, also where it is below 0.
    return [_defused(value) if isinstance(value, str) else _number(value) for value in values]


def _number(value: float | None) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def _defused(text: str) -> str:
    text = without_nul(text)
    return f"'{text}" if _FORMULA.match(text) else text


def _unsound(contacts: ContactSet[Contact]) -> InvalidArgumentError:
    """Return the error for a set of which some text cannot be encoded."""
    unsound = (
        field
        for contact in contacts
        for field in contact.__struct_fields__
        if isinstance(text := getattr(contact, field), str) and not _is_sound(text)
    )
    return unfit_value(contacts.w_id, next(unsound, "w_id"), "valid Unicode text")


def _is_sound(text: str) -> bool:
    return text.encode(errors="ignore").decode() == text
