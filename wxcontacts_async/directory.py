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

    Arguments:
        sets: Contact sets in order of precedence; read once, so a generator will do. Of two
            that know the same contact, the one that lists it under the earlier of public,
            friend, group wins, then the earlier set.

    """
    contacts: dict[str, tuple[ContactKind, ContactT]] = {}
    w_ids: dict[str, dict[str, None]] = {}
    for contact_set in sets:
        for entry in contact_set.items():
            name = entry[1].user_name
            first = contacts.setdefault(name, entry)
            w_ids.setdefault(name, {})[contact_set.w_id] = None
            if first is not entry:
                ahead = _PRECEDENCE[entry[0]] < _PRECEDENCE[first[0]]
                winner, other = (entry, first) if ahead else (first, entry)
                contacts[name] = (winner[0], filled(winner[1], other[1]))
    return ContactDirectory(
        {
            name: DirectoryEntry(contact, kind, tuple(w_ids[name]))
            for name, (kind, contact) in contacts.items()
        },
    )
