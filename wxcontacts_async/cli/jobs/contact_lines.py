"""Encodes contacts, failed instances and undecodable contacts as lines of JSON."""

from collections.abc import Iterator, Mapping
from itertools import islice

import msgspec

from wxcontacts_async import ContactSet, Failed, FlawedContact, RejectedContact
from wxcontacts_async.contacts import merged_lists

_LINES_A_PIECE = 1_000

_encode = msgspec.json.Encoder().encode


def exported_lines(contacts: ContactSet) -> Iterator[bytes]:
    """Make one line for each contact of the merged set, with the time of its fetch."""
    return contact_lines(contacts, fetchedAt=contacts.fetched_at)


def contact_lines(contacts: ContactSet, **more: object) -> Iterator[bytes]:
    """Make one line for each contact of the merged set, with these keys as well."""
    for kind, of_kind in merged_lists(contacts):
        begin = _encode({"wId": contacts.w_id, "kind": kind, **more})[:-1] + b","
        left = iter(of_kind)
        # Some at once, as the GIL is held while many small pieces are joined or freed.
        while some := [begin + _encode(contact)[1:] for contact in islice(left, _LINES_A_PIECE)]:
            yield b"\n".join([*some, b""])


def failure_lines(failed: Failed) -> Iterator[bytes]:
    """Make the line for an instance that failed."""
    yield _encode(
        {
            "wId": failed.w_id,
            "gateway": failed.gateway,
            "error": type(failed.error).__name__,
            "message": str(failed.error),
            "calls": failed.calls,
        },
    )
    yield b"\n"


def decoding_lines(contacts: ContactSet) -> Iterator[bytes]:
    """Make one line for each contact that could not be decoded, or only in part, as it came."""
    for rejected in contacts.rejected:
        yield _line_of(contacts, rejected, {"error": rejected.error})
    for flawed in contacts.flawed:
        what = {"userName": flawed.user_name, "fields": flawed.fields}
        yield _line_of(contacts, flawed, what)


def _line_of(
    contacts: ContactSet,
    contact: RejectedContact | FlawedContact,
    what: Mapping[str, object],
) -> bytes:
    raw = contact.raw.decode(errors="replace")
    return _encode({"wId": contacts.w_id, "kind": contact.kind, **what, "raw": raw}) + b"\n"
