"""Many contact sets become one directory: each contact, and the instances that know it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Generic

import msgspec

from wxcontacts_async.contacts import ContactKind, ContactSet, ContactT, filled

_PRECEDENCE = {kind: rank for rank, kind in enumerate(ContactKind)}


class DirectoryEntry(msgspec.Struct, Generic[ContactT], frozen=True, gc=False):
    """One contact, as all instances together know it.

    Attributes:
        contact: The contact; what one instance leaves open is filled from the others.
        kind: The first of public, friend, group that any instance lists it under.
        w_ids: The instances that have it, each once, in the order of the sets.

    """

    contact: ContactT
    kind: ContactKind
    w_ids: tuple[str, ...]


class ContactDirectory(Mapping[str, DirectoryEntry[ContactT]]):
    """The contacts of many instances by `user_name`, in the order first seen; read only."""

    def __init__(self, entries: dict[str, DirectoryEntry[ContactT]]) -> None:
        self._entries = entries

    def __getitem__(self, user_name: str) -> DirectoryEntry[ContactT]:
        return self._entries[user_name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"ContactDirectory({len(self)} contacts)"


def merge_contact_sets(sets: Iterable[ContactSet[ContactT]]) -> ContactDirectory[ContactT]:
    """Merge the contact sets of many instances into one directory.

    It takes some 1.5 us a contact of each set, in which an event loop stands still: where there
    are hundreds of thousands of them, call it in a thread.

    Arguments:
        sets: Contact sets in order of precedence; read once, so a generator will do. Of two
            that know the same contact, the one that lists it under the earlier of public,
            friend, group wins, then the earlier set.

    """
    contacts: dict[str, ContactT] = {}
    kinds: dict[str, ContactKind] = {}
    # A list from the second one on, as most contacts are known to one instance alone.
    w_ids: dict[str, tuple[str, ...] | list[str]] = {}
    read: set[str] = set()
    for contact_set in sets:
        w_id = contact_set.w_id
        is_first = w_id not in read
        read.add(w_id)
        alone = (w_id,)
        for kind, contact in contact_set.items():
            name = contact.user_name
            known = w_ids.setdefault(name, alone)
            if known is alone:
                contacts[name], kinds[name] = contact, kind
                continue
            if isinstance(known, tuple):
                known = w_ids[name] = list(known)
            if is_first or w_id not in known:
                known.append(w_id)
            first, first_kind = contacts[name], kinds[name]
            if _PRECEDENCE[kind] < _PRECEDENCE[first_kind]:
                contacts[name], kinds[name] = filled(contact, first), kind
            else:
                contacts[name] = filled(first, contact)
    entries = map(DirectoryEntry, contacts.values(), kinds.values(), map(tuple, w_ids.values()))
    return ContactDirectory(dict(zip(contacts, entries, strict=True)))
