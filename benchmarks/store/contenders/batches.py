"""What all peers share: batches of what is fetched, and the rows that a batch comes to."""

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import TypeAlias

import msgspec

from wxcontacts_async import Contact, ContactSet, Fetched, SessionPool

FIELDS = Contact.__struct_fields__[1:]
VALUES = ("kind", *FIELDS)
CONTACTS_A_BATCH = 10_000

Values: TypeAlias = tuple[object, ...]  # as VALUES
LogRow: TypeAlias = tuple[str, str, str, str, str | None, str | None, str]

_encode = msgspec.json.Encoder().encode


async def batches(
    pool: SessionPool[Contact],
    w_ids: Iterable[str],
) -> AsyncIterator[list[Fetched[Contact]]]:
    """Fetch, and give about CONTACTS_A_BATCH at a time; the next are fetched meanwhile."""
    batch: list[Fetched[Contact]] = []
    contacts = 0
    async with pool.stream(w_ids) as outcomes:
        async for outcome in outcomes:
            if not isinstance(outcome, Fetched):
                raise outcome.error
            batch.append(outcome)
            contacts += sum(len(some) for _, some in outcome.contacts.lists())
            if contacts >= CONTACTS_A_BATCH:
                yield batch
                batch, contacts = [], 0
    if batch:
        yield batch


def values_of(contacts: ContactSet[Contact]) -> dict[str, Values]:
    """Return the values of each contact, by user name."""
    return {
        contact.user_name: (
            kind.value,
            contact.alias_name,
            contact.nick_name,
            contact.big_head,
            contact.small_head,
            int(contact.sex),
            contact.signature,
            contact.country,
            contact.province,
            contact.city,
        )
        for kind, contact in contacts.items()
    }


def written_time(contacts: ContactSet[Contact]) -> str:
    """Return when a set was fetched, as SQLite writes it."""
    return contacts.fetched_at.strftime("%Y-%m-%d %H:%M:%S.%f")


class Difference(msgspec.Struct, frozen=True):
    """What a contact set changes."""

    upserted: list[tuple[str, Values]]
    removed: list[str]
    log: list[LogRow]


def difference(
    w_id: str,
    at: str,
    stored: Mapping[str, Values],
    arrived: Mapping[str, Values],
) -> Difference:
    """Compare what is stored of an instance with what arrived."""
    upserted: list[tuple[str, Values]] = []
    log: list[LogRow] = []
    for name, values in arrived.items():
        before = stored.get(name)
        if before is None:
            log.append((w_id, name, "added", "", None, _object(values), at))
        elif before != values:
            fields = ",".join(
                field
                for field, was, is_now in zip(VALUES, before, values, strict=True)
                if was != is_now
            )
            log.append((w_id, name, "changed", fields, _object(before), _object(values), at))
        else:
            continue
        upserted.append((name, values))
    removed = [name for name in stored if name not in arrived]
    log += [(w_id, name, "removed", "", _object(stored[name]), None, at) for name in removed]
    return Difference(upserted, removed, log)


def _object(values: Values) -> str:
    return _encode(dict(zip(VALUES, values, strict=True))).decode()
