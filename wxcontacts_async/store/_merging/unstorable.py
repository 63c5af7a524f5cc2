"""Rejects contacts that a database cannot take, so that the rest of their set is stored."""

import json

import msgspec
from anyio.lowlevel import checkpoint

from wxcontacts_async.contacts import Contact, ContactSet, RejectedContact, with_lists
from wxcontacts_async.store._database.values import LONGEST_KEY

LEAST_SEX, MOST_SEX = -(2**63), 2**63 - 1
SURELY_SHORT = LONGEST_KEY // 4  # characters; one has at most four bytes in UTF-8

_AT_ONCE = 200  # contacts; they block the event loop for some 0.5 ms
_encode = msgspec.json.Encoder().encode


async def without_unstorable(contacts: ContactSet[Contact]) -> ContactSet[Contact]:
    """Return the set with each contact that cannot be stored among the rejected."""
    rejected = list(contacts.rejected)
    lists: list[list[Contact]] = []
    for kind, received in contacts.lists():
        fit: list[Contact] = []
        lists.append(fit)
        for begin in range(0, len(received), _AT_ONCE):
            for contact in received[begin : begin + _AT_ONCE]:
                reason = _obstacle(contact)
                if reason is None:
                    fit.append(contact)
                else:
                    rejected.append(RejectedContact(kind, _raw(contact), reason))
            await checkpoint()
    return with_lists(msgspec.structs.replace(contacts, rejected=tuple(rejected)), lists)


def _obstacle(contact: Contact) -> str | None:
    """Return why a contact cannot be stored, less its values; None if it can."""
    if not LEAST_SEX <= contact.sex <= MOST_SEX:
        return "cannot be stored: sex must be a whole number of 64 bits"
    try:
        _encode(contact)
    except UnicodeEncodeError:
        return f"cannot be stored: {_unsound(contact)} must be valid Unicode text"
    if len(contact.user_name.encode()) > LONGEST_KEY:
        return f"cannot be stored: userName must have at most {LONGEST_KEY:,} bytes"
    return None


def _unsound(contact: Contact) -> str:
    for field, key in zip(contact.__struct_fields__, contact.__struct_encode_fields__, strict=True):
        try:
            _encode(getattr(contact, field))
        except UnicodeEncodeError:
            return key
    return "each text"


def _raw(contact: Contact) -> bytes:
    try:
        return _encode(contact)
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can write as an escape
        return json.dumps(msgspec.to_builtins(contact)).encode()
