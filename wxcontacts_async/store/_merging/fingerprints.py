"""Makes fingerprints of contacts, to find which contacts the database has.

It stores those of an instance together. To compare them takes a fraction of the time of reading
contacts, and only what differs is loaded.
"""

from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import TypeAlias

import msgspec
from anyio.lowlevel import checkpoint

from wxcontacts_async.contacts import Contact, ContactKind, ContactSet, merging, with_lists
from wxcontacts_async.store._database.dialect import Dialect
from wxcontacts_async.store._database.values import LONGEST_KEY, storable
from wxcontacts_async.store._merging.unstorable import (
    LEAST_SEX,
    MOST_SEX,
    SURELY_SHORT,
    without_unstorable,
)
from wxcontacts_async.store._tabular.own_fields import NO_FIELDS, OwnFields

# By `userName`, as the database has it. A fingerprint is the initial of the kind and the beginning
# of a digest of all fields; the initial alone if the contact's fields are unknown.
Fingerprints: TypeAlias = dict[str, bytes]

_DIGEST_SIZE = 16  # bytes; too many for a collision to be made on purpose
_AT_ONCE = 500  # contacts; they block the event loop for some 0.5 ms
_JOINED_AT_ONCE = 10_000  # fingerprints; the same

# Dicts in one order, as gateways need not keep to one.
_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_encode_any = msgspec.json.Encoder().encode
write_fingerprints = msgspec.msgpack.Encoder().encode
read_fingerprints = msgspec.msgpack.Decoder(Fingerprints).decode


@dataclass(frozen=True)
class Fingerprinted:
    """A contact set, and a fingerprint of each of its contacts.

    Attributes:
        received: The set as it was received; what cannot be stored is among the rejected.
        contacts: The same, merged: no `userName` stands in its lists twice.
        fingerprints: Those of its contacts, list after list.
        digest: Equal for equal sets; None if a contact was unreadable.

    """

    received: ContactSet[Contact]
    contacts: ContactSet[Contact]
    fingerprints: Fingerprints
    digest: str | None


async def fingerprinted(
    contacts: ContactSet[Contact], dialect: Dialect, own: OwnFields = NO_FIELDS
) -> Fingerprinted:
    """Make the fingerprints, some at a time, so that other tasks run between them.

    They are others where others of the contacts' own fields are stored.

    In the event loop's thread, as a second one that computes would hold the GIL for 5 ms whenever
    the loop is to go on.
    """
    try:
        fingerprints = await _fingerprints(contacts, dialect, own)
    except _UnstorableError:
        contacts = await without_unstorable(contacts)
        fingerprints = await _fingerprints(contacts, dialect, own)
    received = contacts
    if len(fingerprints) < sum(len(received) for _, received in contacts.lists()):
        contacts = await _each_once(contacts, dialect)
        fingerprints = await _fingerprints(contacts, dialect, own)
    digest = None if contacts.rejected else await _digest(fingerprints)
    return Fingerprinted(received, contacts, fingerprints, digest)


class _UnstorableError(Exception):
    """There may be a contact that the database cannot take."""


async def _fingerprints(
    contacts: ContactSet[Contact], dialect: Dialect, own: OwnFields
) -> Fingerprints:
    """Make those of a set; of a name that stands twice, that of the last contact."""
    made: Fingerprints = {}
    names_of_own = ",".join(own.names).encode()
    for kind, received in contacts.lists():
        initial = initial_of(kind)
        for begin in range(0, len(received), _AT_ONCE):
            some = received[begin : begin + _AT_ONCE]
            names = [contact.user_name for contact in some]
            sexes = [contact.sex for contact in some]
            if max(map(len, names)) > SURELY_SHORT and not _are_keys(names):
                raise _UnstorableError
            if not LEAST_SEX <= min(sexes) <= max(sexes) <= MOST_SEX:
                raise _UnstorableError
            if not dialect.keeps_nul:
                names = [storable(name, dialect) for name in names]
            try:
                digests = [sha256(names_of_own + _encode(contact)).digest() for contact in some]
            except OverflowError:
                digests = [sha256(names_of_own + _encoded(contact)).digest() for contact in some]
            except UnicodeEncodeError:
                raise _UnstorableError from None
            fingerprints = [initial + digest[:_DIGEST_SIZE] for digest in digests]
            made.update(zip(names, fingerprints, strict=True))
            await checkpoint()
    return made


async def _digest(fingerprints: Fingerprints) -> str:
    digest = sha256()
    each = iter(fingerprints.values())
    while some := b"".join(islice(each, _JOINED_AT_ONCE)):
        digest.update(some)
        await checkpoint()
    return digest.hexdigest()


def _encoded(contact: Contact) -> bytes:
    try:
        return _encode(contact)
    except OverflowError:  # a number of more than 64 bits, which MessagePack has not
        return _encode_any(contact)


def _are_keys(names: list[str]) -> bool:
    # A text that cannot be encoded is found when the fingerprint is made.
    return max(len(name.encode(errors="replace")) for name in names) <= LONGEST_KEY


def initial_of(kind: str) -> bytes:
    """Return what the fingerprints of a kind begin with."""
    return kind[:1].encode()


async def _each_once(contacts: ContactSet[Contact], dialect: Dialect) -> ContactSet[Contact]:
    """Merge the lists of a set in which a `userName` stands twice."""
    for _ in merging(contacts):
        await checkpoint()
    names: set[str] = set()
    lists: dict[ContactKind, list[Contact]] = {kind: [] for kind in ContactKind}
    entries = iter(contacts.items())
    while some := list(islice(entries, _AT_ONCE)):
        for kind, contact in some:
            # Two names may be stored as one; the first wins, as in the merged set.
            name = storable(contact.user_name, dialect)
            if name not in names:
                names.add(name)
                lists[kind].append(contact)
        await checkpoint()
    return with_lists(contacts, lists.values())
