"""Bytes to replies: encode a request, decode and classify a reply.

A sound reply is decoded in one pass. Only one that this pass refuses is looked at again: its text
is repaired, and it is taken apart, so that what is wrong with one contact costs no other.
"""

import re
from asyncio import CancelledError
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Generic, TypeVar

import msgspec

from wxcontacts_async._decoding.messages import says_throttled
from wxcontacts_async._decoding.parts import first_fields, is_sound, strange_keys, take_apart
from wxcontacts_async._decoding.salvage import ContactDecoder, Salvage
from wxcontacts_async._json.scanner import TooManyPartsError
from wxcontacts_async._json.text import (
    GB18030,
    UTF_8,
    TooManyRepairsError,
    check_repairable,
    encoding_of,
    with_sound_strings,
    without_bom,
)
from wxcontacts_async.contacts import Contact, ContactKind, ContactT, FlawedContact, RejectedContact
from wxcontacts_async.errors import InvalidArgumentError, ReplyDecodeError, WxContactsError

SUCCESS_CODE = "1000"

_Data = TypeVar("_Data")
_Item = TypeVar("_Item")
_LONGEST_SHOWN_BODY = 60
_LONGEST_WORDS = 1024
_PERHAPS_CONTACTS = re.compile(rb'"\s*[:,]|userName|wxid_|gh_|@chatroom')
_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
# What field names are made of, and what those of contacts mostly are not.
_PART_OF_FIELD_NAME = re.compile(
    "contact|friend|group|public|list|data|user|member|chat|room|code|msg|message|result|total"
    "|count|page|status|error|info",
    re.IGNORECASE,
)
_LIKE_AN_ID = re.compile(r"^(?:wxid|gh)_|@|[0-9]{5}")
_MOST_KEYS_SHOWN = 5
_LONGEST_KEY_SHOWN = 40


class Ready(msgspec.Struct, Generic[ContactT], frozen=True, gc=False):
    """The reply with the contacts, in the order received."""

    official_accounts: tuple[ContactT, ...]
    friends: tuple[ContactT, ...]
    groups: tuple[ContactT, ...]
    rejected: tuple[RejectedContact, ...] = ()
    flawed: tuple[FlawedContact, ...] = ()


class Initializing(msgspec.Struct, frozen=True, gc=False):
    """The reply that says: come back later, with the gateway's message."""

    message: str = ""


class Throttled(msgspec.Struct, frozen=True, gc=False):
    """The reply that says that the instance was called too often, with its code and message."""

    code: str
    message: str


class Refused(msgspec.Struct, frozen=True, gc=False):
    """The reply that says no, with the gateway's code and message."""

    code: str
    message: str


class _Envelope(msgspec.Struct, Generic[_Data], gc=False):
    """What stands around the lists. The document's table says `msg`, its sample `message`."""

    code: str | int | None = None
    message: str | None = None
    msg: str | None = None
    data: _Data | None = None


class _Lists(msgspec.Struct, Generic[_Item], gc=False):
    public: tuple[_Item, ...] | None = None
    friend: tuple[_Item, ...] | None = None
    group: tuple[_Item, ...] | None = None


class _Request(msgspec.Struct, gc=False, rename={"w_id": "wId"}):
    w_id: str


_encoder = msgspec.json.Encoder()
# What a reply is that has no contacts.
Unready = Initializing | Throttled | Refused


def encode_request(w_id: str) -> bytes:
    """Encode the request's body: `{"wId": ...}`."""
    return _encoder.encode(_Request(w_id))


