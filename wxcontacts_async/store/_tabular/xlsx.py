"""Writes contact sets to a workbook for Excel, in which nothing is a formula and ids are text.

Excel has no time zones, and times to the millisecond, so times are in UTC and their column says so.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from io import BufferedWriter
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.sax.saxutils import escape

import xlsxwriter
from xlsxwriter.exceptions import FileCreateError, FileSizeError

from wxcontacts_async._hidden_file import HiddenFile, sync_folder
from wxcontacts_async.contacts import Contact, ContactKind, ContactSet
from wxcontacts_async.store._tabular.columns import (
    COLUMNS,
    FIELDS,
    fetched_in_utc,
    unfit_value,
    without_nul,
)
from wxcontacts_async.store._tabular.own_fields import NO_FIELDS, OwnFields

XLSX_COLUMNS = (*COLUMNS[:-1], "fetched_at_utc")

_ROWS_A_SHEET = 1_048_575  # and the header, by Excel's limit
_LONGEST_TEXT = 32_767  # of a cell, in UTF-16, as Excel counts it
_LARGEST_NUMBER = 2**53  # to which a cell's are exact
_FIRST_DAY = datetime(1900, 3, 1, tzinfo=UTC)  # before it, Excel's calendar has a day too many
_ROWS_A_STEP = 2_000
_WIDTHS = {"w_id": 24, "user_name": 28, "kind": 8, "sex": 5, "fetched_at_utc": 20}
_WIDTH = 16
_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_numbers": False,
    "strings_to_urls": False,
}


class XlsxFile:
    """A workbook under a hidden name, of which never more than a row is in memory.

    To be used by one thread at a time. What it keeps meanwhile is in a hidden folder beside it.

    Arguments:
        path: What it is to be called; a link stays, and what it leads to is replaced.
        own: The fields that have columns beside the document's.
        rows_a_sheet: After so many contacts, another sheet begins.

    """

    def __init__(
        self, path: Path, own: OwnFields = NO_FIELDS, *, rows_a_sheet: int = _ROWS_A_SHEET
    ) -> None:
        self._own = own
        self._columns = (*XLSX_COLUMNS[:-1], *own.names, XLSX_COLUMNS[-1])
        self._path = path.resolve()
        self._rows_a_sheet = rows_a_sheet
        self._sheets = 0
        self._sheet: Any = None
        self._row = 0
        with ExitStack() as made:  # which goes again if the rest cannot be made
            self._hidden = HiddenFile(self._path.parent)
            made.callback(self._hidden.discard)
            self._folder = TemporaryDirectory(
                prefix=".wxcontacts-",
                suffix=".tmp",
                dir=self._path.parent,
                ignore_cleanup_errors=True,
            )
            made.callback(self._folder.cleanup)
            made.callback(self._hidden.discard)  # first, as removing a folder opens it
            self._buffer = BufferedWriter(self._hidden.file)
            options = {**_OPTIONS, "tmpdir": self._folder.name}
            self._book = xlsxwriter.Workbook(self._buffer, options)
            self._time = self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
            self._bold = self._book.add_format({"bold": True})
            self._begin_sheet()
            made.pop_all()

    def add(self, contacts: ContactSet[Contact]) -> Iterator[None]:
        """Write one row for each contact of the merged set, some thousand at each step.

        Raise InvalidArgumentError if a value has no room in a cell: it names the wId and the field.
        """
        fetched_at = fetched_in_utc(contacts)
        if fetched_at < _FIRST_DAY:
            raise unfit_value(contacts.w_id, "fetched_at", "a time since March 1900")
        naive = fetched_at.replace(tzinfo=None)
        entries = iter(contacts.items())
        while some := list(islice(entries, _ROWS_A_STEP)):
            for entry in some:
                self._write(contacts.w_id, entry, naive)
            yield

    def _write(self, w_id: str, entry: tuple[ContactKind, Contact], fetched_at: datetime) -> None:
        if self._row > self._rows_a_sheet:
            self._begin_sheet()
        kind, contact = entry
        values: tuple[object, ...] = (w_id, contact.user_name, kind.value)
        values += tuple(getattr(contact, field) for field in FIELDS[1:])
        values += tuple(
            field.in_cell(getattr(contact, field.name, None)) for field in self._own.fields
        )
        for column, (name, value) in enumerate(zip(self._columns, values, strict=False)):
            if isinstance(value, bool):
                self._sheet.write_boolean(self._row, column, value)
            elif isinstance(value, int | float) and abs(value) <= _LARGEST_NUMBER:
                self._sheet.write_number(self._row, column, value)
            elif value is not None:
                self._sheet.write_string(self._row, column, _text(w_id, name, str(value)))
        self._sheet.write_datetime(self._row, len(values), fetched_at, self._time)
        self._row += 1

    def _begin_sheet(self) -> None:
        self._sheets += 1
        name = "contacts" if self._sheets == 1 else f"contacts {self._sheets}"
        self._sheet = self._book.add_worksheet(name)
        for column, heading in enumerate(self._columns):
            self._sheet.set_column(column, column, _WIDTHS.get(heading, _WIDTH))
            self._sheet.write_string(0, column, heading, self._bold)
        self._sheet.freeze_panes(1, 0)
        self._row = 1

    def finish(self) -> None:
        """Put it together and have it on the disk; a million rows take seconds."""
        try:
            self._book.close()
        except FileCreateError as error:
            raise error.args[0] from None
        except FileSizeError:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG)) from None
        self._buffer.flush()
        self._hidden.take_over_rights(self._path)
        self._hidden.complete()
        self._folder.cleanup()

    def take_name(self) -> None:
        """Let it take its name, once it is finished."""
        self._hidden.path.replace(self._path)
        sync_folder(self._path.parent)

    def discard(self) -> None:
        """Remove what has not taken its name."""
        for sheet in self._book.worksheets():  # or their temporary files would stay open
            with suppress(OSError):
                sheet.row_data_fh.close()
        with suppress(OSError, ValueError):
            self._buffer.close()
        self._hidden.discard()
        self._folder.cleanup()


def _text(w_id: str, field: str, value: str) -> str:
    text = without_nul(value)
    if text.startswith("<r>") and text.endswith("</r>"):
        # Which XlsxWriter takes for a run of rich text, already in XML; so it gets one.
        text = f'<r><t xml:space="preserve">{escape(text)}</t></r>'
    try:
        units = len(text.encode("utf-16-le")) // 2
    except UnicodeEncodeError:
        raise unfit_value(w_id, field, "valid Unicode text") from None
    if units > _LONGEST_TEXT:
        raise unfit_value(w_id, field, f"text of at most {_LONGEST_TEXT:,} characters")
    return text
