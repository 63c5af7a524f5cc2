"""Bytes to replies: encode a request, decode and classify a reply, salvage a damaged one.

A sound reply is decoded in one pass. Only one that this pass refuses is looked at again, contact
by contact, so that what is wrong with one contact costs no other, and damaged text is repaired.
"""

import re
from asyncio import CancelledError
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from wxcontacts_async._typing import ContactT
from wxcontacts_async.contacts import ContactKind, RejectedContact
from wxcontacts_async.errors import InvalidArgumentError, ReplyDecodeError, WxContactsError
from wxcontacts_async.messages import says_throttled
from wxcontacts_async.outline import TooManyPartsError
from wxcontacts_async.parts import RawJSON, take_apart
from wxcontacts_async.repair import (
    GB18030,
    UTF_8,
    TooManyRepairsError,
    check_repairable,
    encoding_of,
    with_sound_strings,
    without_bom,
)

SUCCESS_CODE = "1000"

_Data = TypeVar("_Data")
_Item = TypeVar("_Item")
_LONGEST_SHOWN_BODY = 60
_PERHAPS_CONTACTS = re.compile(rb'"\s*[:,]|userName|wxid_|gh_|@chatroom')
_QUOTED_VALUE = re.compile(r"'.*'", re.DOTALL)


class Ready(msgspec.Struct, Generic[ContactT], frozen=True, gc=False):
    """The reply with the contacts, in the order received."""

    official_accounts: tuple[ContactT, ...]
    friends: tuple[ContactT, ...]
    groups: tuple[ContactT, ...]
    rejected: tuple[RejectedContact, ...] = ()


class Initializing(msgspec.Struct, frozen=True, gc=False):
    """The reply that says: come back later."""


class Throttled(msgspec.Struct, frozen=True, gc=False):
    """The reply that says that calls are too frequent."""

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
_loose_contact = msgspec.json.Decoder(dict[str, Any])


def encode_request(w_id: str) -> bytes:
    """Encode the request's body: `{"wId": ...}`."""
    return _encoder.encode(_Request(w_id))


class _NoObjectError(ValueError):
    """What stands in a list of contacts is no object, so there is nothing to decode."""


