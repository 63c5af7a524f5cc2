"""The fields that a subclass of `Contact` adds: their values as JSON, and the columns for them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import msgspec
import pyarrow as pa

from wxcontacts_async.contacts import Contact
from wxcontacts_async.errors import InvalidArgumentError
from wxcontacts_async.store._tabular.columns import COLUMNS, FIELDS

# The columns of tables and files, which no field may be called as well.
_TAKEN = {*COLUMNS, "more", "first_seen", "last_changed", "fetched_at_utc"}
_TIME = pa.timestamp("us", tz="UTC")
_TYPES = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string(), datetime: _TIME}
_NUL = re.compile(r"((?:^|[^\\])(?:\\\\)*)\\u0000")  # as JSON writes it

# Dicts in one order, as gateways need not keep to one.
_encode = msgspec.json.Encoder(order="deterministic").encode


@dataclass(frozen=True)
class OwnField:
    """One field that a subclass adds.

    Attributes:
        name: Its name in the subclass.
        key: By which gateways send it.
        hint: Its type.
        column: The type of its column; what has no better one is text, which is JSON unless the
            value is text itself.
        is_text: Whether it is of that kind.

    """

    name: str
    key: str
    hint: Any
    column: pa.DataType
    is_text: bool

    @property
    def column_name(self) -> str:
        """The name of the column's type; "json" for text of that kind."""
        return "json" if self.is_text else str(self.column)

    def in_column(self, value: Any) -> Any:  # noqa: ANN401  # as its type says
        """Return what its column has for a value."""
        if not self.is_text or value is None or isinstance(value, str):
            return None if value is msgspec.UNSET else value
        return None if value is msgspec.UNSET else _encode(value).decode()

    def in_cell(self, value: Any) -> str | bool | float | None:  # noqa: ANN401
        """Return what a cell of CSV or of a workbook has for a value."""
        if value is None or isinstance(value, str | bool | int | float):
            return value
        if isinstance(value, datetime):
            return value.isoformat()
        return None if value is msgspec.UNSET else _encode(value).decode()

    def from_column(self, value: Any) -> Any:  # noqa: ANN401
        """Return the value for what a column has; raise ValidationError if it has none."""
        if self.is_text and isinstance(value, str) and not _may_be_text(self.hint):
            return msgspec.json.decode(value, type=self.hint)
        return msgspec.convert(value, self.hint)


@dataclass(frozen=True)
class OwnFields:
    """The fields that a subclass adds, in their order.

    Attributes:
        contact_type: The subclass; `Contact` itself adds none.
        fields: The fields.
        names: Their names.

    """

    contact_type: type[Contact]
    fields: tuple[OwnField, ...] = ()
    names: tuple[str, ...] = ()
    _decoders: Mapping[str, Callable[[msgspec.Raw], Any]] = field(default_factory=dict)
    _decode: Callable[[str], Any] = field(default=lambda _: {})

    def __bool__(self) -> bool:
        return bool(self.fields)

    def written(self, contact: Contact) -> str:
        """Return the values of a contact as an object of JSON."""
        values = {name: getattr(contact, name) for name in self.names}
        return _encode(
            {name: value for name, value in values.items() if value is not msgspec.UNSET}
        ).decode()

    def read(self, written: str | None) -> dict[str, Any]:
        """Return the values in an object of JSON, or null, as arguments of the subclass.

        What it lacks, or has of another type, as the field was of another one before, is left out.
        """
        if written in {None, "null"} or not self.fields:
            return {}
        try:
            return {
                name: value
                for name, value in msgspec.structs.asdict(self._decode(written)).items()
                if value is not msgspec.UNSET
            }
        except msgspec.ValidationError:
            return self._read_each(written)

    def _read_each(self, written: str) -> dict[str, Any]:
        values = {}
        for name, raw in msgspec.json.decode(written, type=dict[str, msgspec.Raw]).items():
            if name in self._decoders:
                try:
                    values[name] = self._decoders[name](raw)
                except msgspec.ValidationError:
                    continue
        return values


def own_fields(contact_type: type[Contact]) -> OwnFields:
    """Return the fields that a subclass adds.

    Raises:
        InvalidArgumentError: It is no subclass of Contact; or a field has no default, which
            contacts need that were stored before it was added; or is called as a column is; or
            cannot be written as JSON and read again.

    """
    if not (isinstance(contact_type, type) and issubclass(contact_type, Contact)):
        msg = f"contact_type must be Contact or a subclass of it, not {contact_type!r}"
        raise InvalidArgumentError(msg, argument="contact_type")
    return _own_fields(contact_type)


@lru_cache(maxsize=64)
def _own_fields(contact_type: type[Contact]) -> OwnFields:
    try:
        added = [it for it in msgspec.structs.fields(contact_type) if it.name not in FIELDS]
        fields = tuple(_own_field(it) for it in added)
        decoders = {it.name: msgspec.json.Decoder(it.hint).decode for it in fields}
        values = msgspec.defstruct(
            "_More", [(it.name, it.hint | msgspec.UnsetType, msgspec.UNSET) for it in fields]
        )
        decode = msgspec.json.Decoder(values).decode
        msgspec.json.schema(values)  # which there is not of a type that JSON has not
    except (TypeError, NameError) as error:
        msg = f"contact_type must have fields that JSON has: {error}"
        raise InvalidArgumentError(msg, argument="contact_type") from None
    return OwnFields(contact_type, fields, tuple(it.name for it in fields), decoders, decode)


NO_FIELDS = own_fields(Contact)


def without_nul_in(written: str, replacement: str) -> str:
    """Replace U+0000 in an object of JSON."""
    return _NUL.sub(rf"\1{replacement}", written) if "\\u0000" in written else written


def _own_field(info: msgspec.structs.FieldInfo) -> OwnField:
    if info.required:
        msg = f"contact_type must have a default for each field of its own, unlike {info.name}"
        raise InvalidArgumentError(msg, argument="contact_type")
    if info.name in _TAKEN:
        msg = f"contact_type must have no field called {info.name}, which is another column"
        raise InvalidArgumentError(msg, argument="contact_type")
    column = _column_of(info.type)
    return OwnField(info.name, info.encode_name, info.type, column or pa.string(), column is None)


def _column_of(hint: Any) -> pa.DataType | None:  # noqa: ANN401  # any type
    """Return the type of the column for a type of Python; None if there is none like it."""
    options = [it for it in _options(hint) if it not in {NoneType, msgspec.UnsetType}]
    if len(options) != 1:
        return None
    (hint,) = options
    if hint in _TYPES:
        return _TYPES[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if (origin is list or (origin is tuple and arguments[1:] == (...,))) and arguments[0] in _TYPES:
        return pa.list_(_TYPES[arguments[0]])
    return None


def _options(hint: Any) -> tuple[Any, ...]:  # noqa: ANN401
    return get_args(hint) if get_origin(hint) in {Union, UnionType} else (hint,)


def _may_be_text(hint: Any) -> bool:  # noqa: ANN401
    return any(it in {str, Any} for it in _options(hint))
