"""Decodes a large reply in pieces, so that the event loop can run between them.

A list of contacts is cut at seams, `},{"userName":`. No string of sound JSON holds one, as its own
quote would end that string there. Where the comma of one seam becomes `[` and that of the next one
`]`, there is a list of contacts between them, which is decoded where it stands. What is left
between the lists is the envelope, which is decoded last.

That the result is what one pass would give follows from JSON's grammar alone, wherever the cuts
are: if each piece is a list that is not empty, so are all of them with commas between; and if the
envelope is sound with an empty list in the place of each, so it is with the lists themselves. A
reply of which that cannot be said is none to be decoded in pieces.
"""

import re
from collections.abc import Callable, Generator
from functools import lru_cache
from itertools import chain, islice
from typing import Generic

import msgspec

from wxcontacts_async._decoding.contact import has_a_blank_name
from wxcontacts_async._decoding.envelope import Envelope, Lists
from wxcontacts_async._decoding.verdict import Ready, Unready, Verdicts
from wxcontacts_async.contacts import ContactT

PIECE = 64 * 1024  # bytes, which take a tenth of a millisecond
# Bounds what is searched for a seam, so that no piece is much larger.
_LONGEST_CONTACT = 64 * 1024
_LONGEST_BETWEEN = 16 * 1024
_MOST_LISTS = 3
_MOST_ENDS = 4
_KEY = rb'"(?:public|friend|group)"\s*+:\s*+'
_LIST_BEGINS = re.compile(_KEY + rb'(\[)\s*+\{\s*+("[^"\\]{1,64}+")\s*+:')
_LIST_ENDS = re.compile(rb'\}\s*+(\])\s*+(?:,\s*+%b|\}\s*+(?:,\s*+"|\}))' % _KEY)


@lru_cache(maxsize=16)
def _seam(first_key: bytes) -> re.Pattern[bytes]:
    """Return the pattern of where a contact ends and one begins that has this key first.

    Objects that are nested in contacts mostly begin with another one.
    """
    return re.compile(rb"\}\s*+(,)\s*+\{\s*+%b\s*+:" % re.escape(first_key))


class _MisfitError(ValueError):
    """The reply has another shape, or something in it is damaged."""


class _RawLists(msgspec.Struct, gc=False):
    public: msgspec.Raw = msgspec.Raw()
    friend: msgspec.Raw = msgspec.Raw()
    group: msgspec.Raw = msgspec.Raw()


_raw_lists = msgspec.json.Decoder(Envelope[_RawLists], strict=False)


