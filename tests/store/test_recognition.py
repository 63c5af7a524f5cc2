"""A reply of the bytes that the stored contacts are of is not decoded, and changes nothing."""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, ClassVar

import msgspec
import pytest
from anyio import Event
from anyio.abc import SocketStream
from anyio.to_thread import run_sync
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.one_call import ONCE
from tests.support.postgresql import PostgresqlServer
from tests.support.properties import examples
from tests.support.raw_server import RawServer, http_reply
from tests.support.syncing import FEWER, FORTY, NONE, NOON, friends, instances, log, reply, scene
from wxcontacts_async import Contact, ContactSet, InitializationWait, SessionPool
from wxcontacts_async.errors import InvalidArgumentError
from wxcontacts_async.store import ContactStore, KindCounts, Synced, SyncResult
from wxcontacts_async.store._database.connection import Connection
from wxcontacts_async.store._database.url import read_address

# The loop matters to when a reply is decoded, not to whether.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])

W_ID = "w"
TWO = friends("a", "b")


class CountedContact(Contact, frozen=True):
    """Counts how many are decoded."""

    decoded: ClassVar[int] = 0

    def __post_init__(self) -> None:
        CountedContact.decoded += 1


class _HeldGateway:
    """A gateway that answers once it is let."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.is_called = Event()
        self.may_answer = Event()

    async def answer(self, stream: SocketStream, _: bytes) -> None:
        self.is_called.set()
        await self.may_answer.wait()
        await stream.send(http_reply(self.body))


async def synced(
    store: ContactStore,
    body: bytes,
    *,
    contacts: bool = True,
    **pool: Any,  # noqa: ANN401
) -> SyncResult[ContactSet | None]:
    """Sync an instance; its reply comes when its digest has been looked up."""
    gateway = _HeldGateway(body)
    async with (
        RawServer(gateway.answer) as server,
        SessionPool(server.url, retry=ONCE, **pool) as opened,
        store.sync(opened, [W_ID], contacts=contacts) as results,
    ):
        await gateway.is_called.wait()
        # What uses the database does so one after another; it was looked up before the call.
        await store.last_change()
        gateway.may_answer.set()
        return await anext(results)


async def sync_one(
    store: ContactStore, body: bytes, *, contacts: bool = True
) -> tuple[Synced[ContactSet | None], int]:
    """Do so; return how it ended, and how many contacts were decoded for that."""
    CountedContact.decoded = 0
    result = await synced(store, body, contacts=contacts, contact_type=CountedContact)
    assert isinstance(result, Synced), result
    return result, CountedContact.decoded


async def test_an_unchanged_reply_is_not_decoded(database_url: str) -> None:
    body = reply(FORTY)
    async with ContactStore(database_url) as store:
        first, decoded = await sync_one(store, body)
        assert (first.unchanged, decoded) == (False, 40)
        before = (await instances(store))[W_ID]

        second, decoded = await sync_one(store, body, contacts=False)
        assert (second.unchanged, second.contacts, decoded) == (True, None, 0)
        assert second.kind_counts == KindCounts(friends=40)
        after = (await instances(store))[W_ID]
        assert after.synced_at is not None
        assert before.synced_at is not None
        assert after.tried_at == after.synced_at > before.synced_at
        assert len(await log(store)) == 40


async def test_its_contacts_are_decoded_when_they_are_asked_for(database_url: str) -> None:
    async with ContactStore(database_url) as store:
        first, _ = await sync_one(store, reply(FORTY))
        second, decoded = await sync_one(store, reply(FORTY))
        assert (second.unchanged, decoded) == (True, 0)
        assert second.contacts is not None
        assert first.contacts is not None
        assert second.contacts.friends == first.contacts.friends
        assert second.contacts is second.contacts
        assert second.contacts.fetched_at == (await instances(store))[W_ID].synced_at


async def test_a_large_reply_is_recognised_in_pieces(sqlite_url: str) -> None:
    body = reply(friends(*(f"wxid_{number:0900}" for number in range(3_000))))
    async with ContactStore(sqlite_url) as store:
        await sync_one(store, body)
        second, decoded = await sync_one(store, body)
        assert (second.unchanged, decoded) == (True, 0)
        assert second.contacts is not None
        assert len(second.contacts) == 3_000


@pytest.mark.parametrize(
    "other",
    [
        reply(FORTY).replace(b'"message"', b' "message"'),
        reply(friends(*reversed(range(100, 140)))),
    ],
    ids=["white space", "another order"],
)
async def test_other_bytes_of_the_same_contacts_are_decoded_once(
    database_url: str, other: bytes
) -> None:
    async with ContactStore(database_url) as store:
        await sync_one(store, reply(FORTY))
        second, decoded = await sync_one(store, other)
        assert (second.unchanged, bool(second.delta_counts), decoded) == (False, False, 40)
        third, decoded = await sync_one(store, other)
        assert (third.unchanged, decoded) == (True, 0)


@pytest.mark.parametrize(
    "contact",
    ['{"userName":7}', '{"userName":"odd","sex":"?"}'],
    ids=["rejected", "flawed"],
)
async def test_a_reply_with_an_odd_contact_is_decoded_each_time(
    database_url: str, contact: str
) -> None:
    body = reply(TWO).replace(b'"friend":[', f'"friend":[{contact},'.encode())
    async with ContactStore(database_url) as store:
        for _ in range(2):
            result, decoded = await sync_one(store, body, contacts=False)
            assert not result.unchanged
            assert decoded >= 2
            assert result.contacts is not None
            assert result.contacts.rejected or result.contacts.flawed


async def test_a_suspicious_reply_is_decoded_each_time(database_url: str) -> None:
    async with ContactStore(database_url) as store:
        await sync_one(store, reply(FORTY))
        for body in (reply(FEWER), reply(FEWER), reply(NONE), reply(NONE)):
            result, _ = await sync_one(store, body)
            assert result.suspicion is not None
            assert not result.unchanged


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM contacts WHERE user_name = '100'",
        "DELETE FROM contacts",
        """
        INSERT INTO contacts (w_id, user_name, kind, sex, first_seen, last_changed)
        SELECT w_id, 'odd', kind, sex, first_seen, last_changed
        FROM contacts WHERE user_name = '100'""",
        "UPDATE instances SET reply_digest = 'other'",
    ],
    ids=["a contact deleted", "all deleted", "one inserted", "the digest"],
)
async def test_what_was_changed_by_hand_is_put_right(database_url: str, statement: str) -> None:
    async with ContactStore(database_url) as store:
        await sync_one(store, reply(FORTY))
        await run_sync(_execute, database_url, statement)
        result, _ = await sync_one(store, reply(FORTY))
        assert not result.unchanged
        assert (await instances(store))[W_ID].contacts == 40
        again, decoded = await sync_one(store, reply(FORTY))
        assert (again.unchanged, decoded) == (True, 0)


async def test_postgresql_notices_every_change_by_hand(postgresql_url: str) -> None:
    async with ContactStore(postgresql_url) as store:
        for statement in (
            "UPDATE contacts SET city = NULL WHERE user_name = '100'",
            "TRUNCATE contacts",
        ):
            await sync_one(store, reply(FORTY))
            await run_sync(_execute, postgresql_url, statement)
            result, decoded = await sync_one(store, reply(FORTY))
            assert (result.unchanged, decoded) == (False, 40)


async def test_what_another_writes_before_it_is_merged_is_put_right(database_url: str) -> None:
    """The digest was known when the reply came, and is not any more when it is to be written."""
    gateway = _HeldGateway(reply(FORTY))
    async with ContactStore(database_url) as store, ContactStore(database_url) as other:
        await sync_one(store, reply(FORTY))
        async with (
            RawServer(gateway.answer) as server,
            SessionPool(server.url, retry=ONCE, contact_type=CountedContact) as pool,
            store.sync(pool, [W_ID], contacts=False) as results,
        ):
            await gateway.is_called.wait()
            await store.last_change()  # by now it is looked up
            await sync_one(other, reply(TWO), contacts=False)
            CountedContact.decoded = 0
            gateway.may_answer.set()
            result = await anext(results)
        assert isinstance(result, Synced)
        assert CountedContact.decoded == 40
        assert not result.unchanged
        assert result.contacts is not None
        stored = await store.load(W_ID)
        assert {each.user_name for each in FORTY.friends} <= {each.user_name for each in stored}
        again, decoded = await sync_one(store, reply(FORTY))
        assert (again.unchanged, decoded) == (True, 0) or again.suspicion


async def test_another_contact_type_is_decoded_anew(database_url: str) -> None:
    class OtherContact(Contact, frozen=True):
        remark: str | None = None

    async with ContactStore(database_url) as store:
        await sync_one(store, reply(FORTY))
        async with (
            _gateway(reply(FORTY)) as url,
            SessionPool(url, retry=ONCE, contact_type=OtherContact) as pool,
            store.sync(pool, [W_ID], contacts=False) as results,
        ):
            result = await anext(results)
        assert isinstance(result, Synced)
        assert not result.unchanged


async def test_a_predicate_of_the_caller_s_is_asked_each_time(database_url: str) -> None:
    asked = []

    def is_initializing(code: str, message: str) -> bool:
        asked.append((code, message))
        return False

    wait = InitializationWait(is_initializing=is_initializing)
    async with ContactStore(database_url) as store, _gateway(reply(FORTY)) as url:
        for number in (1, 2):
            async with (
                SessionPool(url, retry=ONCE, initialization=wait) as pool,
                store.sync(pool, [W_ID], contacts=False) as results,
            ):
                result = await anext(results)
            assert isinstance(result, Synced)
            assert not result.unchanged
            assert len(asked) == number


async def test_one_that_others_fetch_too_is_decoded_for_them(database_url: str) -> None:
    gateway = _HeldGateway(reply(FORTY))
    async with ContactStore(database_url) as store:
        await sync_one(store, reply(FORTY))
        async with (
            RawServer(gateway.answer) as server,
            SessionPool(server.url, retry=ONCE) as pool,
            store.sync(pool, [W_ID], contacts=False) as results,
            pool.stream([W_ID]) as outcomes,
        ):
            await gateway.is_called.wait()
            await store.last_change()
            gateway.may_answer.set()
            fetched = await anext(outcomes)
            assert len(fetched.contacts) == 40  # type: ignore[union-attr]
            assert isinstance(await anext(results), Synced)


async def test_contacts_must_be_a_boolean(sqlite_url: str) -> None:
    async with scene(sqlite_url) as it:
        with pytest.raises(InvalidArgumentError, match="contacts must be True or False") as raised:
            it.store.sync(it.pool, [W_ID], contacts=None)  # type: ignore[call-overload]
        assert raised.value.argument == "contacts"


@asynccontextmanager
async def _gateway(body: bytes) -> AsyncIterator[str]:
    gateway = _HeldGateway(body)
    gateway.may_answer.set()
    async with RawServer(gateway.answer) as server:
        yield server.url


def _execute(url: str, statement: str) -> None:
    with _connection(url) as connection, connection.transaction():
        connection.execute(statement)


@contextmanager
def _connection(url: str) -> Iterator[Connection]:
    connection = Connection(read_address(url), 10)
    try:
        yield connection
    finally:
        connection.close()


# Whatever changes in a reply but white space.

_texts = st.sampled_from([None, "", "a", "王", "a "])
_contacts = st.fixed_dictionaries(
    {"userName": st.sampled_from(["a", "b", "c", "d", None, 7])},
    optional={
        "nickName": _texts,
        "bigHead": _texts,
        "sex": st.sampled_from([0, 1, "1", "?", None]),
        "remark": _texts,  # that no field is for
    },
)
_lists = st.none() | st.lists(_contacts, max_size=4)
_replies = st.fixed_dictionaries(
    {"code": st.sampled_from(["1000", 1000]), "message": st.sampled_from(["成功", ""])},
    optional={
        "data": st.fixed_dictionaries(
            {}, optional=dict.fromkeys(("public", "friend", "group"), _lists)
        ),
        "msg": _texts,
    },
)
_written = st.builds(
    lambda value, indented: msgspec.json.format(
        msgspec.json.encode(value), indent=1 if indented else 0
    ),
    _replies,
    st.booleans(),
)
# Each is answered once or more, as instances are asked again and again.
_histories = st.lists(st.tuples(_written, st.integers(1, 3)), min_size=1, max_size=5)
_any_history = settings(
    max_examples=examples(20),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


async def _replayed(
    url: str,
    history: list[tuple[bytes, int]],
    max_shrink: float,
    **pool: Any,  # noqa: ANN401
) -> tuple[int, Any]:
    """Sync what is answered; return how often that was recognised, and what there is then."""
    recognized = 0
    async with ContactStore(url, max_shrink=max_shrink) as store:
        for body, times in history:
            for _ in range(times):
                result = await synced(store, body, contacts=False, **pool)
                recognized += isinstance(result, Synced) and result.unchanged
        changes = [msgspec.structs.replace(each, at=NOON) for each in await log(store)]
        stored = {contacts.w_id: contacts.lists() async for contacts in store.load_all()}
        outcomes = [
            (each.outcome, each.contacts, each.suspicion, each.kind_counts)
            for each in (await instances(store)).values()
        ]
    return recognized, (changes, stored, outcomes)


async def _compare(urls: Iterable[str], history: list[tuple[bytes, int]], shrink: float) -> None:
    """See that a pool whose replies are recognised leaves what one leaves that decodes all."""
    decodes_all = InitializationWait(is_initializing=lambda _, message: "初始化" in message)
    (_, with_digests), (none, without) = [
        await _replayed(url, history, shrink, initialization=wait)
        for url, wait in zip(urls, (InitializationWait(), decodes_all), strict=True)
    ]
    assert none == 0
    assert with_digests == without


@_any_history
@given(_histories, st.sampled_from([0.5, 1]))
async def test_sqlite_has_what_it_has_without_digests(
    tmp_path_factory: pytest.TempPathFactory,
    history: list[tuple[bytes, int]],
    max_shrink: float,
) -> None:
    folder = tmp_path_factory.mktemp("recognition")
    await _compare((f"sqlite:///{folder}/{name}.db" for name in "ab"), history, max_shrink)


@_any_history
@given(_histories, st.sampled_from([0.5, 1]))
async def test_postgresql_has_what_it_has_without_digests(
    postgresql: PostgresqlServer,
    history: list[tuple[bytes, int]],
    max_shrink: float,
) -> None:
    await _compare((postgresql.fresh_url() for _ in range(2)), history, max_shrink)
