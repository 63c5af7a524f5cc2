"""A gateway whose contacts a test gives, a pool and a store: what syncs are tested with."""

import threading
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec
from anyio.to_thread import run_sync

from tests.support.one_call import ONCE
from wxcontacts_async import Contact, ContactSet, Failed, Fetched, SessionPool
from wxcontacts_async.emulator import EmulatedInstance, GatewayEmulator, Population
from wxcontacts_async.store import (
    ChangeKind,
    ContactChange,
    ContactStore,
    ContactVersion,
    StoredInstance,
    Suspicion,
    Synced,
    SyncResult,
)
from wxcontacts_async.store._database.connection import Connection
from wxcontacts_async.store._database.schema import prepare
from wxcontacts_async.store._database.url import read_address
from wxcontacts_async.store._merging.acceptance import accept
from wxcontacts_async.store._merging.batch import Batch, BatchResult
from wxcontacts_async.store._merging.fingerprints import fingerprinted
from wxcontacts_async.store._merging.merge import merge
from wxcontacts_async.store.reading import instances_after

W_ID = "w"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
Versions = dict[str, ContactVersion]  # by user_name


class _GivenPopulation(Population):
    """Whom each instance knows is given, as replies."""

    def __init__(self) -> None:
        super().__init__()
        self.replies: dict[str, bytes] = {}

    def reply(self, w_id: str, size: int | None = None) -> bytes:  # noqa: ARG002
        return self.replies[w_id]


class GivenGateway(GatewayEmulator):
    """An emulator that answers with the contacts it is given."""

    def __init__(self) -> None:
        super().__init__({})
        self._given = self.population = _GivenPopulation()

    def give(self, contacts: ContactSet[Contact]) -> None:
        """Let an instance answer with these contacts from its next call on."""
        self.give_reply(contacts.w_id, reply(contacts))

    def give_reply(self, w_id: str, body: bytes) -> None:
        """Let an instance answer with this from its next call on."""
        if w_id not in self._given.replies:
            self.set_instance(w_id, EmulatedInstance())
        self._given.replies[w_id] = body


def reply(contacts: ContactSet[Contact]) -> bytes:
    """Render the reply that such a set is made of."""
    lists = {
        kind: [
            *(msgspec.Raw(msgspec.json.encode(contact)) for contact in listed),
            *(msgspec.Raw(one.raw) for one in contacts.rejected if one.kind is kind),
        ]
        for kind, listed in contacts.lists()
    }
    return msgspec.json.encode({"message": "成功", "code": "1000", "data": lists})


@dataclass
class Scene:
    """What a sync takes."""

    gateway: GivenGateway
    pool: SessionPool[Contact]
    store: ContactStore

    async def sync(self, *contact_sets: ContactSet[Contact]) -> dict[str, SyncResult]:
        """Let the gateway answer with these, and sync these instances."""
        for contacts in contact_sets:
            self.gateway.give(contacts)
        return await sync(self.store, self.pool, [contacts.w_id for contacts in contact_sets])

    async def synced(self, contacts: ContactSet[Contact]) -> Synced:
        """Do so with one that nothing is wrong with."""
        return (await self.all_synced(contacts))[contacts.w_id]

    async def all_synced(self, *contact_sets: ContactSet[Contact]) -> dict[str, Synced]:
        """Do so with some that nothing is wrong with."""
        return all_synced(await self.sync(*contact_sets))


async def sync(
    store: ContactStore,
    pool: SessionPool[Any],
    w_ids: Iterable[str] | AsyncIterable[str],
) -> dict[str, SyncResult]:
    async with store.sync(pool, w_ids) as results:
        return {result.w_id: result async for result in results}


def all_synced(results: Mapping[str, SyncResult]) -> dict[str, Synced]:
    synced = {w_id: result for w_id, result in results.items() if isinstance(result, Synced)}
    assert len(synced) == len(results), results
    return synced


@asynccontextmanager
async def scene(url: str, **options: Any) -> AsyncIterator[Scene]:  # noqa: ANN401
    async with (
        GivenGateway() as gateway,
        SessionPool(gateway.url, retry=ONCE) as pool,
        ContactStore(url, **options) as store,
    ):
        yield Scene(gateway, pool, store)


def fetched(contacts: ContactSet[Contact]) -> Fetched[Contact]:
    return Fetched(contacts.w_id, "", contacts, 1, 0.0, 0.0, 0)


async def batch_of(
    outcome: Fetched[Contact] | Failed, at: datetime, connection: Connection
) -> Batch:
    """Return what came at that time by the clock of whoever fetched it, to be merged."""
    arrived = {}
    if isinstance(outcome, Fetched):
        contacts = msgspec.structs.replace(outcome.contacts, fetched_at=at)
        outcome = msgspec.structs.replace(outcome, contacts=contacts)
        arrived[outcome.w_id] = await fingerprinted(contacts, connection.dialect)
    return Batch({outcome.w_id: outcome}, arrived, at)


