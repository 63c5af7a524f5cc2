"""Tables of an older version are brought up to date; what is not the store's is left alone."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from anyio import create_task_group
from anyio.to_thread import run_sync

from tests.support.syncing import (
    NOON,
    W_ID,
    friends,
    instances,
    loaded,
    log,
    replayed,
    scene,
    timeline,
)
from wxcontacts_async import Contact, ContactSet, Sex
from wxcontacts_async.store import (
    ChangeKind,
    ContactStore,
    DeltaCounts,
    StoreConnectionError,
    StoreError,
    StoreVersionError,
    Suspicion,
)
from wxcontacts_async.store._database.connection import Connection
from wxcontacts_async.store._database.migrations import MIGRATIONS, VERSION
from wxcontacts_async.store._database.url import read_address
from wxcontacts_async.store._database.values import written_time

# The database does the same on any loop, so asyncio's will do.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])

TABLES = (
    "instances",
    "contacts",
    "contact_changes",
    "contact_fingerprints",
    "missing_contacts",
    "wxcontacts_schema",
)
AT = "2025-03-01 08:00:00.250000"
OLD_ROWS = (
    "CREATE TABLE wxcontacts_schema (version BIGINT NOT NULL)",
    "INSERT INTO wxcontacts_schema VALUES (1)",
    f"INSERT INTO instances VALUES ('w', 'g', 'synced', '{AT}', '{AT}', 2, 1)",
    f"INSERT INTO instances VALUES ('f', 'g', 'GatewayHTTPError', '{AT}', NULL, NULL, 3)",
    *(
        f"INSERT INTO contacts (w_id, user_name, kind, sex, city, first_seen, last_changed) "
        f"VALUES ('w', '{name}', 'friend', 1, '深圳', '{AT}', '{AT}')"
        for name in "ab"
    ),
    *(
        "INSERT INTO contact_changes (w_id, user_name, change, fields, after, at) VALUES "
        f"""('w', '{name}', 'added', '', '{{"kind":"friend","alias_name":null,"nick_name":null,"""
        '"big_head":null,"small_head":null,"sex":1,"signature":null,"country":null,'
        f""""province":null,"city":"深圳"}}', '{AT}')"""
        for name in "ab"
    ),
)


def execute(url: str, *statements: str) -> None:
    connection = Connection(read_address(url), 10)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    connection = Connection(read_address(url), 10)
    found = connection.rows(query)
    connection.close()
    return found


