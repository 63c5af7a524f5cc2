"""What is set around a store, and what others do meanwhile, changes nothing of what it keeps."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tests.support.syncing import (
    NOON,
    W_ID,
    batch_of,
    fetched,
    friends,
    instances,
    loaded,
    log,
    merged,
    scene,
    timeline,
    versions,
)
from wxcontacts_async import (
    Contact,
    ContactKind,
    ContactSet,
    Failed,
    GatewayTimeoutError,
    RejectedContact,
)
from wxcontacts_async.store import (
    DeltaCounts,
    StoreBusyError,
    StoreConnectionError,
    Suspicion,
)
from wxcontacts_async.store._database.connection import Connection
from wxcontacts_async.store._database.schema import prepare
from wxcontacts_async.store._database.url import read_address
from wxcontacts_async.store._merging.merge import merge

# The database does the same on any loop, so asyncio's will do.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])


@pytest.mark.parametrize(
    ("name", "value"),
    [("PGDATESTYLE", "SQL, DMY"), ("PGCLIENTENCODING", "LATIN1"), ("PGTZ", "Asia/Shanghai")],
)
async def test_what_the_environment_sets_for_postgresql_is_not_heeded(
    name: str,
    value: str,
    postgresql_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    contacts = ContactSet(W_ID, friends=(Contact("wxid_1", nick_name="王伟"),))
    monkeypatch.setenv(name, value)
    async with scene(postgresql_url) as it:
        await it.synced(contacts)
        again = await it.synced(contacts)
        assert not again.delta_counts
    monkeypatch.delenv(name)
    async with scene(postgresql_url) as it:
        assert await loaded(it.store) == {W_ID: versions(contacts)}
        assert (await it.store.load(W_ID)).fetched_at == again.contacts.fetched_at


async def test_a_rejected_contact_with_nul_in_its_name_is_still_there(database_url: str) -> None:
    rejected = RejectedContact(ContactKind.FRIEND, rb'{"userName":"n\u0000","sex":[]}', "")
    async with scene(database_url) as it:
        await it.synced(friends("a", "n\0"))
        synced = await it.synced(msgspec.structs.replace(friends("a"), rejected=(rejected,)))
    assert not synced.delta_counts


async def test_a_suspicious_set_that_is_merged_twice_is_no_next_sync(database_url: str) -> None:
    connection = Connection(read_address(database_url), 10)
    prepare(connection)
    await merged(connection, fetched(friends(*range(40))), NOON)
    half = fetched(friends(*range(10)))
    # The clock has gone back, and nobody knows whether the first of these was committed.
    for _ in range(2):
        batch = await merged(connection, half, NOON - timedelta(hours=1))
        assert not any(result.delta_counts for result in batch.commit.results.values())
    assert connection.rows("SELECT count(*) FROM contacts") == [(40,)]
    batch = await merged(connection, half, NOON + timedelta(hours=23))
    assert not any(result.delta_counts for result in batch.commit.results.values())
    batch = await merged(connection, half, NOON + timedelta(hours=24))
    assert batch.commit.results[W_ID].delta_counts == DeltaCounts(removed=30)
    connection.close()


async def test_who_is_held_stays_so_when_a_batch_is_merged_again(database_url: str) -> None:
    """As it is when the connection was lost and nobody can tell what was committed."""
    async with timeline(database_url, confirm_after=0) as it:
        await it.answered(0, friends(*range(40)))
        half = fetched(friends(*range(10)))
        batch = await batch_of(half, NOON + timedelta(hours=1), it.connection)
        for _ in range(2):
            merge(it.connection, batch, 0.5, confirm_after=0)
            assert batch.commit.results[W_ID].suspicion == it.suspicion == Suspicion(40, 30)
            assert len(it.held) == 30


async def test_a_set_is_merged_again_after_another_store_has_merged_the_same(
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection = Connection(read_address(database_url), 10)
    prepare(connection)
    contacts = msgspec.structs.replace(friends(*range(5)), fetched_at=NOON)
    batch = await batch_of(fetched(contacts), NOON, connection)

    def lose(statement: str, *parameters: object) -> None:
        if statement == "COMMIT":
            msg = "the connection was lost"
            raise StoreConnectionError(msg)
        execute(statement, *parameters)

    execute = connection.execute
    monkeypatch.setattr(connection, "execute", lose)
    with pytest.raises(StoreConnectionError):
        merge(connection, batch, 0.5)
    monkeypatch.undo()
    await merged(connection, fetched(contacts), NOON - timedelta(seconds=1))
    merge(connection, batch, 0.5)
    assert batch.commit.results[W_ID].delta_counts == DeltaCounts()
    assert connection.rows("SELECT contacts FROM instances") == [(5,)]
    connection.close()


async def test_an_older_failure_does_not_hide_a_newer_outcome(database_url: str) -> None:
    connection = Connection(read_address(database_url), 10)
    prepare(connection)
    await merged(connection, fetched(friends("a")), NOON)
    failed = Failed(W_ID, "", GatewayTimeoutError("silence"))
    await merged(connection, failed, NOON - timedelta(seconds=1))
    assert connection.rows("SELECT outcome FROM instances") == [("synced",)]
    await merged(connection, failed, NOON + timedelta(seconds=1))
    assert connection.rows("SELECT outcome FROM instances") == [("GatewayTimeoutError",)]
    connection.close()


async def test_what_was_changed_by_hand_is_put_right_when_a_contact_is_missing(
    database_url: str,
) -> None:
    async with scene(database_url) as it:
        await it.synced(friends("a", "b", "c"))
        connection = Connection(read_address(database_url), 10)
        connection.execute("DELETE FROM contacts WHERE user_name = 'b'")
        connection.close()
        synced = await it.synced(friends("a", "b", "c"))
        assert synced.delta_counts == DeltaCounts(added=1)
        assert await loaded(it.store) == {W_ID: versions(friends("a", "b", "c"))}


async def test_nothing_more_is_fetched_when_nothing_can_be_written(database_url: str) -> None:
    async with scene(database_url, busy_timeout=0.1) as it:
        everybody = [friends("a", w_id=f"w{number:03}") for number in range(300)]
        for contacts in everybody:
            it.gateway.give(contacts)
        holder = Connection(read_address(database_url), 10)
        w_ids = [contacts.w_id for contacts in everybody]
        with holder.transaction():
            async with it.store.sync(it.pool, (w_id for w_id in w_ids)) as results:
                for _ in range(2):  # whoever reads it
                    with pytest.raises(StoreBusyError):
                        await anext(results)
                calls = len(it.gateway.calls)
                await it.pool.fetch(w_ids[-1])
        holder.close()
        assert len(it.gateway.calls) <= calls + 1
        assert await instances(it.store) == {}


async def test_times_may_be_of_any_year(database_url: str) -> None:
    async with scene(database_url) as it:
        await it.synced(friends("a"))
        for year in (1, 300, 1999):
            assert len(await log(it.store, since=datetime(year, 1, 2, tzinfo=UTC))) == 1
        assert not await log(it.store, since=datetime(9999, 1, 1, tzinfo=UTC))
