"""The lines that commands write, and what is said where they cannot be written."""

import errno
from collections.abc import Iterator, Mapping

import msgspec

from wxcontacts_async import ContactKind, ContactSet, Failed, FlawedContact, RejectedContact

_encode = msgspec.json.Encoder().encode


def exported_lines(contacts: ContactSet) -> Iterator[bytes]:
    """Make one line for each contact of the merged set, with when it was fetched."""
    return contact_lines(contacts, fetchedAt=contacts.fetched_at)


def contact_lines(contacts: ContactSet, **more: object) -> Iterator[bytes]:
    """Make one line for each contact of the merged set, with these keys as well."""
    begins = {
        kind: _encode({"wId": contacts.w_id, "kind": kind, **more})[:-1] + b","
        for kind in ContactKind
    }
    for kind, contact in contacts.items():
        yield begins[kind]
        yield _encode(contact)[1:]
        yield b"\n"


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
    """Make one line for each contact that could not be decoded, or not all of it, as it came."""
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


class CommandError(Exception):
    """What keeps a command from going on, in its words.

    Attributes:
        output_closed: Whether it is that whoever read the output has enough.

    """

    output_closed = False


class OutputError(CommandError):
    """A file that cannot be written any more."""

    def __init__(self, name: str, error: OSError) -> None:
        super().__init__(f"{name} cannot be written: {reason_of(error)}")
        self.output_closed = error.errno == errno.EPIPE


def reason_of(error: OSError) -> str:
    """Say why something cannot be written."""
    return _REASONS.get(error.errno or 0) or error.strerror or str(error)


_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "no file may be so large here",
}
