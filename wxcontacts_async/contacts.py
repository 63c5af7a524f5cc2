"""What callers hold: contacts, and the contact set of one instance."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, ValuesView
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from functools import cached_property, partial
from itertools import chain, compress, repeat
from operator import eq, not_
from typing import TYPE_CHECKING, Any, Generic, Self, overload

import msgspec

from wxcontacts_async._json.scanner import name_in
from wxcontacts_async._json.text import TooManyRepairsError, with_sound_strings
from wxcontacts_async.errors import InvalidArgumentError


class Sex(IntEnum):
    """`sex` of the API document: 1 male, 2 female; 0, null or absent is unknown.

    A number that the document does not list is kept as an unnamed member: `Sex(7) == 7`.
    """

    UNKNOWN = 0
    MALE = 1
    FEMALE = 2

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, int):
            return None
        member = int.__new__(cls, value)
        member._name_ = f"UNLISTED_{value}"
        member._value_ = value
        return member


class ContactKind(StrEnum):
    """Which of a reply's three lists a contact stands in; the value is the list's name there."""

    OFFICIAL_ACCOUNT = "public"
    FRIEND = "friend"
    GROUP = "group"


class Contact(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One contact, as the API document describes it; the fields stand in wire order.

    Subclass it for keys that the document does not have, with a default for each (a field's
    name is turned into camelCase on the wire), and pass `contact_type=` to the pool:

    >>> class MyContact(Contact, frozen=True):
    ...     remark_name: str | None = None

    Attributes:
        user_name: `userName`, the id: `wxid_...`, `gh_...` or `...@chatroom`.
        alias_name: `aliasName`, the id that the contact chose.
        nick_name: `nickName`, the name shown.
        big_head: `bigHead`, URL of the avatar.
        small_head: `smallHead`, URL of the avatar's thumbnail.
        sex: `sex`; `Sex.UNKNOWN` where null or absent, or where it means nothing.
        signature: `signature`, the contact's motto.
        country: `country`.
        province: `province`.
        city: `city`.

    """

    user_name: str
    alias_name: str | None = None
    nick_name: str | None = None
    big_head: str | None = None
    small_head: str | None = None
    sex: Sex = Sex.UNKNOWN
    signature: str | None = None
    country: str | None = None
    province: str | None = None
    city: str | None = None


if TYPE_CHECKING:
    # A default lets `SessionPool` alone mean `SessionPool[Contact]`. Python 3.11 cannot say so at
    # run time, and type checkers know typing_extensions whether it is installed or not.
    from typing_extensions import TypeVar

    ContactT = TypeVar("ContactT", bound=Contact, default=Contact)
    DefaultT = TypeVar("DefaultT", default=None)
else:
    from typing import TypeVar

    # msgspec goes by the bound, so that `type=ContactSet` decodes contacts.
    ContactT = TypeVar("ContactT", bound=Contact)
    DefaultT = TypeVar("DefaultT")


class RejectedContact(msgspec.Struct, frozen=True, gc=False):
    """A contact that could not be decoded, kept as it came.

    Attributes:
        kind: The list it stood in.
        raw: Its bytes, exactly as received (in UTF-8, if the reply was in UTF-16 or UTF-32).
        error: Why it was rejected; names the field, never its value.

    """

    kind: ContactKind
    raw: bytes
    error: str

    @property
    def user_name(self) -> str | None:
        """Its `userName`, where that at least can be read and is not blank."""
        written = name_in(self.raw)
        if written is None:
            return None
        try:
            read = _user_name.decode(with_sound_strings(written))
        except (msgspec.DecodeError, TooManyRepairsError):
            return None
        name = unwrapped(read) if isinstance(read, dict) else read
        return name if isinstance(name, str) and name.strip() else None

    def __repr__(self) -> str:
        return (
            f"RejectedContact(kind={self.kind.value!r}, raw=<{len(self.raw)} bytes>, "
            f"error={self.error!r})"
        )


