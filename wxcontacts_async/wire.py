"""Bytes to replies: encode a request, decode and classify a reply, salvage a damaged one.

A sound reply is decoded in one pass. Only one that this pass refuses is looked at again, contact
by contact, so that what is wrong with one contact costs no other.
"""

import re
from asyncio import CancelledError
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from wxcontacts_async._typing import ContactT
from wxcontacts_async.contacts import ContactKind, RejectedContact
from wxcontacts_async.errors import InvalidArgumentError, ReplyDecodeError, WxContactsError

SUCCESS_CODE = "1000"

_Data = TypeVar("_Data")
_Item = TypeVar("_Item")
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_LONGEST_SHOWN_BODY = 60
_LONGEST_VOID = 64
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


class _LooseEnvelope(msgspec.Struct, gc=False):
    code: Any = None
    message: Any = None
    msg: Any = None
    data: msgspec.Raw = msgspec.Raw(b"null")


class _LooseLists(msgspec.Struct, gc=False):
    public: msgspec.Raw = msgspec.Raw(b"null")
    friend: msgspec.Raw = msgspec.Raw(b"null")
    group: msgspec.Raw = msgspec.Raw(b"null")


class _Request(msgspec.Struct, gc=False, rename={"w_id": "wId"}):
    w_id: str


_encoder = msgspec.json.Encoder()
_loose_envelope = msgspec.json.Decoder(_LooseEnvelope)
_loose_lists = msgspec.json.Decoder(_LooseLists)
_loose_list = msgspec.json.Decoder(tuple[msgspec.Raw, ...])
_loose_contact = msgspec.json.Decoder(dict[str, Any])


def encode_request(w_id: str) -> bytes:
    """Encode the request's body: `{"wId": ...}`."""
    return _encoder.encode(_Request(w_id))


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
    ) -> None:
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

    def decode(self, body: bytes) -> Ready[ContactT] | Initializing | Refused:
        """Decode and classify one reply.

        Raises:
            ReplyDecodeError: The body is no reply of `getAllContact`.

        """
        try:
            reply = self._reply.decode(body)
        except Exception:  # noqa: BLE001  # contact_type may raise what it likes
            return self._decode_loosely(body)
        verdict = self._classify(reply, body)
        if verdict is not None:
            return verdict
        lists = reply.data
        if lists is None:
            return Ready((), (), ())
        return Ready(lists.public or (), lists.friend or (), lists.group or ())

    def _classify(
        self,
        reply: "_Envelope[Any] | _LooseEnvelope",
        body: bytes,
    ) -> Initializing | Refused | None:
        """Tell what a reply is by its code and message; None is success."""
        code = _as_written(reply.code)
        message = _as_written(reply.message)
        msg = _as_written(reply.msg)
        if self._says_initializing(code, message or msg) or (
            message and msg and self._says_initializing(code, msg)
        ):
            return Initializing()
        if code == SUCCESS_CODE:
            return None
        if not code:
            raise _no_reply(body, "a JSON object without a code")
        return Refused(code, message or msg)

    def _says_initializing(self, code: str, message: str) -> bool:
        try:
            return self._is_initializing(code, message)
        except (Exception, CancelledError) as error:
            # It is not ours and awaits nothing; so whatever it raises is a bug in it.
            what = f"is_initializing raised {type(error).__name__}"
            raise WxContactsError(what, advice="See the cause.") from error

    def _decode_loosely(self, body: bytes) -> Ready[ContactT] | Initializing | Refused:
        """Look again at a reply that is not as expected, keeping all that can be kept."""
        try:
            reply = _loose_envelope.decode(body)
        except _NOT_JSON:
            raise _no_reply(body) from None
        verdict = self._classify(reply, body)
        if verdict is not None:
            return verdict
        if _is_void(reply.data):
            return Ready((), (), ())
        try:
            lists = _loose_lists.decode(reply.data)
        except _NOT_JSON:
            raise _no_reply(body, "a success whose data is no JSON object") from None
        rejected: list[RejectedContact] = []
        return Ready(
            self._salvage(ContactKind.OFFICIAL_ACCOUNT, lists.public, rejected),
            self._salvage(ContactKind.FRIEND, lists.friend, rejected),
            self._salvage(ContactKind.GROUP, lists.group, rejected),
            tuple(rejected),
        )

    def _salvage(
        self,
        kind: ContactKind,
        raw_list: msgspec.Raw,
        rejected: list[RejectedContact],
    ) -> tuple[ContactT, ...]:
        """Decode one list contact by contact; what cannot be decoded goes into `rejected`."""
        if _is_void(raw_list):
            return ()
        try:
            raw_contacts = _loose_list.decode(raw_list)
        except _NOT_JSON as error:
            rejected.append(RejectedContact(kind, bytes(raw_list), _reason(error)))
            return ()
        contacts: list[ContactT] = []
        for raw in raw_contacts:
            try:
                contacts.append(self._contact.decode(raw))
            except Exception:  # noqa: BLE001  # contact_type may raise what it likes
                try:
                    contacts.append(self._coerced(raw))
                except Exception as error:  # noqa: BLE001
                    rejected.append(RejectedContact(kind, bytes(raw), _reason(error)))
        return tuple(contacts)

    def _coerced(self, raw: msgspec.Raw) -> ContactT:
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


def _is_void(raw: msgspec.Raw) -> bool:
    """Tell whether a list, or all of data, is there at all: null, "", [] and {} are not."""
    written = memoryview(raw)
    return len(written) < _LONGEST_VOID and bytes(written).translate(None, b" \t\r\n") in {
        b"null",
        b'""',
        b"[]",
        b"{}",
    }


def _reason(error: Exception) -> str:
    """Say what was wrong with a contact, without its values."""
    if isinstance(error, msgspec.DecodeError):
        return _QUOTED_VALUE.sub("...", str(error))
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
