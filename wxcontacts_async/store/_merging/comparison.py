"""Compares a contact set with what is stored, by fingerprints."""

from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from itertools import compress

from wxcontacts_async.contacts import Contact, ContactSet, with_lists
from wxcontacts_async.store._database.dialect import Dialect
from wxcontacts_async.store._database.values import storable
from wxcontacts_async.store._merging.fingerprints import Fingerprinted, Fingerprints, initial_of
from wxcontacts_async.store._merging.guard import Answer


class Comparison:
    """What arrived of one instance, beside the fingerprints of what was stored before.

    Attributes:
        gone: The `userName`s of stored contacts that did not arrive.
        unclear: Those of stored contacts that did not arrive readably, but may have: a contact of
            their kind arrived whose name could not be read.

    """

    def __init__(
        self,
        arrived: Fingerprinted,
        before: Mapping[str, bytes],
        dialect: Dialect,
    ) -> None:
        self._arrived = arrived
        self._before = before
        self._now = arrived.fingerprints
        # Here and below in steps of Python's, between which the event loop may have the GIL; at
        # 150,000 contacts, a single step of C would hold it for 20 to 40 ms.
        self._missing = {name for name in before if name not in self._now}
        self.gone = self._missing
        self.unclear: set[str] = set()
        if arrived.contacts.rejected and self._missing:
            self._set_apart_unreadable(dialect)

    def differing(self) -> ContactSet[Contact]:
        """Return the contacts that are not stored, or differ from the stored ones."""
        before = self._before
        differs = iter([before.get(name) != mark for name, mark in self._now.items()])
        contacts = self._arrived.contacts
        # Each `compress` takes as many from `differs` as its list has contacts.
        return with_lists(contacts, (compress(listed, differs) for _, listed in contacts.lists()))

    def answer(self) -> Answer:
        """Return what the guard judges."""
        contacts = self._arrived.contacts
        arrived = Counter({kind: len(listed) for kind, listed in contacts.lists()})
        arrived.update(each.kind for each in contacts.rejected)
        return Answer(contacts.fetched_at, arrived, self._before, self.gone, self.unclear)

    def after(self, gone: AbstractSet[str]) -> Fingerprints:
        """Return the fingerprints of what is stored once these are removed."""
        kept = self._missing - gone
        return self._now | {name: self._before[name] for name in kept} if kept else self._now

    def _set_apart_unreadable(self, dialect: Dialect) -> None:
        """Find contacts that may have arrived unreadably; without a name, any of the kind may."""
        rejected = [(each.user_name or "", each.kind) for each in self._arrived.contacts.rejected]
        named = {storable(name, dialect) for name, _ in rejected}
        kinds = {initial_of(kind) for name, kind in rejected if not name.strip()}
        absent = self._missing - named
        self.unclear = {name for name in absent if self._before[name][:1] in kinds}
        self.gone = absent - self.unclear