_user_name = msgspec.json.Decoder(str | dict[str, str | None])


class FlawedContact(msgspec.Struct, frozen=True, gc=False):
    """A contact that is there, but for values that its fields cannot hold.

    Attributes:
        kind: The list it stands in.
        user_name: Which contact it is.
        fields: The fields that have their default instead, by their names in `Contact`.
        raw: Its bytes, exactly as received (in UTF-8, if the reply was in UTF-16 or UTF-32).

    """

    kind: ContactKind
    user_name: str
    fields: tuple[str, ...]
    raw: bytes

    def __repr__(self) -> str:
        return (
            f"FlawedContact(kind={self.kind.value!r}, fields={self.fields!r}, "
            f"raw=<{len(self.raw)} bytes>)"
        )


def unwrapped(value: dict[str, Any]) -> object:
    """Return the text in an object such as `{"string": "..."}`, else the object itself.

    Gateways that print the protobuf of WeChat have text so.
    """
    if len(value) == 1:
        for key in _WRAPPERS:
            if key in value:
                return value[key]
    return value


_WRAPPERS = ("string", "str")


class ContactDelta(msgspec.Struct, Generic[ContactT], frozen=True, gc=False):
    """What became of one instance's contacts between two fetches.

    Attributes:
        added: Contacts that only the newer set has.
        removed: Contacts that only the older set has. Not those that the newer set rejected,
            nor those of a kind of which it rejected some whose `userName` cannot be read.
        changed: Pairs `(before, after)` of which a field or the kind differs.

    """

    added: tuple[ContactT, ...]
    removed: tuple[ContactT, ...]
    changed: tuple[tuple[ContactT, ContactT], ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


class ContactSet(
    msgspec.Struct,
    Generic[ContactT],
    frozen=True,
    dict=True,  # where the merged index is kept once it is asked for
    rename={
        "w_id": "wId",
        "official_accounts": "public",
        "friends": "friend",
        "groups": "group",
        "fetched_at": "fetchedAt",
    },
):
    """All contacts of one instance.

    The three tuples are as received. As a collection it is the merged set, in which one
    `user_name` stands once: the first of public, friend, group wins, and what is null, empty
    or unknown in it is filled from the later ones. The merged set is made when it is first
    asked for, be it by `len`, which takes some 0.3 us a contact; then it is there.

    Attributes:
        w_id: The instance.
        official_accounts: The reply's `public` list.
        friends: The reply's `friend` list.
        groups: The reply's `group` list.
        rejected: What could not be decoded, with its bytes.
        fetched_at: When the reply was decoded, aware, in UTC.
        flawed: Which of the contacts lack a value that could not be decoded, with their bytes.

    """

    w_id: str
    official_accounts: tuple[ContactT, ...] = ()
    friends: tuple[ContactT, ...] = ()
    groups: tuple[ContactT, ...] = ()
    rejected: tuple[RejectedContact, ...] = ()
    fetched_at: datetime = msgspec.field(default_factory=partial(datetime.now, UTC))
    flawed: tuple[FlawedContact, ...] = ()

    def lists(self) -> tuple[tuple[ContactKind, tuple[ContactT, ...]], ...]:
        """Return the three tuples as received, each with its kind, in the order of precedence."""
        return (
            (ContactKind.OFFICIAL_ACCOUNT, self.official_accounts),
            (ContactKind.FRIEND, self.friends),
            (ContactKind.GROUP, self.groups),
        )

    @cached_property
    def _merged(self) -> "dict[ContactKind, dict[str, ContactT]]":
        # By kind, so that there need be no pair for each contact, which the garbage collector
        # would look at again and again.
        merged: dict[ContactKind, dict[str, ContactT]] = {}
        deque(_merging(self, merged), maxlen=0)
        return merged

    def __len__(self) -> int:
        return sum(map(len, self._merged.values()))

    def __iter__(self) -> Iterator[ContactT]:
        return chain.from_iterable(of_kind.values() for of_kind in self._merged.values())

    def __contains__(self, user_name: object) -> bool:
        for of_kind in self._merged.values():  # noqa: SIM110  # `any` takes three times as long
            if user_name in of_kind:
                return True
        return False

    def __getitem__(self, user_name: str) -> ContactT:
        return self._merged[self.kind_of(user_name)][user_name]

    @overload
    def get(self, user_name: str) -> ContactT | None: ...
    @overload
    def get(self, user_name: str, default: DefaultT) -> ContactT | DefaultT: ...
    def get(self, user_name: str, default: DefaultT | None = None) -> ContactT | DefaultT | None:
        """Return the contact of that `user_name`, or `default`."""
        for of_kind in self._merged.values():
            contact = of_kind.get(user_name)
            if contact is not None:
                return contact
        return default

    def kind_of(self, user_name: str) -> ContactKind:
        """Return the kind of the contact of that `user_name`; KeyError if there is none."""
        for kind, of_kind in self._merged.items():
            if user_name in of_kind:
                return kind
        raise KeyError(user_name)

    def items(self) -> ValuesView[tuple[ContactKind, ContactT]]:
        """Return the merged contacts as pairs `(kind, contact)`."""
        return _Entries(self)

    def delta_since(self, older: "ContactSet[ContactT]") -> ContactDelta[ContactT]:
        """Return what came, went and changed from `older` to this set, by `user_name`.

        It takes some 1 us a contact, in which an event loop stands still, and the time of
        merging either set, if that was not done before.

        Raises:
            InvalidArgumentError: `older` is no contact set, or that of another instance.

        """
        if not isinstance(older, ContactSet) or older.w_id != self.w_id:
            msg = "older must be a ContactSet of the same w_id"
            raise InvalidArgumentError(msg, argument="older")
        # Where one cannot be told by name, it may be anyone of its kind.
        rejected = {(each.user_name, each.kind) for each in self.rejected}
        unreadable = {name for name, _ in rejected}
        unknown = {kind for name, kind in rejected if name is None}
        added: list[ContactT] = []
        changed: list[tuple[ContactT, ContactT]] = []
        for kind, now in self._merged.items():
            before = older._merged[kind]  # noqa: SLF001  # it is one of us
            same = map(eq, now.values(), map(before.get, now))
            for name, contact in compress(now.items(), map(not_, same)):
                first = older.get(name)
                if first is None:
                    added.append(contact)
                else:
                    changed.append((first, contact))
        removed = [
            contact
            for kind, before in older._merged.items()  # noqa: SLF001
            if kind not in unknown
            for name, contact in _lacking(before, self._merged.values())
            if name not in unreadable
        ]
        return ContactDelta(tuple(added), tuple(removed), tuple(changed))

    def __repr__(self) -> str:
        flawed = f", {len(self.flawed)} flawed" if self.flawed else ""
        return (
            f"ContactSet(w_id={self.w_id!r}, {len(self.official_accounts)} official accounts, "
            f"{len(self.friends)} friends, {len(self.groups)} groups, "
            f"{len(self.rejected)} rejected{flawed})"
        )


class _Entries(ValuesView[tuple[ContactKind, ContactT]]):
    """The merged contacts of a set, each with its kind."""

    __slots__ = ()

    _mapping: ContactSet[ContactT]

    def __init__(self, contacts: ContactSet[ContactT]) -> None:
        super().__init__(contacts)  # type: ignore[arg-type]  # of which nothing but len is asked

    def __iter__(self) -> Iterator[tuple[ContactKind, ContactT]]:
        merged = self._mapping._merged  # noqa: SLF001  # it is ours
        return chain.from_iterable(
            zip(repeat(kind), of_kind.values(), strict=False) for kind, of_kind in merged.items()
        )

    def __reversed__(self) -> Iterator[tuple[ContactKind, ContactT]]:
        merged = self._mapping._merged  # noqa: SLF001
        return chain.from_iterable(
            zip(repeat(kind), reversed(of_kind.values()), strict=False)
            for kind, of_kind in reversed(merged.items())
        )

    def __contains__(self, entry: object) -> bool:
        return any(entry == each for each in self)


_MERGED_AT_ONCE = 2_500  # contacts; some 0.8 ms
_COMPARED_AT_ONCE = 250  # contacts of names that stand twice; the same


def merged_lists(
    contacts: ContactSet[ContactT],
) -> list[tuple[ContactKind, ValuesView[ContactT]]]:
    """Return the merged contacts of each kind, without a pair for each of them."""
    merged = contacts._merged  # noqa: SLF001  # it is ours
    return [(kind, of_kind.values()) for kind, of_kind in merged.items()]


def merging(contacts: ContactSet[ContactT]) -> Iterator[None]:
    """Make the merged set, with a `yield` now and then, so that nothing need wait for it."""
    if "_merged" not in contacts.__dict__:
        merged: dict[ContactKind, dict[str, ContactT]] = {}
        yield from _merging(contacts, merged)
        contacts.__dict__["_merged"] = merged


def _merging(
    contacts: ContactSet[ContactT],
    merged: dict[ContactKind, dict[str, ContactT]],
) -> Iterator[None]:
    for kind, listed in contacts.lists():
        of_kind = merged[kind] = {}
        for begin in range(0, len(listed), _MERGED_AT_ONCE):
            some = listed[begin : begin + _MERGED_AT_ONCE]
            new = {contact.user_name: contact for contact in some}
            if len(new) == len(some) and all(
                known.keys().isdisjoint(new) for known in merged.values() if known
            ):
                of_kind.update(new)
                yield
            else:
                for at in range(0, len(some), _COMPARED_AT_ONCE):
                    _merge_each(some[at : at + _COMPARED_AT_ONCE], of_kind, merged)
                    yield


def _merge_each(
    contacts: Iterable[ContactT],
    into: dict[str, ContactT],
    merged: Mapping[ContactKind, dict[str, ContactT]],
) -> None:
    """Merge contacts of which a name may stand twice."""
    for contact in contacts:
        name = contact.user_name
        for known in merged.values():
            if name in known:
                known[name] = filled(known[name], contact)
                break
        else:
            into[name] = contact


def _lacking(
    before: Mapping[str, ContactT],
    now: Iterable[Mapping[str, ContactT]],
) -> Iterable[tuple[str, ContactT]]:
    """Return who was there before and is not now, of whatever kind."""
    left: Iterable[tuple[str, ContactT]] = before.items()
    for of_kind in now:
        if of_kind:
            left = [entry for entry in left if entry[0] not in of_kind]
    return left


def with_lists(
    contacts: ContactSet[ContactT], lists: Iterable[Iterable[ContactT]]
) -> ContactSet[ContactT]:
    """Return the set with these lists instead, which are in the order of `ContactSet.lists`."""
    official_accounts, friends, groups = map(tuple, lists)
    return msgspec.structs.replace(
        contacts, official_accounts=official_accounts, friends=friends, groups=groups
    )


def filled(contact: ContactT, other: ContactT) -> ContactT:
    """Return `contact`, with each field that says nothing taken from `other`."""
    if contact == other:
        return contact
    missing = {
        name: theirs
        for name, mine, theirs in zip(
            contact.__struct_fields__,
            msgspec.structs.astuple(contact),
            msgspec.structs.astuple(other),
            strict=True,
        )
        if _says_nothing(mine) and not _says_nothing(theirs)
    }
    return msgspec.structs.replace(contact, **missing) if missing else contact


def _says_nothing(value: object) -> bool:
    return value is None or value is Sex.UNKNOWN or value is msgspec.UNSET or value == ""