class ReplyDecoder(Generic[ContactT]):
    """Decodes the replies of `getAllContact` into contacts of one type.

    Arguments:
        contact_type: `Contact` or a subclass of it.
        is_initializing: Tells from a reply's code and message whether it means "initializing".
        is_throttled: Tells from them whether a refusal means that the instance was called too
            often.

    Raises:
        InvalidArgumentError: `contact_type` has a field that cannot be decoded.

    """

    def __init__(
        self,
        contact_type: type[ContactT],
        is_initializing: Callable[[str, str], bool],
        is_throttled: Callable[[str, str], bool] = says_throttled,
    ) -> None:
        self.keeps_no_body = contact_type is Contact
        self._is_initializing = _guarded("is_initializing", is_initializing)
        self._is_throttled = _guarded("is_throttled", is_throttled)
        try:
            self._contact = ContactDecoder(contact_type)
            # Lax, since the document's table has "1" where its sample has 1.
            self._reply = msgspec.json.Decoder(
                _Envelope[_Lists[contact_type]],  # type: ignore[valid-type]  # made at run time
                strict=False,
            )
        except (TypeError, NameError) as error:
            msg = f"contact_type {contact_type.__name__} cannot be decoded: {error}"
            raise InvalidArgumentError(msg, argument="contact_type") from error

    def decode(
        self,
        body: bytes | memoryview,
        content_type: str = "",
    ) -> Ready[ContactT] | Unready:
        """Decode and classify one reply.

        Arguments:
            body: As received.
            content_type: The reply's Content-Type; its charset is looked at only where the body
                is not what it should be, since sound JSON is UTF-8 whatever its label says.

        Raises:
            ReplyDecodeError: The body is no reply of `getAllContact`.

        """
        try:
            reply = self._reply.decode(body)
        except Exception as error:  # noqa: BLE001  # contact_type may raise what it likes
            sound_text = isinstance(error, msgspec.ValidationError)
        else:
            if result := self._result(reply, body):
                return result
            sound_text = True
        return self._decode_damaged(bytes(body), content_type, sound_text=sound_text)

    def verdict(self, body: bytes, content_type: str = "") -> Unready | None:
        """Tell what the body of an answer says that is none of success by its HTTP status.

        Arguments:
            body: As received, or its beginning; it may be anything.
            content_type: Its Content-Type.

        Returns:
            None if it is no reply, or one that says success.

        Raises:
            WxContactsError: A predicate has raised something.

        """
        try:
            text = without_bom(body, encoding_of(body, content_type))
            fields = first_fields(text)
        except TooManyRepairsError:
            return None
        if not fields:
            return self._verdict_of_words(text)
        return self._classify(fields.get("code"), fields.get("message"), fields.get("msg"))

    def _verdict_of_words(self, text: bytes) -> Initializing | None:
        """Tell whether a short text that is neither JSON nor a page says "initializing"."""
        words = text[:_LONGEST_WORDS].decode(errors="replace").strip()
        is_plain = len(text) <= _LONGEST_WORDS and not words.startswith(("<", "{", "["))
        return Initializing(words) if is_plain and self._is_initializing("", words) else None

    def _result(
        self,
        reply: "_Envelope[_Lists[ContactT]]",
        body: bytes | memoryview,
    ) -> Ready[ContactT] | Unready | None:
        """Return what a decoded reply says; None if a contact of it has a blank id."""
        verdict = self._classify(reply.code, reply.message, reply.msg)
        if verdict is not None:
            return verdict
        if not reply.code:
            _check_code(reply.code, bytes(body))
        lists = reply.data
        if lists is None:
            return Ready((), (), ())
        public, friend, group = lists.public, lists.friend, lists.group
        if public is friend is group is None:
            _check_keys(strange_keys(bytes(body)))
        official_accounts, friends, groups = public or (), friend or (), group or ()
        if _has_a_blank_name(official_accounts, friends, groups):
            return None
        return Ready(official_accounts, friends, groups)

    def _classify(self, code: object, message: object, msg: object) -> Unready | None:
        """Tell what a reply is by its code and message; None is success, or no code at all."""
        written, first, second = _in_full(code), _in_full(message), _in_full(msg)
        if not first:
            message, first, second = msg, second, ""
        if self._is_initializing(written, first):
            return Initializing(_shown(message))
        if second and self._is_initializing(written, second):
            return Initializing(_shown(msg))
        if not written or written == SUCCESS_CODE:
            return None
        if self._is_throttled(written, first):
            return Throttled(_shown(code), _shown(message))
        if second and self._is_throttled(written, second):
            return Throttled(_shown(code), _shown(msg))
        return Refused(_shown(code), _shown(message))

    def _decode_damaged(
        self,
        body: bytes,
        content_type: str,
        *,
        sound_text: bool,
    ) -> Ready[ContactT] | Unready:
        """Look again at a reply that is not as expected, keeping all that can be kept."""
        encoding = encoding_of(body, content_type)
        try:
            if encoding != GB18030:  # but another, or with a byte order mark
                body = without_bom(body, encoding)
            if not is_sound(body):
                check_repairable(body)
            text = without_bom(body, encoding) if encoding == GB18030 else body
            if encoding != UTF_8 and (result := self._decoded(text)):
                return result
            if encoding != UTF_8 or not sound_text:
                # Mostly it is the text that is wrong and nothing else, so one pass may do again.
                text = with_sound_strings(text)
                if result := self._decoded(text):
                    return result
            return self._salvage(body, encoding if encoding == GB18030 else UTF_8)
        except (TooManyPartsError, TooManyRepairsError) as too_many:
            raise _no_reply(body, f"a damaged one of {too_many}") from None

    def _decoded(self, text: bytes) -> Ready[ContactT] | Unready | None:
        try:
            reply = self._reply.decode(text)
        except Exception:  # noqa: BLE001  # contact_type may raise what it likes
            return None
        return self._result(reply, text)

    def _salvage(self, body: bytes, encoding: str) -> Ready[ContactT] | Unready:
        """Decode a reply contact by contact."""
        parts = take_apart(body, encoding)
        if parts is None:
            raise _no_reply(body)
        verdict = self._classify(parts.code, parts.message, parts.msg)
        if verdict is not None:
            return verdict
        _check_code(parts.code, body)
        if parts.lists is None:
            raise _no_reply(body, "a success whose data is no JSON object")
        _check_keys(parts.strange_keys)
        salvage = Salvage(self._contact, encoding)
        official_accounts, friends, groups = (
            salvage.contacts_in(parts.lists.get(kind, ()), kind) for kind in ContactKind
        )
        rejected, flawed = tuple(salvage.rejected), tuple(salvage.flawed)
        return Ready(official_accounts, friends, groups, rejected, flawed)


