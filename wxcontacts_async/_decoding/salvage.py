"""The damaged path: a reply that one pass refuses, of which all is kept that can be read.

Its text is repaired, and it is taken apart, so that what is wrong with one contact costs no other.
What has no readable id, or is no whole object, is rejected with its bytes.
"""

import re
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Any, Generic

import msgspec

from wxcontacts_async._decoding.contact import NOT_JSON, BlankNameError, ContactDecoder, RawJSON
from wxcontacts_async._decoding.mismatch import check_code, check_keys, no_reply
from wxcontacts_async._decoding.verdict import Ready, Unready, Verdicts
from wxcontacts_async._json.scanner import (
    LISTS,
    Allowance,
    OutlineError,
    Span,
    TooManyPartsError,
    check_number_of_contacts,
    first_members,
    outline,
)
from wxcontacts_async._json.text import (
    GB18030,
    UTF_8,
    TooManyRepairsError,
    check_repairable,
    encoding_of,
    with_sound_strings,
    without_bom,
    without_gb_characters,
)
from wxcontacts_async.contacts import ContactKind, ContactT, FlawedContact, RejectedContact

_QUOTED_VALUE = re.compile(r"'.*'", re.DOTALL)
# Reading a contact that is no JSON takes less than a microsecond a member, so this is some
# seconds: enough for one such value in each contact of the largest account known, of 150,000.
_MOST_MEMBERS = 3_000_000
_LONGEST_VOID = 64
# Every value behind one costs msgspec some memory, so there may be enough of them for 64 MiB of
# contacts, and no more.
_MOST_COMMAS = 3_000_000


class _NoObjectError(ValueError):
    """What stands in a list of contacts is no object, so there is nothing to decode."""


class DamagedReplyDecoder(Generic[ContactT]):
    """Decodes the replies that one pass refuses.

    Arguments:
        contact_type: `Contact` or a subclass of it.
        verdicts: Tells what replies say by their code and message.
        in_one_pass: Decodes a body; None if it cannot.

    Raises:
        TypeError: `contact_type` has a field that cannot be decoded.

    """

    def __init__(
        self,
        contact_type: type[ContactT],
        verdicts: Verdicts,
        in_one_pass: Callable[[bytes], Ready[ContactT] | Unready | None],
    ) -> None:
        self._contact = ContactDecoder(contact_type)
        self._verdicts = verdicts
        self._in_one_pass = in_one_pass

    def decode(
        self,
        body: bytes,
        content_type: str,
        *,
        sound_text: bool,
    ) -> Ready[ContactT] | Unready:
        """Keep all that can be kept of a reply.

        Arguments:
            body: As received.
            content_type: Its Content-Type, whose charset is looked at.
            sound_text: Whether it is JSON, so that only its values are amiss.

        Raises:
            ReplyDecodeError: It is no reply of `getAllContact`, or has too much to repair.

        """
        encoding = encoding_of(body, content_type)
        try:
            if encoding != GB18030:  # but another, or with a byte order mark
                body = without_bom(body, encoding)
            if not is_sound(body):
                check_repairable(body)
            text = without_bom(body, encoding) if encoding == GB18030 else body
            if encoding != UTF_8 and (result := self._in_one_pass(text)):
                return result
            if encoding != UTF_8 or not sound_text:
                # Mostly it is the text that is wrong and nothing else, so one pass may do again.
                text = with_sound_strings(text)
                if result := self._in_one_pass(text):
                    return result
            return self._salvage(body, encoding if encoding == GB18030 else UTF_8)
        except (TooManyPartsError, TooManyRepairsError) as too_many:
            raise no_reply(body, f"a damaged one of {too_many}") from None

    def _salvage(self, body: bytes, encoding: str) -> Ready[ContactT] | Unready:
        """Decode a reply contact by contact."""
        parts = _take_apart(body, encoding)
        if parts is None:
            raise no_reply(body)
        verdict = self._verdicts.of(parts.code, parts.message, parts.msg)
        if verdict is not None:
            return verdict
        check_code(parts.code, body)
        if parts.lists is None:
            raise no_reply(body, "a success whose data is no JSON object")
        check_keys(parts.strange_keys)
        salvage = _Salvage(self._contact, encoding)
        official_accounts, friends, groups = (
            salvage.contacts_in(parts.lists.get(kind, ()), kind) for kind in ContactKind
        )
        rejected, flawed = tuple(salvage.rejected), tuple(salvage.flawed)
        return Ready(official_accounts, friends, groups, rejected, flawed)


