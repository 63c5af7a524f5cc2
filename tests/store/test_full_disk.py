"""A full disk is said to be full, ends what writes and keeps what was written; reading goes on."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from anyio.to_thread import run_sync

from benchmarks.store.temporary_postgresql import unprivileged
from tests.support.command import Ended, emulator, run, run_limited
from tests.support.mounts import mounted, resize
from tests.support.postgresql import PostgresqlServer, execute
from tests.support.syncing import Scene, all_synced, friends, loaded, log, replayed, scene, sync
from wxcontacts_async.emulator import GatewayEmulator
from wxcontacts_async.store import ContactStore, StoreFullError, Synced

# The database does the same on any loop, so asyncio's will do.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])

SETS = [friends(*range(300), w_id=f"w{number:03}") for number in range(100)]
W_IDS = [contacts.w_id for contacts in SETS]
_FULL = "the disk of the database is full; "


async def synced_until_full(it: Scene) -> set[str]:
    """Sync until the disk is full, and return whom the database has then."""
    synced: set[str] = set()

    async def sync_all() -> None:
        async with it.store.sync(it.pool, W_IDS, max_pending=5) as results:
            async for result in results:
                assert isinstance(result, Synced)
                synced.add(result.w_id)

    for contacts in SETS:
        it.gateway.give(contacts)
    with pytest.raises(StoreFullError, match=f"^{_FULL}.*Make room there") as raised:
        await sync_all()
    assert "other tables of its names" not in str(raised.value)
    return synced


async def test_a_sync_on_a_full_disk_ends_with_that_and_goes_on_when_there_is_room(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wxcontacts_async.store.sync._INSTANCES_A_BATCH", 5)
    with mounted(tmp_path / "mounted", 4_096) as folder:
        url = f"sqlite:///{folder}/contacts.db"
        async with scene(url) as it:
            synced = await synced_until_full(it)
            assert 0 < len(synced) < len(SETS)
            assert len(it.gateway.calls) < len(SETS)
            assert set(await loaded(it.store)) == synced
            assert await replayed(it.store) == await loaded(it.store)
        # Who reads needs no room, whatever it was opened for.
        async with ContactStore(url) as store:
            assert set(await loaded(store)) == synced
            assert len(await log(store)) == 300 * len(synced)
        ended = await run_sync(lambda: run("changes", "--store", url))
        assert ended.code == 0, ended.messages
        assert ended.output.count("\n") == 300 * len(synced)
        async with scene(url) as it:
            assert set(await loaded(it.store)) == synced
            for contacts in SETS:
                it.gateway.give(contacts)
            with pytest.raises(StoreFullError, match=f"^{_FULL}"):
                await sync(it.store, it.pool, W_IDS)
            await run_sync(resize, folder, 65_536)
            all_synced(await sync(it.store, it.pool, W_IDS))
            assert await replayed(it.store) == await loaded(it.store)


async def test_a_disk_without_room_for_the_tables_is_said_to_be_full(tmp_path: Path) -> None:
    with mounted(tmp_path / "mounted", 16) as folder:
        with pytest.raises(StoreFullError, match=f"^{_FULL}"):
            await ContactStore(f"sqlite:///{folder}/contacts.db").__aenter__()
        ended = await run_sync(
            lambda: run("sync", "w", "--gateway", "http://127.0.0.1:9", folder=folder),
        )
        assert ended.code == 1
        assert ended.messages.startswith(f"sqlite:///contacts.db: {_FULL}")


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [("sync",), pytest.param(("watch", "--every", "5s"), marks=pytest.mark.slow)]
)
async def test_a_limit_on_the_size_of_files_ends_the_command_with_that(
    tmp_path: Path,
    command: tuple[str, ...],
) -> None:
    instances = 40
    w_ids = GatewayEmulator(instances).w_ids
    options = ("--instances", str(instances), "--contacts", "500", "--initializing", "0")

    def ran() -> Ended:
        with emulator(*options) as url:
            return run_limited(1_000, *command, *w_ids, "--gateway", url, folder=tmp_path)

    ended = await run_sync(ran)
    assert ended.code == 1
    assert f"sqlite:///contacts.db: {_FULL}" in ended.messages
    assert not ended.has_traceback
    if "sync" in command:
        assert "instances are missing" in ended.messages
        assert "failed, such as" not in ended.messages
    async with ContactStore(f"sqlite:///{tmp_path}/contacts.db") as store:
        assert await replayed(store) == await loaded(store)


@pytest.fixture
def cramped_url(postgresql: PostgresqlServer) -> Iterator[str]:
    """Give a database of PostgreSQL with little room."""
    database = postgresql.fresh_database()
    with (
        TemporaryDirectory(prefix="wxcontacts-") as parent,
        mounted(Path(parent) / "mounted", 14_000) as folder,
    ):
        Path(parent).chmod(0o755)
        space = folder / "space"
        space.mkdir(mode=0o700)
        if (user := unprivileged()) is not None:
            shutil.chown(space, user)
        execute(
            postgresql.url(),
            f"CREATE TABLESPACE cramped LOCATION '{space}'",
            f"ALTER DATABASE {database} SET TABLESPACE cramped",
        )
        yield postgresql.database_url(database)
        execute(
            postgresql.url(),
            f"DROP DATABASE {database} WITH (FORCE)",
            "DROP TABLESPACE cramped",
        )


@pytest.mark.slow
async def test_a_full_disk_of_postgresql_is_said_to_be_full(cramped_url: str) -> None:
    async with scene(cramped_url) as it:
        synced = await synced_until_full(it)
        assert set(await loaded(it.store)) == synced
        assert await replayed(it.store) == await loaded(it.store)
