"""From the bytes of a reply to its contacts: one pass where it is sound."""

from collections.abc import Callable, Generator
from typing import Generic

import msgspec

from wxcontacts_async._decoding.contact import has_a_blank_name, holds_raw
from wxcontacts_async._decoding.envelope import Envelope, Lists
from wxcontacts_async._decoding.mismatch import check_code, check_keys
from wxcontacts_async._decoding.pieces import PIECE, PiecewiseDecoder
from wxcontacts_async._decoding.salvage import DamagedReplyDecoder, first_fields, strange_keys
from wxcontacts_async._decoding.verdict import Ready, Unready, Verdicts
from wxcontacts_async._json.text import TooManyRepairsError, encoding_of, without_bom
from wxcontacts_async._messages import says_initializing, says_throttled
from wxcontacts_async.contacts import ContactT
from wxcontacts_async.errors import InvalidArgumentError

_DECODING = 1  # raised when a reply is decoded into other contacts than before


class ReplyDecoder(Generic[ContactT]):
    """Decodes the replies of `getAllContact` into contacts of one type.

    Arguments:
        contact_type: `Contact` or a subclass of it.
        is_initializing: Tells from a reply's code and message whether it means "initializing".
        is_throttled: Tells from them whether a refusal means that the instance was called too
            often.

    Attributes:
        keeps_no_body: Whether what is decoded holds nothing of the body.
        signature: Equal for decoders that make the same contacts of the same reply; None if that
            cannot be told, as a predicate of the caller's has its say.

    Raises:
        InvalidArgumentError: `contact_type` has a field that cannot be decoded.

    """

    def __init__(
        self,
        contact_type: type[ContactT],
        is_initializing: Callable[[str, str], bool],
        is_throttled: Callable[[str, str], bool] = says_throttled,
    ) -> None:
        self._verdicts = Verdicts(is_initializing, is_throttled)
        self.signature = _signature(contact_type, is_initializing)
        try:
            self._damaged: DamagedReplyDecoder[ContactT] = DamagedReplyDecoder(
                contact_type, self._verdicts, self._in_one_pass
            )
            # Lax, since the document's table has "1" where its sample has 1.
            self._reply = msgspec.json.Decoder(
                Envelope[Lists[tuple[contact_type, ...]]],  # type: ignore[valid-type]  # made at run time
                strict=False,
            )
            self._pieces = PiecewiseDecoder(contact_type, self._verdicts, self._reply.decode)
            self.keeps_no_body = not holds_raw(contact_type)
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
        return self._damaged.decode(bytes(body), content_type, sound_text=sound_text)

    def decode_in_pieces(
        self,
        body: memoryview,
        content_type: str = "",
        *,
        piece: int = PIECE,
    ) -> Generator[None, None, Ready[ContactT] | Unready]:
        """Decode and classify one reply, with a `yield` behind each piece of it where that can be.

        Arguments:
            body: As received, in memory that can be written. At each `yield` and in the end it is
                as it was.
            content_type: As for `decode`.
            piece: How many bytes are decoded between two `yield`.

        Raises:
            ReplyDecodeError: The body is no reply of `getAllContact`.

        """
        reply = yield from self._pieces.decode(body, piece)
        return self.decode(body, content_type) if reply is None else reply

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
            return self._verdicts.of_words(text)
        return self._verdicts.of(fields.get("code"), fields.get("message"), fields.get("msg"))

    def _result(
        self,
        reply: Envelope[Lists[tuple[ContactT, ...]]],
        body: bytes | memoryview,
    ) -> Ready[ContactT] | Unready | None:
        """Return what a decoded reply says; None if a contact of it has a blank id."""
        verdict = self._verdicts.of(reply.code, reply.message, reply.msg)
        if verdict is not None:
            return verdict
        if not reply.code:
            check_code(reply.code, bytes(body))
        lists = reply.data
        if lists is None:
            return Ready((), (), ())
        public, friend, group = lists.public, lists.friend, lists.group
        if public is friend is group is None:
            check_keys(strange_keys(bytes(body)))
        official_accounts, friends, groups = public or (), friend or (), group or ()
        if has_a_blank_name(official_accounts, friends, groups):
            return None
        return Ready(official_accounts, friends, groups)

    def _in_one_pass(self, text: bytes) -> Ready[ContactT] | Unready | None:
        try:
            reply = self._reply.decode(text)
        except Exception:  # noqa: BLE001  # contact_type may raise what it likes
            return None
        return self._result(reply, text)


def _signature(
    contact_type: type[ContactT],
    is_initializing: Callable[[str, str], bool],
) -> str | None:
    """Tell how replies are decoded; another version of this library may do it otherwise."""
    if is_initializing is not says_initializing:
        return None
    try:
        schema = msgspec.json.encode(msgspec.json.schema(contact_type), order="sorted").decode()
    except TypeError:  # a type of the caller's that msgspec knows nothing of
        return None
    return f"{_DECODING} {contact_type.__module__}.{contact_type.__qualname__} {schema}"