def _guarded(name: str, predicate: Callable[[str, str], bool]) -> Callable[[str, str], bool]:
    """Return a predicate of which whatever it raises is an error of ours."""

    def says(code: str, message: str) -> bool:
        try:
            return predicate(code, message)
        except (Exception, CancelledError) as error:
            # It is not ours and awaits nothing; so whatever it raises is a bug in it.
            what = f"{name} raised {type(error).__name__}"
            raise WxContactsError(what, advice="See the cause.") from error

    return says


def _in_full(value: object) -> str:
    """Return a code or a message as text, however it was written: 1000, "1000", 1000.0."""
    if isinstance(value, str):
        return value.strip()
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return _encoder.encode(value).decode()


def _shown(value: object) -> str:
    """Return a code or a message as it may be shown: not what stands in an object or a list."""
    match value:
        case dict():
            return "{...}"
        case list():
            return "[...]"
        case _:
            return _in_full(value)


def _has_a_blank_name(*lists: Iterable[Contact]) -> bool:
    # Each name is looked at, some 25 ns a contact, which is the least of all ways in Python;
    # msgspec checks text for white space by a pattern alone, in ten times that.
    for contacts in lists:
        for contact in contacts:
            if not contact.user_name.strip():
                return True
    return False


def _check_code(code: object, body: bytes) -> None:
    if code != SUCCESS_CODE and not _in_full(code):
        raise _no_reply(body, "a JSON object without a code")


def _check_keys(strange_keys: Sequence[str]) -> None:
    """Raise ReplyDecodeError if there are contacts by other keys than those of the document."""
    if strange_keys:
        what = f"a success whose data has no public, friend or group but {_named(strange_keys)}"
        error = _no_reply(b"", what)
        error.transient = False  # it will be the same each time
        raise error


def _named(keys: Sequence[str]) -> str:
    """Name some keys; only count those that may be of contacts, as ids may be keys, too."""
    named = [] if any(map(_LIKE_AN_ID.search, keys)) else filter(_is_field_name, keys)
    shown = [key[:_LONGEST_KEY_SHOWN] for key in islice(named, _MOST_KEYS_SHOWN)]
    if others := len(keys) - len(shown):
        shown.append(f"{others} other{'s' if others > 1 else ''}")
    return ", ".join(shown)


def _is_field_name(key: str) -> bool:
    return bool(_FIELD_NAME.fullmatch(key) and _PART_OF_FIELD_NAME.search(key))


def _no_reply(body: bytes, looks_like: str = "") -> ReplyDecodeError:
    """Make the error that says what a body looked like, and never shows a contact."""
    shown = looks_like or _looks_like(body)
    return ReplyDecodeError(f"the reply is no getAllContact reply but {shown}")


def _looks_like(body: bytes) -> str:
    text = body[:1024].decode(errors="replace").lstrip("\ufeff \t\r\n")
    if not text:
        return "empty"
    match text[0]:
        case "{":
            return f"a damaged JSON object of {len(body)} bytes"
        case "[":
            return f"a JSON list of {len(body)} bytes"
        case "<":
            what = "a web page"
        case _:
            what = "other text"
    if _PERHAPS_CONTACTS.search(body):
        return f"{what} of {len(body)} bytes"
    return f"{what} of {len(body)} bytes that begins {text[:_LONGEST_SHOWN_BODY].strip()!r}"
