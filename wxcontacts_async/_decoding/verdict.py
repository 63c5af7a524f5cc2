"""What a reply without contacts says, told from its code and message."""

from asyncio import CancelledError
from collections.abc import Callable
from typing import Generic, TypeAlias

import msgspec

from wxcontacts_async.contacts import ContactT, FlawedContact, RejectedContact
from wxcontacts_async.errors import WxContactsError

SUCCESS_CODE = "1000"
_LONGEST_WORDS = 1024
_encoder = msgspec.json.Encoder()


class Ready(msgspec.Struct, Generic[ContactT], frozen=True, gc=False):
    """The reply with the contacts, in the order received.

    Attributes:
        digest: The digest of its bytes, if that was asked for and no contact of it was odd.

    """

    official_accounts: tuple[ContactT, ...]
    friends: tuple[ContactT, ...]
    groups: tuple[ContactT, ...]
    rejected: tuple[RejectedContact, ...] = ()
    flawed: tuple[FlawedContact, ...] = ()
    digest: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether all of its contacts are as the gateway has them."""
        return not (self.rejected or self.flawed)


class Recognized(msgspec.Struct, Generic[ContactT], frozen=True, gc=False):
    """A reply with contacts that is not decoded, as its digest is known.

    Attributes:
        digest: The digest.
        decode: Decodes it all the same.

    """

    digest: str
    decode: Callable[[], Ready[ContactT]]


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


# What a reply is that has no contacts.
Unready = Initializing | Throttled | Refused
# What any reply is, whether its contacts are decoded or not.
DecodedReply: TypeAlias = Ready[ContactT] | Recognized[ContactT] | Unready


class Verdicts:
    """Tells what replies say by their code and message.

    Arguments:
        is_initializing: Tells from a reply's code and message whether it means "initializing".
        is_throttled: Tells from them whether a refusal means that the instance was called too
            often.

    """

    def __init__(
        self,
        is_initializing: Callable[[str, str], bool],
        is_throttled: Callable[[str, str], bool],
    ) -> None:
        self._is_initializing = _guarded("is_initializing", is_initializing)
        self._is_throttled = _guarded("is_throttled", is_throttled)

    def of(self, code: object, message: object, msg: object) -> Unready | None:
        """Tell what a reply is by its code and message; None is success, or no code at all."""
        written, first, second = in_full(code), in_full(message), in_full(msg)
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

    def of_words(self, text: bytes) -> Initializing | None:
        """Tell whether a short text that is neither JSON nor a page says "initializing"."""
        words = text[:_LONGEST_WORDS].decode(errors="replace").strip()
        is_plain = len(text) <= _LONGEST_WORDS and not words.startswith(("<", "{", "["))
        return Initializing(words) if is_plain and self._is_initializing("", words) else None


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


def in_full(value: object) -> str:
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
            return in_full(value)