class ReplyDecoder(Generic[ContactT]):
    """Decodes the replies of `getAllContact` into contacts of one type.

    Arguments:
        contact_type: `Contact` or a subclass of it.
        is_initializing: Tells from a reply's code and message whether it means "initializing".

    Raises:
        InvalidArgumentError: `contact_type` has a field that cannot be decoded.

    """

    def __init__(
        self,
        contact_type: type[ContactT],
        is_initializing: Callable[[str, str], bool],
        is_throttled: Callable[[str, str], bool] = says_throttled,
    ) -> None:
        self._is_throttled = is_throttled
        self._contact_type = contact_type
        self._is_initializing = is_initializing
        self._text_fields = _optional_text_fields(contact_type)
        try:
            # Lax, since the document's table has "1" where its sample has 1.
            self._contact = msgspec.json.Decoder(contact_type, strict=False)
            self._reply = msgspec.json.Decoder(
                _Envelope[_Lists[contact_type]],  # type: ignore[valid-type]  # made at run time
                strict=False,
            )
        except (TypeError, NameError) as error:
            msg = f"contact_type {contact_type.__name__} cannot be decoded: {error}"
            raise InvalidArgumentError(msg) from error

    def decode(
        self, body: bytes, content_type: str = ""
    ) -> Ready[ContactT] | Initializing | Refused:
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
            return self._decode_damaged(body, content_type, error)
        return self._sorted(reply, body)

    def _sorted(
        self,
        reply: "_Envelope[_Lists[ContactT]]",
        body: bytes,
    ) -> Ready[ContactT] | Initializing | Refused:
        verdict = self._classify(reply.code, reply.message, reply.msg, body)
        if verdict is not None:
            return verdict
        lists = reply.data
        if lists is None:
            return Ready((), (), ())
        return Ready(lists.public or (), lists.friend or (), lists.group or ())

    def _classify(
        self,
        code: object,
        message: object,
        msg: object,
        body: bytes,
    ) -> Initializing | Refused | None:
        """Tell what a reply is by its code and message; None is success."""
        code, message, msg = _as_written(code), _as_written(message), _as_written(msg)
        if self._says_initializing(code, message or msg) or (
            message and msg and self._says_initializing(code, msg)
        ):
            return Initializing()
        if code == SUCCESS_CODE:
            return None
        if not code:
            raise _no_reply(body, "a JSON object without a code")
        if self._is_throttled(code, message or msg):
            return Throttled(code, message or msg)
        return Refused(code, message or msg)

    def verdict(self, body, content_type=""):
        try:
            env = msgspec.json.decode(body, type=_Envelope[Any], strict=False)
            v = self._classify(env.code, env.message, env.msg, body)
            return v
        except Exception:
            return None

    def _says_initializing(self, code: str, message: str) -> bool:
        try:
            return self._is_initializing(code, message)
        except (Exception, CancelledError) as error:
            # It is not ours and awaits nothing; so whatever it raises is a bug in it.
            what = f"is_initializing raised {type(error).__name__}"
            raise WxContactsError(what, advice="See the cause.") from error

    def _decode_damaged(
        self,
        body: bytes,
        content_type: str,
        error: Exception,
    ) -> Ready[ContactT] | Initializing | Refused:
        """Look again at a reply that is not as expected, keeping all that can be kept."""
        encoding = encoding_of(body, content_type)
        try:
            if encoding != GB18030:  # but another, or with a byte order mark
                body = without_bom(body, encoding)
            check_repairable(body)
            text = without_bom(body, encoding) if encoding == GB18030 else body
            if encoding != UTF_8 and (reply := self._decoded(text)):
                return self._sorted(reply, text)
            if encoding != UTF_8 or not isinstance(error, msgspec.ValidationError):
                # Mostly it is the text that is wrong and nothing else, so one pass may do again.
                text = with_sound_strings(text)
                if reply := self._decoded(text):
                    return self._sorted(reply, text)
            return self._salvage(body, encoding if encoding == GB18030 else UTF_8)
        except (TooManyPartsError, TooManyRepairsError) as too_many:
            raise _no_reply(body, f"a damaged one of {too_many}") from None

    def _decoded(self, text: bytes) -> "_Envelope[_Lists[ContactT]] | None":
        try:
            return self._reply.decode(text)
        except Exception:  # noqa: BLE001  # contact_type may raise what it likes
            return None

    def _salvage(self, body: bytes, encoding: str) -> Ready[ContactT] | Initializing | Refused:
        """Decode a reply contact by contact."""
        parts = take_apart(body, encoding)
        if parts is None:
            raise _no_reply(body)
        verdict = self._classify(parts.code, parts.message, parts.msg, body)
        if verdict is not None:
            return verdict
        if parts.lists is None:
            raise _no_reply(body, "a success whose data is no JSON object")
        rejected: list[RejectedContact] = []
        official_accounts, friends, groups = (
            self._salvage_list(kind, parts.lists.get(kind, ()), encoding, rejected)
            for kind in ContactKind
        )
        return Ready(official_accounts, friends, groups, tuple(rejected))

    def _salvage_list(
        self,
        kind: ContactKind,
        raw_contacts: Sequence[RawJSON] | RawJSON,
        encoding: str,
        rejected: list[RejectedContact],
    ) -> tuple[ContactT, ...]:
        """Decode one list contact by contact; what cannot be decoded goes into `rejected`."""
        if isinstance(raw_contacts, RawJSON):
            rejected.append(RejectedContact(kind, bytes(raw_contacts), "not a list"))
            return ()
        contacts: list[ContactT] = []
        for raw in raw_contacts:
            try:
                contacts.append(self._contact_in(raw, encoding))
            except Exception as error:  # noqa: BLE001  # contact_type may raise what it likes
                rejected.append(RejectedContact(kind, bytes(raw), _reason(error)))
        return tuple(contacts)

    def _contact_in(self, raw: RawJSON, encoding: str) -> ContactT:
        """Decode one contact: as it is, else with its text repaired."""
        written = bytes(raw)
        if not written.startswith(b"{"):
            raise _NoObjectError
        if encoding == UTF_8:
            try:
                return self._by_its_meaning(written)
            except Exception:
                sound = with_sound_strings(written)
                if sound == written:
                    raise
        else:
            sound = with_sound_strings(written, encoding)
        return self._by_its_meaning(sound)

    def _by_its_meaning(self, raw: bytes) -> ContactT:
        """Decode one contact as it should be, else by what it means."""
        try:
            return self._contact.decode(raw)
        except msgspec.ValidationError:
            return self._coerced(raw)

    def _coerced(self, raw: bytes) -> ContactT:
        """Decode a contact whose values are plain in meaning but not of the document's type."""
        fields = _loose_contact.decode(raw)
        sex = fields.get("sex")
        if sex is None or sex == "":
            fields.pop("sex", None)
        elif isinstance(sex, float) and sex.is_integer():
            fields["sex"] = int(sex)
        for name in self._text_fields:
            value = fields.get(name)
            if isinstance(value, int | float):
                fields[name] = _encoder.encode(value).decode()
        return msgspec.convert(fields, self._contact_type, strict=False)


def _optional_text_fields(contact_type: type[ContactT]) -> tuple[str, ...]:
    """Return the wire names of the fields that hold text or null."""
    return tuple(
        field.encode_name
        for field in msgspec.structs.fields(contact_type)
        if field.type == str | None
    )


def _as_written(value: object) -> str:
    """Return a code or a message as text, however it was written: 1000, "1000", 1000.0."""
    if isinstance(value, str):
        return value.strip()
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return _encoder.encode(value).decode()


def _reason(error: Exception) -> str:
    """Say what was wrong with a contact, without its values."""
    if isinstance(error, msgspec.DecodeError):
        return _QUOTED_VALUE.sub("...", str(error))
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, _NoObjectError):
        return "not an object"
    if isinstance(error, TooManyRepairsError):
        return str(error)
    return type(error).__name__


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