class PiecewiseDecoder(Generic[ContactT]):
    """Decodes replies in pieces.

    Arguments:
        contact_type: `Contact` or a subclass of it.
        verdicts: Tells what replies say by their code and message.
        in_one_pass: Decodes a whole body.

    Raises:
        TypeError: `contact_type` has a field that cannot be decoded.

    """

    def __init__(
        self,
        contact_type: type[ContactT],
        verdicts: Verdicts,
        in_one_pass: Callable[[bytes], Envelope[Lists[tuple[ContactT, ...]]]],
    ) -> None:
        # Lax, as one pass is.
        self._contacts = msgspec.json.Decoder(
            tuple[contact_type, ...],  # type: ignore[valid-type]  # made at run time
            strict=False,
        )
        self._verdicts = verdicts
        self._in_one_pass = in_one_pass

    def decode(
        self,
        body: memoryview,
        piece: int,
    ) -> Generator[None, None, Ready[ContactT] | Unready | None]:
        """Decode a reply piece by piece, with a `yield` behind each.

        Arguments:
            body: As received, in memory that can be written. It is changed while a piece is
                decoded, and is at each `yield` and in the end as it was.
            piece: How many bytes a piece has, or the rest of a contact more.

        Returns:
            None if the reply must be decoded in one pass.

        Raises:
            WxContactsError: A predicate has raised something.

        """
        between: list[bytes] = []
        lists: list[tuple[ContactT, ...]] = []
        at = 0
        try:
            while begins := _LIST_BEGINS.search(body, at, at + _LONGEST_BETWEEN):
                if len(lists) == _MOST_LISTS:
                    return None
                begin = begins.start(1)
                between.append(bytes(body[at:begin]))
                contacts, at = yield from self._decode_list(body, begin, _seam(begins[2]), piece)
                lists.append(contacts)
            if not lists or len(body) - at > _LONGEST_BETWEEN:
                return None
            between.append(bytes(body[at:]))
            envelope, found = self._put_together(between, lists)
        except _MisfitError:
            return None
        verdict = self._verdicts.of(envelope.code, envelope.message, envelope.msg)
        if verdict is not None or not envelope.code:
            return verdict
        official_accounts, friends, groups = found
        return Ready(official_accounts, friends, groups)

    def _decode_list(
        self,
        body: memoryview,
        begin: int,
        seam: re.Pattern[bytes],
        piece: int,
    ) -> Generator[None, None, tuple[tuple[ContactT, ...], int]]:
        """Decode the list that begins at `begin`; return it, and where it ends."""
        # One list that grows: many tuples would soon call for the garbage collector, which looks
        # at all that they hold.
        contacts: list[ContactT] = []
        while True:
            limit = begin + piece + _LONGEST_CONTACT
            found = seam.search(body, begin + piece, limit)
            end = found.start(1) if found else limit
            some = self._between(body, begin, end) if found else None
            if some is None:
                break
            contacts += some
            yield
            begin = end
        some, end = self._last_piece(body, begin, end)
        yield
        if not contacts:
            return some, end
        contacts += some
        joined = tuple(contacts)
        yield
        contacts.clear()
        return joined, end

    def _last_piece(
        self,
        body: memoryview,
        begin: int,
        limit: int,
    ) -> tuple[tuple[ContactT, ...], int]:
        for found in islice(_LIST_ENDS.finditer(body, begin, limit), _MOST_ENDS):
            end = found.start(1)
            contacts = self._between(body, begin, end)
            if contacts is not None:
                return contacts, end + 1
        raise _MisfitError

    def _between(self, body: memoryview, begin: int, end: int) -> tuple[ContactT, ...] | None:
        """Decode what stands between two commas or brackets; None if it is no JSON."""
        before, behind = body[begin], body[end]
        body[begin], body[end] = b"[]"
        try:
            contacts = self._contacts.decode(body[begin : end + 1])
        except msgspec.ValidationError:
            raise _MisfitError from None
        except msgspec.DecodeError:
            return None
        except Exception:  # noqa: BLE001  # contact_type may raise what it likes
            raise _MisfitError from None
        finally:
            body[begin], body[end] = before, behind
        # While they are in the processor's cache.
        if not contacts or has_a_blank_name(contacts):
            raise _MisfitError
        return contacts

    def _put_together(
        self,
        between: list[bytes],
        lists: list[tuple[ContactT, ...]],
    ) -> tuple[Envelope[Lists[tuple[ContactT, ...]]], list[tuple[ContactT, ...]]]:
        """Return the envelope, and the three lists in the order of the document."""
        marks = [b"[%d]" % number for number in range(len(lists))]
        marked = b"".join(chain.from_iterable(zip(between, [*marks, b""], strict=True)))
        try:
            envelope = self._in_one_pass(b"[]".join(between))
            places = _raw_lists.decode(marked).data
        except Exception:  # noqa: BLE001  # contact_type may raise what it likes
            raise _MisfitError from None
        rest = envelope.data
        # A mark that stands there once is the one that was put there.
        if rest is None or places is None or any(marked.count(mark) != 1 for mark in marks):
            raise _MisfitError
        by_mark = dict(zip(marks, lists, strict=True))
        found = [
            by_mark.pop(bytes(place), contacts or ())
            for place, contacts in (
                (places.public, rest.public),
                (places.friend, rest.friend),
                (places.group, rest.group),
            )
        ]
        # All lists must be the reply's, and of those that were left in the envelope nothing is
        # looked at yet.
        if by_mark or has_a_blank_name(rest.public or (), rest.friend or (), rest.group or ()):
            raise _MisfitError
        return envelope, found
