"""Takes a reply apart into its fields and its contacts, each contact still as it was received."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from wxcontacts_async._json.scanner import (
    LISTS,
    OutlineError,
    Span,
    check_number_of_contacts,
    first_members,
    outline,
)
from wxcontacts_async._json.text import UTF_8, with_sound_strings, without_gb_characters

# As `msgspec.Raw` if msgspec took the reply apart, which copies nothing.
RawJSON = bytes | msgspec.Raw

NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_LONGEST_VOID = 64
# Every value behind one costs msgspec some memory, so there may be enough of them for 64 MiB of
# contacts, and no more.
_MOST_COMMAS = 3_000_000


class Parts(msgspec.Struct, frozen=True, gc=False):
    """A reply taken apart.

    Attributes:
        code: Its `code`, of whatever type; None if it is absent or cannot be read.
        message: Its `message`, likewise.
        msg: Its `msg`, likewise.
        lists: The contacts of each list by its key; a single value if it is no list. None if
            `data` is there and is no object.
        strange_keys: The keys of `data`, if it has some and none of them is that of a list.

    """

    code: object
    message: object
    msg: object
    lists: dict[str, Sequence[RawJSON] | RawJSON] | None
    strange_keys: tuple[str, ...] = ()


class _Envelope(msgspec.Struct, gc=False):
    code: Any = None
    message: Any = None
    msg: Any = None
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Nothing(msgspec.Struct, gc=False):
    """An object of which no member is kept."""


_nothing = msgspec.json.Decoder(_Nothing)
_envelope = msgspec.json.Decoder(_Envelope)
_lists = msgspec.json.Decoder(dict[str, msgspec.Raw])
_list = msgspec.json.Decoder(list[msgspec.Raw])
_value = msgspec.json.Decoder()


def take_apart(body: bytes, encoding: str) -> Parts | None:
    """Take a reply apart; None if it is not one whole object.

    msgspec does it where it can, that is where nothing is wrong but shapes and bytes that are
    not UTF-8, and it is a few times as fast.

    Raises:
        TooManyPartsError: It has too many parts to look at them one by one.

    """
    if encoding == UTF_8 and body.count(b",") <= _MOST_COMMAS:
        with suppress(*NOT_JSON):
            return _take_json_apart(body)
    with suppress(OutlineError):
        return _take_damaged_apart(body, encoding)
    return None


def is_sound(body: bytes) -> bool:
    """Tell whether a body is JSON in UTF-8, so that nothing of its text is to be repaired."""
    try:
        _nothing.decode(body)  # which reads all of it, and looks at no UTF-8
        body.decode()
    except NOT_JSON:
        return False
    return True


def strange_keys(body: bytes) -> tuple[str, ...]:
    """Return the keys of the `data` of sound JSON, if it has some and none is that of a list."""
    data = _envelope.decode(body).data
    return () if _is_void(data) else _strange(_lists.decode(data))


def first_fields(text: bytes) -> dict[str, object]:
    """Return code, message and msg of a reply that may be cut off, as far as they can be read."""
    found = first_members(text)
    return {key: _read(found[key]) for key in ("code", "message", "msg") if key in found}


def _read(written: bytes, encoding: str = UTF_8) -> object:
    with suppress(*NOT_JSON):
        return _value.decode(with_sound_strings(written, encoding))
    return None


def _strange(keys: Collection[str]) -> tuple[str, ...]:
    return () if LISTS.intersection(keys) else tuple(keys)


def _take_json_apart(body: bytes) -> Parts:
    envelope = _envelope.decode(body)
    keys: tuple[str, ...] = ()
    lists: dict[str, Sequence[RawJSON] | RawJSON] | None = {}
    if not _is_void(envelope.data):
        try:
            values = _lists.decode(envelope.data)
        except msgspec.ValidationError:
            lists = None
        else:
            keys = _strange(values)
            lists = {
                key: _contacts(raw)
                for key, raw in values.items()
                if key in LISTS and not _is_void(raw)
            }
            check_number_of_contacts(
                sum(len(raw) for raw in lists.values() if isinstance(raw, list)),
            )
    return Parts(envelope.code, envelope.message, envelope.msg, lists, keys)


def _contacts(raw: msgspec.Raw) -> list[msgspec.Raw] | msgspec.Raw:
    try:
        return _list.decode(raw)
    except msgspec.ValidationError:
        return raw


def _take_damaged_apart(body: bytes, encoding: str) -> Parts:
    found = outline(body if encoding == UTF_8 else without_gb_characters(body))

    def at(span: Span) -> bytes:
        begin, end = span
        return body[begin:end]

    lists: dict[str, Sequence[RawJSON] | RawJSON] | None = None
    if found.lists is not None:
        lists = {key: [at(span) for span in spans] for key, spans in found.lists.items()}
        for key, span in found.no_lists.items():
            if not _is_void(at(span)):
                lists[key] = at(span)
    elif "data" not in found.fields or _is_void(at(found.fields["data"])):
        lists = {}
    code, message, msg = (
        _read(at(found.fields[key]), encoding) if key in found.fields else None
        for key in ("code", "message", "msg")
    )
    known = [*(found.lists or ()), *found.no_lists]
    return Parts(code, message, msg, lists, _strange([*known, *found.other_keys]))


def _is_void(raw: RawJSON) -> bool:
    """Tell whether a list, or all of data, is there at all: null, "", [] and {} are not."""
    written = memoryview(raw)
    return len(written) < _LONGEST_VOID and bytes(written).translate(None, b" \t\r\n") in {
        b"null",
        b'""',
        b"[]",
        b"{}",
    }
