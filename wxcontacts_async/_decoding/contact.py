"""Decodes one contact by what its values mean.

A value that its field cannot hold costs that value: the field has its default, and its name is
told.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Generic, get_args

import msgspec
import msgspec.inspect

from wxcontacts_async._json.scanner import Allowance, members
from wxcontacts_async.contacts import Contact, ContactT, Sex, unwrapped

# As `msgspec.Raw` if msgspec took the reply apart, which copies nothing.
RawJSON = bytes | msgspec.Raw
NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(?:\.0*)?")
_SEX_WORDS = {
    "": Sex.UNKNOWN,
    "未知": Sex.UNKNOWN,
    "unknown": Sex.UNKNOWN,
    "男": Sex.MALE,
    "male": Sex.MALE,
    "m": Sex.MALE,
    "女": Sex.FEMALE,
    "female": Sex.FEMALE,
    "f": Sex.FEMALE,
}
_DESCRIBED = msgspec.inspect.Type | msgspec.inspect.Field
_value = msgspec.json.Decoder()
_values = msgspec.json.Decoder(dict[str, Any])
_raws = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encoder = msgspec.json.Encoder()


class BlankNameError(ValueError):
    """The contact has an id of nothing but white space, which is none."""


class ContactDecoder(Generic[ContactT]):
    """Decodes single contacts of one type.

    Arguments:
        contact_type: `Contact` or a subclass of it.

    Raises:
        TypeError: `contact_type` has a field that cannot be decoded.

    """

    def __init__(self, contact_type: type[ContactT]) -> None:
        self._contact_type = contact_type
        # Lax, since the document's table has "1" where its sample has 1.
        self._contact = msgspec.json.Decoder(contact_type, strict=False)
        fields = msgspec.structs.fields(contact_type)
        self._fields = {field.encode_name: field for field in fields}
        self._by_written_key = {f.encode_name.encode(): (f.encode_name, f.name) for f in fields}
        self._optional_text = [
            f.encode_name
            for f in fields
            if f.type == str | None or (f.type is str and not f.required)
        ]
        self._required_text = [f.encode_name for f in fields if f.type is str and f.required]
        self._others = [f for f in fields if f.type != str | None and not f.required]
        self._raw = [f for f in fields if f.type is msgspec.Raw or msgspec.Raw in get_args(f.type)]
        self._sex = next(f.encode_name for f in fields if f.name == "sex")

    def decode(self, written: bytes) -> tuple[ContactT, tuple[str, ...]]:
        """Decode one contact; return it, and the names of the fields whose value is lost.

        Raises:
            BlankNameError: Its id is blank.
            Exception: It cannot be decoded; `contact_type` may raise what it likes.

        """
        try:
            contact = self._contact.decode(written)
        except msgspec.ValidationError:
            values = _values_in(written)
            return self._by_meaning(values, set(), _raws.decode(written) if self._raw else {})
        return _named(contact), ()

    def member_by_member(
        self,
        written: bytes,
        allowance: Allowance,
    ) -> tuple[ContactT, tuple[str, ...]]:
        """Decode a contact in which not all is JSON.

        Raises:
            OutlineError: It is no whole object.
            TooManyPartsError: It has more members than may still be looked at.

        """
        found = members(written, allowance)
        values: dict[str, Any] = {}
        lost: set[str] = set()
        for written_key, (key, name) in self._by_written_key.items():
            value = found.get(written_key)
            if value is not None:
                try:
                    values[key] = _value.decode(value)
                except NOT_JSON:
                    lost.add(name)
        raws = {key: found[key.encode()] for key in values} if self._raw else {}
        return self._by_meaning(values, lost, raws)

    def _by_meaning(
        self,
        values: dict[str, Any],
        lost: set[str],
        written: Mapping[str, RawJSON],
    ) -> tuple[ContactT, tuple[str, ...]]:
        """Make a contact of its values by their keys; `lost` has the fields that have none.

        `written` has the values as they stand there, for the fields that hold them so.
        """
        raws = self._take_raws(values, written) if self._raw else {}
        for key in self._required_text:
            if key in values:
                values[key] = _unwrapped(values[key])
        for key in self._optional_text:
            value = values.get(key)
            if value is not None and type(value) is not str:
                self._read_text(key, values, lost)
        self._read_sex(values, lost)
        try:
            contact = msgspec.convert(values, self._contact_type, strict=False)
        except msgspec.ValidationError:
            self._lose_the_unfit(values, lost)
            contact = msgspec.convert(values, self._contact_type, strict=False)
        if raws:
            contact = msgspec.structs.replace(contact, **raws)
        return _named(contact), self._in_order(lost)

    def _take_raws(
        self,
        values: dict[str, Any],
        written: Mapping[str, RawJSON],
    ) -> dict[str, msgspec.Raw]:
        """Put in the values that are held as they stand there.

        Those of fields that may hold others as well are returned instead, by the field's name, as
        `msgspec.convert` takes them for none.
        """
        optional = {}
        for field in self._raw:
            key = field.encode_name
            if key in values:
                raw = msgspec.Raw(bytes(written[key]))
                if field.type is msgspec.Raw:
                    values[key] = raw
                elif values[key] is not None and not field.required:
                    del values[key]
                    optional[field.name] = raw
        return optional

    def _read_text(self, key: str, values: dict[str, Any], lost: set[str]) -> None:
        value = _unwrapped(values[key])
        if type(value) is int or type(value) is float:  # and not bool
            value = _encoder.encode(value).decode()
        if value is None or type(value) is str:
            values[key] = value
        else:
            self._lose(key, values, lost)

    def _read_sex(self, values: dict[str, Any], lost: set[str]) -> None:
        value = values.get(self._sex)
        sex = _sex_in(_unwrapped(value))
        if value is None:
            values.pop(self._sex, None)
        elif sex is None:
            self._lose(self._sex, values, lost)
        else:
            values[self._sex] = sex

    def _lose_the_unfit(self, values: dict[str, Any], lost: set[str]) -> None:
        """Leave out what those fields cannot hold that have a default and are not looked at yet."""
        for field in self._others:
            key = field.encode_name
            if key not in values:
                continue
            if values[key] is None and not _fits(None, field.type):
                del values[key]  # a null says no more than its absence
            elif not _fits(values[key], field.type):
                self._lose(key, values, lost)

    def _lose(self, key: str, values: dict[str, Any], lost: set[str]) -> None:
        del values[key]
        lost.add(self._fields[key].name)

    def _in_order(self, lost: set[str]) -> tuple[str, ...]:
        return tuple(f.name for f in self._fields.values() if f.name in lost) if lost else ()


def holds_raw(contact_type: type[Contact]) -> bool:
    """Tell whether contacts of that type may hold parts of the body that they were decoded from.

    That is where there is `msgspec.Raw` in it, however deep; all else is copied.
    """
    if contact_type is Contact:
        return False
    left: list[object] = [msgspec.inspect.type_info(contact_type)]
    seen: set[int] = set()
    while left:
        part = left.pop()
        if isinstance(part, msgspec.inspect.RawType):
            return True
        if isinstance(part, tuple):
            left += part
        elif (
            isinstance(part, msgspec.inspect.Type | msgspec.inspect.Field) and id(part) not in seen
        ):
            seen.add(id(part))
            left += msgspec.structs.astuple(part)
    return False


def has_a_blank_name(*lists: Iterable[Contact]) -> bool:
    """Tell whether an id in one of the lists is blank."""
    # Each name is looked at, some 25 ns a contact, which is the least of all ways in Python;
    # msgspec checks text for white space by a pattern alone, in ten times that.
    for contacts in lists:
        for contact in contacts:
            if not contact.user_name.strip():
                return True
    return False


def _named(contact: ContactT) -> ContactT:
    if not contact.user_name.strip():
        raise BlankNameError
    return contact


def _values_in(written: bytes) -> dict[str, Any]:
    try:
        return _values.decode(written)
    except msgspec.ValidationError as error:
        # A number of thousands of digits; to what reads it, it is no better than no JSON.
        raise msgspec.DecodeError(str(error)) from None


def _unwrapped(value: object) -> object:
    return unwrapped(value) if type(value) is dict else value


def _fits(value: object, field_type: object) -> bool:
    try:
        msgspec.convert(value, field_type, strict=False)
    except msgspec.ValidationError:
        return False
    return True


def _sex_in(value: object) -> int | None:
    """Return the number that a value of `sex` means; None if it means none."""
    if value is None:
        return Sex.UNKNOWN
    if type(value) is int:  # and not bool
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, str):
        return None
    word = value.strip().lower()
    if _WHOLE_NUMBER.fullmatch(word):
        return int(word.partition(".")[0])
    return _SEX_WORDS.get(word)