def tables(url: str) -> list[str]:
    query = (
        "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = current_schema()"
        if url.startswith("postgresql")
        else "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    )
    return sorted(name for (name,) in rows(url, query))


async def make_older(url: str) -> None:
    dialect = read_address(url).dialect
    made = tuple(dialect.fill_in(statement) for statement in MIGRATIONS[0])
    await run_sync(lambda: execute(url, *made, *OLD_ROWS))


async def test_an_older_version_is_brought_up_to_date_with_its_rows(database_url: str) -> None:
    old = ContactSet(
        W_ID,
        friends=tuple(Contact(name, sex=Sex.MALE, city="深圳") for name in "ab"),
    )
    await make_older(database_url)
    at = datetime(2025, 3, 1, 8, 0, 0, 250_000, UTC)
    async with scene(database_url) as it:
        kept = await it.store.load(W_ID)
        assert kept.friends == old.friends
        assert kept.fetched_at == at
        assert [(line.change, line.at) for line in await log(it.store)] == [
            (ChangeKind.ADDED, at),
        ] * 2
        assert await replayed(it.store) == await loaded(it.store)
        known = await instances(it.store)
        assert known["f"].synced_at is None
        assert {known[w_id].suspicion for w_id in "wf"} == {None}

        assert (await it.synced(old)).delta_counts == DeltaCounts()
        many = friends(*range(30))
        assert (await it.synced(many)).delta_counts == DeltaCounts(added=30, removed=2)
        assert (await it.synced(friends())).suspicion == Suspicion(30, 30)
        assert await replayed(it.store) == await loaded(it.store)
    assert await run_sync(rows, database_url, "SELECT version FROM wxcontacts_schema") == [
        (VERSION,),
    ]


FULL = friends(*range(140, 180))


async def make_suspicious_as_version_4_did(url: str, missing: int) -> None:
    """Make what that version leaves of a whole answer, and then of one that lacks some."""
    async with scene(url) as it:
        await it.synced(FULL)
    await run_sync(
        execute,
        url,
        "UPDATE instances SET outcome = 'suspicious', suspected_at = tried_at, "
        f"suspected_stored = 40, suspected_missing = {missing}, suspected_digest = 'of names', "
        "digest = 'in part 2025-03-01 08:00:00.250000'",
        "UPDATE contact_fingerprints SET digest = 'in part 2025-03-01 08:00:00.250000'",
        "DROP TABLE missing_contacts",
        "ALTER TABLE instances DROP COLUMN suspected_since",
        "ALTER TABLE instances DROP COLUMN suspected_kinds",
        "ALTER TABLE instances DROP COLUMN reply_digest",
        "ALTER TABLE instances DROP COLUMN official_accounts",
        "ALTER TABLE instances DROP COLUMN friends",
        "ALTER TABLE instances DROP COLUMN groups",
        "ALTER TABLE contacts DROP COLUMN more",
        "ALTER TABLE wxcontacts_schema DROP COLUMN fields",
        "UPDATE wxcontacts_schema SET version = 4",
    )
    if url.startswith("postgresql"):
        await run_sync(execute, url, "DROP FUNCTION wxcontacts_forget_replies CASCADE")


async def test_a_suspicion_of_version_4_begins_its_time_anew(database_url: str) -> None:
    await make_suspicious_as_version_4_did(database_url, 30)
    # Ten are within the bound, but it is not known whether they were among the thirty.
    most = ContactSet(W_ID, friends=FULL.friends[10:])
    async with scene(database_url, confirm_after=0) as it:
        known = (await instances(it.store))[W_ID]
        assert (known.outcome, known.suspicion) == ("suspicious", Suspicion(40, 30))
        first = await it.synced(most)
        assert (first.delta_counts, first.suspicion) == (DeltaCounts(), Suspicion(40, 10))
        assert first.suspicion is not None
        assert first.suspicion.since == first.contacts.fetched_at
        assert (await it.synced(most)).delta_counts == DeltaCounts(removed=10)
        assert await replayed(it.store) == await loaded(it.store)


async def test_a_suspicion_of_version_4_ends_with_a_whole_answer(database_url: str) -> None:
    await make_suspicious_as_version_4_did(database_url, 30)
    async with scene(database_url) as it:
        assert (await it.synced(FULL)).suspicion is None
        assert (await instances(it.store))[W_ID].suspicion is None
        most = ContactSet(W_ID, friends=FULL.friends[10:])
        assert (await it.synced(most)).delta_counts == DeltaCounts(removed=10)


async def test_a_suspicion_of_version_4_can_be_accepted(database_url: str) -> None:
    await make_suspicious_as_version_4_did(database_url, 30)
    async with scene(database_url) as it:
        assert await it.store.accept(W_ID) == Suspicion(40, 30)
        assert (await it.synced(ContactSet(W_ID))).delta_counts == DeltaCounts()
        thin = friends(*range(140, 150))
        assert (await it.synced(thin)).delta_counts == DeltaCounts(removed=30)
        assert (await instances(it.store))[W_ID].suspicion is None


@pytest.mark.parametrize(
    "older",
    [
        "synced_at = '{at}', suspected_at = NULL, suspected_stored = NULL, suspected_digest = NULL",
        "suspected_at = '{at}', suspected_stored = 40, suspected_digest = 'of names'",
    ],
    ids=["whole", "thin"],
)
async def test_what_an_older_version_merges_meanwhile_ends_the_time_of_who_is_held(
    database_url: str,
    older: str,
) -> None:
    """A process that has the tables open since before goes on writing as it did."""
    half = ContactSet(W_ID, friends=FULL.friends[25:])
    async with timeline(database_url) as it:
        await it.answered(0, FULL)
        await it.answered(1, half)
        at = written_time(NOON + timedelta(hours=20))
        it.connection.execute(f"UPDATE instances SET tried_at = '{{at}}', {older}".format(at=at))
        result = await it.answered(30, half)
        assert result.suspicion is not None
        assert result.suspicion.since == NOON + timedelta(hours=30)
        assert not result.delta_counts
        assert (await it.answered(54, half)).delta_counts == DeltaCounts(removed=25)


async def test_a_newer_version_is_refused_and_left_as_it_is(database_url: str) -> None:
    async with scene(database_url) as it:
        await it.synced(friends("a"))
    await run_sync(execute, database_url, f"UPDATE wxcontacts_schema SET version = {VERSION + 1}")
    with pytest.raises(StoreVersionError, match=f"version {VERSION + 1}; .* knows {VERSION}") as e:
        await ContactStore(database_url).__aenter__()
    assert "Upgrade wxcontacts_async" in str(e.value)
    assert await run_sync(rows, database_url, "SELECT user_name FROM contacts") == [("a",)]
    await run_sync(execute, database_url, f"UPDATE wxcontacts_schema SET version = {VERSION}")
    async with ContactStore(database_url) as store:
        assert list(await store.load(W_ID)) == list(friends("a"))


@pytest.mark.parametrize("name", TABLES)
async def test_a_foreign_table_of_the_same_name_is_left_alone(database_url: str, name: str) -> None:
    await run_sync(
        execute,
        database_url,
        f"CREATE TABLE {name} (mine INT)",
        f"INSERT INTO {name} VALUES (7)",
    )
    with pytest.raises(StoreError, match="without other tables of its names") as raised:
        await ContactStore(database_url).__aenter__()
    assert name in str(raised.value)
    assert await run_sync(tables, database_url) == [name]
    assert await run_sync(rows, database_url, f"SELECT * FROM {name}") == [(7,)]


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM wxcontacts_schema",
        "INSERT INTO wxcontacts_schema (version) VALUES (1)",
        "UPDATE wxcontacts_schema SET version = 0",
        "UPDATE wxcontacts_schema SET version = -1",
    ],
)
async def test_a_version_that_says_nothing_is_refused(database_url: str, damage: str) -> None:
    async with scene(database_url) as it:
        await it.synced(friends("a"))
    await run_sync(execute, database_url, damage)
    with pytest.raises(StoreError, match="does not say which version"):
        await ContactStore(database_url).__aenter__()
    assert await run_sync(rows, database_url, "SELECT user_name FROM contacts") == [("a",)]


