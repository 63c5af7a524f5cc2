"""A role or a server that only lets read is enough to read; what is missing to write is told."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import anyio
import pytest
from anyio.to_thread import run_sync

from tests.support.command import Ended, run
from tests.support.postgresql import PostgresqlServer, execute
from tests.support.syncing import W_ID, friends, instances, loaded, log, scene, sync, versions
from wxcontacts_async.store import (
    ContactStore,
    NotSyncedError,
    StoreAccessError,
    StoreError,
)

# The database does the same on any loop, so asyncio's will do.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])

_TABLES = (
    "contact_changes, contact_fingerprints, contacts, instances, missing_contacts, "
    "wxcontacts_schema"
)
_NUMBERS = count(1)


class Role:
    """A role that may do nothing, in a database of its own, that an owner may do all in."""

    def __init__(self, server: PostgresqlServer) -> None:
        self.name = f"role_{next(_NUMBERS)}"
        database = server.fresh_database()
        self.owner_url = server.database_url(database)
        self.url = server.database_url(database, user=f"{self.name}:x")
        self.database = database
        self.do(
            f"CREATE ROLE {self.name} LOGIN PASSWORD 'x'",
            f"REVOKE ALL ON DATABASE {database} FROM PUBLIC",
            f"GRANT CONNECT ON DATABASE {database} TO {self.name}",
        )

    def do(self, *statements: str) -> None:
        execute(self.owner_url, *statements)

    def may(self, *rights: str) -> None:
        self.do(*(f"GRANT {right} TO {self.name}" for right in rights))

    def may_not(self, *rights: str) -> None:
        self.do(*(f"REVOKE {right} FROM {self.name}" for right in rights))

    def may_write(self) -> None:
        self.may(f"ALL ON {_TABLES}", f"TEMPORARY ON DATABASE {self.database}")


@pytest.fixture
async def role(postgresql: PostgresqlServer) -> Role:
    return await run_sync(Role, postgresql)


async def commanded(*arguments: str) -> Ended:
    return await run_sync(lambda: run(*arguments))


async def check_reading(url: str) -> None:
    """Read all there is in every way there is."""
    async with ContactStore(url) as store:
        assert await loaded(store) == {W_ID: versions(friends(1, 2, 3))}
        assert list(await store.load(W_ID)) == list(friends(1, 2, 3))
        assert len(await log(store)) == 3
        assert W_ID in await instances(store)
    for command in (
        ("changes", "--store"),
        ("export", "--format", "jsonl", "--output", "-", "--store"),
    ):
        ended = await commanded(*command, url)
        assert ended.code == 0, ended.messages
        assert ended.output.count("\n") == 3


async def test_a_role_that_may_only_select_is_enough_to_read(role: Role) -> None:
    async with scene(role.owner_url) as it:
        await it.synced(friends(1, 2, 3))
    await run_sync(role.may, f"SELECT ON {_TABLES}")
    await check_reading(role.url)
    async with scene(role.url) as it:
        with pytest.raises(StoreAccessError) as raised:
            await it.synced(friends(1))
        assert not it.gateway.calls
        assert (
            f"the role {role.name} lacks INSERT ON contact_changes, "
            "INSERT ON contact_fingerprints, UPDATE ON contact_fingerprints, DELETE ON contacts, "
            in str(raised.value)
        )
        assert f"TEMPORARY ON DATABASE {role.database}" in str(raised.value)
        assert "CREATE" not in str(raised.value)
        with pytest.raises(NotSyncedError):
            await it.store.load("nobody")


@pytest.mark.parametrize(
    "right",
    [
        "SELECT ON missing_contacts",
        "INSERT ON contacts",
        "UPDATE ON instances",
        "DELETE ON missing_contacts",
        "TEMPORARY ON DATABASE",
    ],
)
async def test_a_right_that_is_missing_to_write_is_told_as_that_right(
    role: Role,
    right: str,
) -> None:
    right += f" {role.database}" if right.endswith("DATABASE") else ""
    async with scene(role.owner_url):
        pass
    await run_sync(role.may_write)
    async with scene(role.url) as it:
        await it.synced(friends(1, 2))
        await run_sync(role.may_not, right)
        with pytest.raises(StoreAccessError, match=rf"the role {role.name} lacks {right}\."):
            await it.synced(friends(1, 2, 3))
        assert len(it.gateway.calls) == 1
        await run_sync(role.may, right)
        await it.synced(friends(1, 2, 3))


async def test_a_right_that_is_missing_to_read_is_told_as_that_right(role: Role) -> None:
    async with scene(role.owner_url) as it:
        await it.synced(friends(1))
    await run_sync(role.may, f"SELECT ON {_TABLES}")
    await run_sync(role.may_not, "SELECT ON contacts")
    async with ContactStore(role.url) as store:
        with pytest.raises(StoreAccessError, match=f"{role.name} lacks SELECT ON contacts."):
            await store.load(W_ID)
    ended = await commanded("export", "--output", "-", "--format", "csv", "--store", role.url)
    assert ended.code == 1
    assert f"the role {role.name} lacks SELECT ON contacts. Grant it, or give --store a role" in (
        ended.messages
    )


async def test_the_right_to_make_tables_is_told_if_that_is_missing(role: Role) -> None:
    lacking = f"the role {role.name} lacks CREATE ON SCHEMA public"
    await run_sync(role.may, f"TEMPORARY ON DATABASE {role.database}")
    with pytest.raises(StoreAccessError, match=lacking) as raised:
        await ContactStore(role.url).__aenter__()
    assert "other tables of its names" not in str(raised.value)
    ended = await commanded("sync", "w", "--gateway", "http://127.0.0.1:9", "--to", role.url)
    assert ended.code == 1
    assert lacking in ended.messages
    # Whoever only reads needs no such right.
    ended = await commanded("changes", "--store", role.url)
    assert ended.code == 1
    assert "has no tables of this library" in ended.messages


async def test_a_role_whose_transactions_are_read_only_writes_nothing(role: Role) -> None:
    async with scene(role.owner_url) as it:
        await it.synced(friends(1, 2, 3))
    await run_sync(role.may_write)
    await run_sync(role.do, f"ALTER ROLE {role.name} SET default_transaction_read_only = on")
    await check_reading(role.url)
    async with scene(role.url) as it:
        with pytest.raises(StoreAccessError, match="only be read; its transactions are read-only"):
            await it.synced(friends(1))


@pytest.fixture(scope="module")
def standby(postgresql: PostgresqlServer) -> Iterator[PostgresqlServer]:
    with postgresql.standby() as standby:
        yield standby


async def test_a_hot_standby_is_enough_to_read(
    postgresql: PostgresqlServer,
    standby: PostgresqlServer,
) -> None:
    database = await run_sync(postgresql.fresh_database)
    url = standby.database_url(database)
    async with scene(postgresql.database_url(database)) as it:
        await it.synced(friends(1, 2, 3))
    with anyio.fail_after(30):
        while not await is_known_to(url):  # noqa: ASYNC110  # it is another process
            await anyio.sleep(0.05)
    await check_reading(url)
    async with scene(url) as it:
        with pytest.raises(StoreAccessError, match="only be read; the server is a standby") as e:
            await sync(it.store, it.pool, [W_ID])
        assert "of a server, and of a role, that may write" in str(e.value)
        assert not it.gateway.calls


async def is_known_to(url: str) -> bool:
    try:
        async with ContactStore(url) as store:
            return W_ID in await instances(store)
    except StoreError:  # the standby is not as far yet
        return False


@pytest.mark.parametrize("encoding", ["LATIN1", "EUC_CN", "SQL_ASCII"])
async def test_a_database_that_cannot_hold_every_name_is_refused_unchanged(
    postgresql: PostgresqlServer,
    encoding: str,
) -> None:
    url = postgresql.database_url(await run_sync(postgresql.fresh_database, encoding))
    with pytest.raises(StoreError, match=f"has the encoding {encoding}, which cannot hold every"):
        await ContactStore(url).__aenter__()
    with tables(url) as found:
        assert found == []


@contextmanager
def tables(url: str) -> Iterator[list[object]]:
    from adbc_driver_postgresql import dbapi  # noqa: PLC0415

    with dbapi.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = 'public'")
        yield cursor.fetchall()
