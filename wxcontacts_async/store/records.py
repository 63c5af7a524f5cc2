"""What a store returns: how instances were synced, and what changed."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic

import msgspec

from wxcontacts_async.contacts import Contact, ContactKind, ContactSet, ContactT
from wxcontacts_async.outcomes import Fetched

if TYPE_CHECKING:
    # Python 3.11 has no defaults of type variables at run time.
    from typing_extensions import TypeVar

    ContactsT = TypeVar("ContactsT", default=ContactSet[Contact])
else:
    from typing import TypeVar

    ContactsT = TypeVar("ContactsT")


class DeltaCounts(msgspec.Struct, frozen=True, gc=False):
    """How many contacts of one instance came, went and changed.

    Attributes:
        added: How many the database did not have.
        removed: How many it has no more.
        changed: How many of which a field or the kind differs.

    """

    added: int = 0
    removed: int = 0
    changed: int = 0

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


class KindCounts(msgspec.Struct, frozen=True, gc=False):
    """How many contacts of each kind the database has of one instance.

    Attributes:
        official_accounts: Those of the kind "public".
        friends: Those of the kind "friend".
        groups: Those of the kind "group".

    """

    official_accounts: int = 0
    friends: int = 0
    groups: int = 0

    def total(self) -> int:
        """Return how many there are of all kinds."""
        return self.official_accounts + self.friends + self.groups

    def by_kind(self) -> dict[ContactKind, int]:
        """Return the same by kind."""
        return dict(zip(ContactKind, msgspec.structs.astuple(self), strict=True))


class Suspicion(msgspec.Struct, frozen=True, gc=False, eq=False):
    """Contacts that are missing from what a gateway answers, and that are not removed yet.

    Two are equal if their numbers are; nothing else is compared.

    Attributes:
        stored: How many contacts of the instance the database had before the last answer.
        missing: How many of these are held, though answers lack them.
        since: When the answer was fetched that lacked the first of them; None if the last one
            had no contact at all, which is never believed by itself, or if an older version of
            this library found it, so that their time has yet to begin.
        kinds: Of which kinds they are; none if an older version of this library found it.
        is_accepted: Whether a person has accepted that they are gone, so that the next sync
            removes those that are still missing.

    """

    stored: int
    missing: int
    since: datetime | None = None
    kinds: tuple[ContactKind, ...] = ()
    is_accepted: bool = False

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Suspicion):
            return NotImplemented
        return (self.stored, self.missing) == (other.stored, other.missing)

    def __hash__(self) -> int:
        return hash((self.stored, self.missing))


class Synced(msgspec.Struct, Generic[ContactsT], frozen=True):
    """An instance whose contacts in the database are in step with its gateway.

    Attributes:
        w_id: The instance.
        delta_counts: What changed in the database; nothing if a later set was there already, as
            another sync was quicker.
        contacts: Its contacts, as fetched; what the database cannot take is among the rejected.
            If it is unchanged, they are decoded when they are first asked for, and None in a
            sync with `contacts=False`.
        seconds: From when it was asked for until it was in the database.
        gateway: The name of its gateway.
        calls: How many calls it took.
        waited: Seconds of these that it waited to be called (again).
        suspicion: What is missing from the answer and was not removed, where that is so; see
            `ContactStore(max_shrink=...)`.
        held_back: How many further contacts are missing and were not removed, as a contact of
            their kind could not be read, nor its name, and may be any of them.
        unchanged: Whether its reply is, byte for byte, the one that the contacts in the database
            are of. If not, they may be equal all the same; see `delta_counts`.
        kind_counts: How many contacts the database has of it now.

    """

    w_id: str
    delta_counts: DeltaCounts
    contacts: ContactsT
    seconds: float
    gateway: str = ""
    calls: int = 1
    waited: float = 0.0
    suspicion: Suspicion | None = None
    held_back: int = 0
    unchanged: bool = False
    kind_counts: KindCounts = KindCounts()


class UndecodedSynced(Synced[ContactSet[Contact]], frozen=True, kw_only=True, dict=True):
    """An unchanged instance whose contacts are decoded when they are first asked for.

    Attributes:
        outcome: What has its reply until then.

    """

    outcome: Fetched[Any]

    @property  # type: ignore[misc]  # it hides the field
    def contacts(self) -> ContactSet[Contact]:
        """Its contacts, as fetched."""
        return self.outcome.contacts

    def __repr__(self) -> str:
        return f"Synced(w_id={self.w_id!r}, unchanged=True, kind_counts={self.kind_counts!r})"


class ChangeKind(StrEnum):
    """What became of a contact."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class ContactVersion(msgspec.Struct, Generic[ContactT], frozen=True, gc=False):
    """A contact as it was at some time.

    Attributes:
        kind: Which of the instance's lists it stood in.
        contact: The contact.

    """

    kind: ContactKind
    contact: ContactT


class ContactChange(msgspec.Struct, Generic[ContactT], frozen=True, gc=False):
    """One line of the change log.

    Attributes:
        w_id: The instance.
        user_name: The contact's id.
        change: What became of it.
        fields: Which fields differ, as they are called in `Contact`, or "kind"; empty unless it
            was changed.
        before: The contact before; None if it was added.
        after: The contact after; None if it was removed.
        at: When the contact set that showed it was fetched; aware, in UTC.
        id: Its number in the log, above 0. Numbers ascend in the order in which changes become
            visible, as one transaction at a time draws them. So when a change is seen, none with
            a lower number is to come, and `ContactStore.changes(after=...)` goes on from it
            without a gap. Some numbers may be of no change.

    """

    w_id: str
    user_name: str
    change: ChangeKind
    fields: tuple[str, ...]
    before: ContactVersion[ContactT] | None
    after: ContactVersion[ContactT] | None
    at: datetime
    id: int = 0  # last, as it came last


class StoredInstance(msgspec.Struct, frozen=True, gc=False):
    """What the database knows of one instance.

    Attributes:
        w_id: The instance.
        gateway: The name of the gateway that it was last asked for at.
        outcome: How that ended: "synced", "suspicious", or the name of the error.
        tried_at: When that was; aware, in UTC.
        synced_at: When the contacts in the database were last in step; None if they never were.
        contacts: How many there are; None if it was never synced.
        calls: How many calls the last outcome took.
        suspicion: What was missing from the last answer and is held; None if nothing is.
        kind_counts: How many of each kind there are; None if it was never synced, or not since
            an older version of this library, which does not count them.

    """

    w_id: str
    gateway: str
    outcome: str
    tried_at: datetime
    synced_at: datetime | None
    contacts: int | None
    calls: int
    suspicion: Suspicion | None
    kind_counts: KindCounts | None = None