async def merged(
    connection: Connection,
    outcome: Fetched[Contact] | Failed,
    at: datetime,
    max_shrink: float = 0.5,
    confirm_after: float = 86_400.0,
) -> Batch:
    """Merge that."""
    batch = await batch_of(outcome, at, connection)
    merge(connection, batch, max_shrink, confirm_after)
    return batch


class Timeline:
    """A database into which answers come at given hours, by the clock of whoever fetched them."""

    def __init__(self, url: str, **rules: float) -> None:
        self.connection = Connection(read_address(url), 10)
        prepare(self.connection)
        self._rules = rules

    async def answered(self, hours: float, contacts: ContactSet[Contact]) -> BatchResult:
        at = NOON + timedelta(hours=hours)
        batch = await merged(self.connection, fetched(contacts), at, **self._rules)
        return batch.commit.results[contacts.w_id]

    def accept(self) -> Suspicion | None:
        return accept(self.connection, W_ID)

    @property
    def names(self) -> set[str]:
        return {name for (name,) in self.connection.rows("SELECT user_name FROM contacts")}

    @property
    def held(self) -> set[str]:
        return {name for (name,) in self.connection.rows("SELECT user_name FROM missing_contacts")}

    @property
    def suspicion(self) -> Suspicion | None:
        (instance,) = instances_after(self.connection, "")
        return instance.suspicion


@asynccontextmanager
async def timeline(url: str, **rules: float) -> AsyncIterator[Timeline]:
    # In a thread, as it may be the first one to load the driver.
    it = await run_sync(partial(Timeline, url, **rules))
    try:
        yield it
    finally:
        it.connection.close()


@contextmanager
def writing(url: str) -> Iterator[None]:
    """Be another one that writes, for as long as the block takes."""
    begun, end = threading.Event(), threading.Event()

    def write() -> None:
        connection = Connection(read_address(url), 10)
        with connection.transaction():
            begun.set()
            end.wait()
        connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    begun.wait()
    try:
        yield
    finally:
        end.set()
        writer.join()


def friends(*names: str | int, w_id: str = W_ID) -> ContactSet[Contact]:
    """Return a set of friends of these names."""
    return ContactSet(w_id, friends=tuple(Contact(str(name)) for name in names))


def without(contacts: ContactSet[Contact], names: Iterable[int]) -> ContactSet[Contact]:
    left_out = {str(name) for name in names}
    kept = tuple(contact for contact in contacts.friends if contact.user_name not in left_out)
    return ContactSet(W_ID, friends=kept)


FORTY = friends(*range(100, 140))
HALF = ContactSet(
    W_ID,
    friends=(*FORTY.friends[20:39], Contact("139", city="深圳"), Contact("new")),
)
FEWER = ContactSet(W_ID, friends=HALF.friends[1:])
NONE = ContactSet[Contact](W_ID)


def versions(contacts: ContactSet[Contact]) -> Versions:
    return {contact.user_name: ContactVersion(kind, contact) for kind, contact in contacts.items()}


async def loaded(store: ContactStore) -> dict[str, Versions]:
    return {contacts.w_id: versions(contacts) async for contacts in store.load_all()}


async def instances(store: ContactStore) -> dict[str, StoredInstance]:
    return {instance.w_id: instance async for instance in store.instances()}


async def log(store: ContactStore, **wanted: Any) -> list[ContactChange]:  # noqa: ANN401
    return [change async for change in store.changes(**wanted)]


async def replayed(store: ContactStore) -> dict[str, Versions]:
    """Follow the change log from the beginning; each line must fit what was before it."""
    contacts: dict[str, Versions] = {}
    async for line in store.changes():
        known = contacts.setdefault(line.w_id, {})
        assert known.get(line.user_name) == line.before
        assert line.fields == _differing(line)
        if line.after is None:
            assert line.change is ChangeKind.REMOVED
            del known[line.user_name]
        else:
            assert line.change is (ChangeKind.CHANGED if line.before else ChangeKind.ADDED)
            known[line.user_name] = line.after
    return {w_id: known for w_id, known in contacts.items() if known}


def _differing(line: ContactChange) -> tuple[str, ...]:
    if line.before is None or line.after is None:
        return ()
    before, after = (
        {"kind": version.kind, **msgspec.structs.asdict(version.contact)}
        for version in (line.before, line.after)
    )
    return tuple(name for name in before if before[name] != after[name])


def without_empty(contacts: Mapping[str, Versions]) -> dict[str, Versions]:
    return {w_id: known for w_id, known in contacts.items() if known}


OF_EACH_KIND = ContactSet(
    W_ID,
    official_accounts=(Contact("gh_1", nick_name="读书日报"),),
    friends=(Contact("wxid_1", alias_name="a", nick_name="王伟"), Contact("wxid_2")),
    groups=(Contact("1@chatroom", small_head="http://wx.qlogo.invalid/0"),),
)
