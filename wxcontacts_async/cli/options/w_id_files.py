"""Reads the wIds in a file, which is a list, CSV or JSON."""

import codecs
import csv
import re
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import typer

from wxcontacts_async.cli.options.output_path import STANDARD
from wxcontacts_async.cli.options.usage import wrong

if TYPE_CHECKING:
    import _csv

OPTION = "--from"

_COMMENT = re.compile(r"(^|\s)#.*")
# Not str.splitlines, for which a dozen other characters are line ends.
_LINE_END = re.compile(r"\r\n|\n|\r")
_DELIMITERS = ",;\t"
_SEPARATOR = re.compile(r"sep=(.)")  # an optional first line of Excel's
_COLUMN = "a column w_id or wId"
_KEY = "a key w_id or wId"

# UTF-32 first, as its mark begins with that of UTF-16.
_ENCODINGS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OTHERS = (
    (b"PK\x03\x04", "an Excel workbook; save it as CSV"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook; save it as CSV"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"PAR1", "Parquet; write it as CSV"),
    (b"SQLite format 3\x00", "a SQLite database; export it as CSV"),
)


class FoundWId(msgspec.Struct, frozen=True, gc=False):
    """An unchecked wId.

    Attributes:
        w_id: The text.
        line: The number of its line; None in a JSON array.
        gateway: The name of its gateway, unchecked; None where none is named.

    """

    w_id: str
    line: int | None = None
    gateway: str | None = None


def shown_source(source: str) -> str:
    """Return the source as messages show it."""
    return "standard input" if source == STANDARD else repr(source)


def w_ids_in(source: str) -> Iterator[FoundWId]:
    """Give the wIds of a file, or of standard input; raise typer.BadParameter if there can be none.

    It may be a list with one wId a line, where blank lines and # comments are skipped; CSV with a
    column, JSON Lines with a key, or a JSON array of objects with a key `w_id` or `wId` in any
    case; or a JSON array of wIds. A gateway is named behind the wId, after a tab or a comma, or in
    a column or key `gateway`. An error's message has no content, as that may be contacts.
    """
    name = shown_source(source)
    try:
        content = _content(source)
    except OSError as error:
        raise wrong(OPTION, f"{name} cannot be read: {error.strerror or error}") from None
    return _Text(name, _decoded(content, name)).w_ids()


def _content(source: str) -> bytes:
    if source != STANDARD:
        return Path(source).read_bytes()
    if sys.stdin is None:
        raise wrong(OPTION, "is standard input, which is closed")
    return sys.stdin.buffer.read()


def _decoded(content: bytes, name: str) -> str:
    for beginning, what in _OTHERS:
        if content.startswith(beginning):
            raise wrong(OPTION, f"{name} looks like {what}")
    encoding = next((name for mark, name in _ENCODINGS if content.startswith(mark)), "utf-8-sig")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding != "utf-8-sig":
            raise wrong(OPTION, f"{name} is damaged: it begins as {encoding.upper()}") from None
        before = content[: error.start].decode()
        line = len(_LINE_END.findall(before)) + 1
        raise wrong(OPTION, f"{name} must be UTF-8, which line {line} is not") from None
    if "\x00" in text:
        raise wrong(
            OPTION, f"{name} is no text; it must be UTF-8, or begin with its byte order mark"
        )
    return text


class _Text:
    """The text of a file, which messages call by its name."""

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._text = text
        self._lines = _LINE_END.split(text)

    def w_ids(self) -> Iterator[FoundWId]:
        """Give them, in the format that the first line with content looks like."""
        for index, line in enumerate(self._lines):
            first = _uncommented(line)
            if first.startswith("["):
                return self._in_array()
            if first.startswith("{"):
                return self._in_objects()
            if first.startswith(('"', "sep=")) or _is_w_id(first):
                return self._in_table(index)
            pair = _pair(first)
            if _has_delimiter(first) and (pair is None or any(map(_is_w_id, pair))):
                return self._in_table(index)
            if first:
                break
        return self._in_list()

    def _in_list(self) -> Iterator[FoundWId]:
        for number, line in enumerate(self._lines, 1):
            w_id = _uncommented(line)
            if pair := _pair(w_id):
                yield FoundWId(pair[0], number, pair[1])
            elif _has_delimiter(w_id):
                raise self._looks_like("CSV", _COLUMN, number)
            elif w_id:
                yield FoundWId(w_id, number)

    def _in_table(self, header: int) -> Iterator[FoundWId]:
        delimiters = _DELIMITERS
        if separator := _SEPARATOR.fullmatch(self._lines[header].strip()):
            delimiters = separator[1]
            header += 1
        # Not line by line, as quoted text may have line ends.
        text = "\n".join(self._lines[header:])
        widest = 1
        for delimiter in delimiters:
            try:
                names = next(csv.reader(StringIO(text), delimiter=delimiter), [])
            except csv.Error:
                continue
            if any(map(_is_w_id, names)):
                reader = csv.reader(StringIO(text), delimiter=delimiter, strict=True)
                return self._in_columns(names, self._rows(reader, header))
            widest = max(widest, len(names))
        what = f"CSV with {widest} column{'s' if widest > 1 else ''}"
        raise self._looks_like(what, _COLUMN)

    def _rows(self, reader: "_csv.Reader", skipped: int) -> Iterator[tuple[int, list[str]]]:
        """Give each row that is not blank with the number of its last line."""
        try:
            for row in reader:
                if any(map(str.strip, row)):
                    yield skipped + reader.line_num, row
        except csv.Error as error:
            where = self._place(skipped + reader.line_num)
            raise wrong(OPTION, f"{where}: cannot be read as CSV: {error}") from None

    def _in_columns(
        self, names: list[str], rows: Iterator[tuple[int, list[str]]]
    ) -> Iterator[FoundWId]:
        next(rows)  # the names
        for number, row in rows:
            cells = list(zip(names, map(str.strip, row), strict=False))
            w_id = next((cell for name, cell in cells if _is_w_id(name)), "")
            gateway = next((cell for name, cell in cells if _is_gateway(name)), "")
            if not w_id:
                raise wrong(OPTION, f"{self._place(number)}: a row has no wId")
            yield FoundWId(w_id, number, gateway or None)

    def _in_objects(self) -> Iterator[FoundWId]:
        for number, line in enumerate(self._lines, 1):
            if not _uncommented(line):
                continue
            try:
                found = msgspec.json.decode(line)
            except (msgspec.DecodeError, RecursionError):
                what = "JSON, but not a whole object a line"
                raise self._looks_like(what, _KEY, number) from None
            yield self._in_object(found, number)

    def _in_array(self) -> Iterator[FoundWId]:
        try:
            array = msgspec.json.decode(self._text)
        except (msgspec.DecodeError, RecursionError):
            raise self._looks_like("a JSON array that is damaged", _KEY) from None
        for found in array:
            yield FoundWId(found) if isinstance(found, str) else self._in_object(found, None)

    def _in_object(self, found: Any, line: int | None) -> FoundWId:  # noqa: ANN401  # any JSON
        if not isinstance(found, dict):
            raise self._looks_like("JSON, but not of objects", _KEY, line)
        w_ids = [value for key, value in found.items() if _is_w_id(key)]
        gateways = [value for key, value in found.items() if _is_gateway(key)]
        if not w_ids:
            raise self._looks_like("JSON, without wIds", _KEY, line)
        w_id, gateway = w_ids[0], next(iter(gateways), None)
        if not isinstance(w_id, str):
            raise wrong(OPTION, f"{self._place(line)}: a wId must be text in JSON")
        if not isinstance(gateway, str | None):
            raise wrong(OPTION, f"{self._place(line)}: a gateway must be text, or null, in JSON")
        return FoundWId(w_id, line, gateway or None)

    def _looks_like(self, what: str, needed: str, line: int | None = None) -> typer.BadParameter:
        # Without any content, as that may be contacts.
        expected = f"it must have one wId a line, or {needed}"
        return wrong(OPTION, f"{self._place(line)}: looks like {what}; {expected}")

    def _place(self, line: int | None) -> str:
        return self._name if line is None else f"{self._name}, line {line}"


def _uncommented(line: str) -> str:
    return _COMMENT.sub("", line).strip()


def _has_delimiter(text: str) -> bool:
    return any(delimiter in text for delimiter in _DELIMITERS)


def _pair(text: str) -> tuple[str, str] | None:
    """Return the wId and the gateway on a line, between which a tab or a comma stands."""
    pieces = [piece.strip() for piece in re.split("[\t,]", text)]
    if len(pieces) != 2 or not all(pieces) or _has_delimiter("".join(pieces)):  # noqa: PLR2004
        return None
    return pieces[0], pieces[1]


def _is_w_id(name: str) -> bool:
    """Return whether a column or a key is w_id, wId or the like."""
    return name.strip().casefold().replace("_", "") == "wid"


def _is_gateway(name: str) -> bool:
    return name.strip().casefold() == "gateway"