async def test_tables_that_are_gone_meanwhile_are_an_error(database_url: str) -> None:
    async with scene(database_url) as it:
        await it.synced(friends("a"))
        await run_sync(execute, database_url, "DROP TABLE contacts")
        with pytest.raises(StoreError, match="contacts"):
            await it.store.load(W_ID)
        with pytest.raises(StoreError, match="contacts"):
            async for _ in it.store.load_all():
                pass


async def test_a_file_that_is_no_database_is_an_error_and_stays_as_it_is(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("odd")
    file = folder / "notes.txt"
    file.write_bytes(b"no database, " * 500)
    with pytest.raises(StoreError, match="^SQLite says: .*not a database"):
        await ContactStore(f"sqlite:///{file}").__aenter__()
    assert file.read_bytes() == b"no database, " * 500
    with pytest.raises(StoreConnectionError, match="^SQLite says: No such file or directory"):
        await ContactStore(f"sqlite:///{folder}/none/contacts.db").__aenter__()
    with pytest.raises(StoreConnectionError, match="^SQLite says: Is a directory"):
        await ContactStore(f"sqlite:///{folder}").__aenter__()


@pytest.mark.parametrize("prepared", [pytest.param(lambda _: None, id="none"), make_older])
async def test_many_that_come_at_once_make_the_tables_once(
    database_url: str,
    prepared: Callable[[str], Any],
) -> None:
    if (making := prepared(database_url)) is not None:
        await making

    async def use() -> None:
        async with ContactStore(database_url) as store:
            await instances(store)

    async with create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(use)
    assert await run_sync(rows, database_url, "SELECT version FROM wxcontacts_schema") == [
        (VERSION,),
    ]