class _Salvage(Generic[ContactT]):
    """What is salvaged of one reply.

    Arguments:
        decoder: Decodes its contacts.
        encoding: The reply's.

    Attributes:
        rejected: What could not be decoded, with its bytes.
        flawed: Which contacts lack a value that could not be decoded.

    """

    def __init__(self, decoder: ContactDecoder[ContactT], encoding: str) -> None:
        self.rejected: list[RejectedContact] = []
        self.flawed: list[FlawedContact] = []
        self._decoder = decoder
        self._encoding = encoding
        self._allowance = Allowance(_MOST_MEMBERS)

    def contacts_in(
        self,
        raw_contacts: Sequence[RawJSON] | RawJSON,
        kind: ContactKind,
    ) -> tuple[ContactT, ...]:
        """Decode one list contact by contact."""
        if isinstance(raw_contacts, RawJSON):
            self.rejected.append(RejectedContact(kind, bytes(raw_contacts), "not a list"))
            return ()
        contacts: list[ContactT] = []
        for raw in raw_contacts:
            try:
                contact, lost = self._contact_in(bytes(raw))
            except Exception as error:  # noqa: BLE001  # contact_type may raise what it likes
                self.rejected.append(RejectedContact(kind, bytes(raw), _reason(error)))
                continue
            contacts.append(contact)
            if lost:
                self.flawed.append(FlawedContact(kind, contact.user_name, lost, bytes(raw)))
        return tuple(contacts)

    def _contact_in(self, written: bytes) -> tuple[ContactT, tuple[str, ...]]:
        """Decode one contact: as it is, else with its text repaired, else value by value."""
        if not written.startswith(b"{"):
            raise _NoObjectError
        if self._encoding == UTF_8:
            try:
                return self._decoder.decode(written)
            except msgspec.ValidationError:
                raise
            except NOT_JSON as error:
                no_json: Exception = error
        sound = with_sound_strings(written, self._encoding)
        if sound != written or self._encoding != UTF_8:
            try:
                return self._decoder.decode(sound)
            except msgspec.ValidationError:
                raise
            except NOT_JSON as error:
                no_json = error
        try:
            return self._decoder.member_by_member(sound, self._allowance)
        except OutlineError:
            raise no_json from None


def _reason(error: Exception) -> str:
    """Say what was wrong with a contact, without its values."""
    if _is_of_contact_type(error):
        return type(error.__cause__ or error).__name__  # what it says may quote a contact
    match error:
        case msgspec.DecodeError():
            reason = _QUOTED_VALUE.sub("...", str(error))
        case RecursionError():
            reason = "nested too deeply"
        case _NoObjectError():
            reason = "not an object"
        case BlankNameError():
            reason = "userName is blank"
        case TooManyRepairsError() | TooManyPartsError():
            reason = str(error)
        case _:
            reason = type(error).__name__
    return reason


def _is_of_contact_type(error: Exception) -> bool:
    """Tell whether code of a contact type raised it, such as `__post_init__`."""
    if isinstance(error, msgspec.ValidationError) and error.__cause__ is not None:
        return True  # msgspec has wrapped it
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    raised_in = traceback.tb_frame.f_globals.get("__name__", "") if traceback else __name__
    return not raised_in.startswith(__name__.partition(".")[0] + ".")


class _Parts(msgspec.Struct, frozen=True, gc=False):
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


def _take_apart(body: bytes, encoding: str) -> _Parts | None:
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


def _take_json_apart(body: bytes) -> _Parts:
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
    return _Parts(envelope.code, envelope.message, envelope.msg, lists, keys)


def _contacts(raw: msgspec.Raw) -> list[msgspec.Raw] | msgspec.Raw:
    try:
        return _list.decode(raw)
    except msgspec.ValidationError:
        return raw


def _take_damaged_apart(body: bytes, encoding: str) -> _Parts:
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
    return _Parts(code, message, msg, lists, _strange([*known, *found.other_keys]))


def _is_void(raw: RawJSON) -> bool:
    """Tell whether a list, or all of data, is there at all: null, "", [] and {} are not."""
    written = memoryview(raw)
    return len(written) < _LONGEST_VOID and bytes(written).translate(None, b" \t\r\n") in {
        b"null",
        b'""',
        b"[]",
        b"{}",
    }
