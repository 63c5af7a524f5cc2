"""A sync in a process of its own, which may be killed or have no room on the disk."""

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess

from anyio.to_thread import run_sync

from wxcontacts_async import SessionPool
from wxcontacts_async.store import ContactStore, StoreError, Synced

# Forked from a process that has imported all of this, one starts in no time.
_processes = get_context("forkserver")
_processes.set_forkserver_preload([__name__, "adbc_driver_sqlite.dbapi"])


@asynccontextmanager
async def sync_process(
    database: str,
    gateway: str,
    w_ids: list[str],
    *,
    room: int | None = None,
) -> AsyncIterator[ForkServerProcess]:
    """Run one within the block, and kill it at its end if it is still there.

    Arguments:
        database: The store's URL.
        gateway: The pool's.
        w_ids: What is synced.
        room: How many bytes a file may have until the sync has failed. Then there is room, and
            it is done again.

    """
    process = _processes.Process(target=_run, args=(database, gateway, w_ids, room))
    await run_sync(process.start)
    try:
        yield process
    finally:
        process.kill()
        await run_sync(process.join)
        process.close()


async def run_sync_process(
    database: str,
    gateway: str,
    w_ids: list[str],
    *,
    room: int | None = None,
) -> None:
    """Run one to its end, which must be a good one."""
    async with sync_process(database, gateway, w_ids, room=room) as process:
        await run_sync(process.join)
        assert process.exitcode == 0


def _run(database: str, gateway: str, w_ids: list[str], room: int | None) -> None:
    asyncio.run(_sync(database, gateway, w_ids, room))


async def _sync(database: str, gateway: str, w_ids: list[str], room: int | None) -> None:
    async with SessionPool(gateway) as pool, ContactStore(database) as store:
        if room is not None:
            await _fail_for_want_of_room(store, pool, w_ids, room)
        async with store.sync(pool, w_ids) as results:
            async for result in results:
                assert isinstance(result, Synced), result


async def _fail_for_want_of_room(
    store: ContactStore,
    pool: SessionPool,
    w_ids: list[str],
    room: int,
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    synced = set()
    failures: list[Exception] = []
    try:
        async with store.sync(pool, w_ids) as results:
            async for result in results:
                if isinstance(result, Synced):
                    synced.add(result.w_id)
                else:
                    failures.append(result.error)
    except StoreError as error:
        failures.append(error)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert failures
    assert all("SQLite says: " in str(error) for error in failures), failures
    # What was said to be in the database is in it, and nothing else.
    kept = {contacts.w_id async for contacts in store.load_all()}
    assert kept == synced
    assert 0 < len(kept) < len(w_ids)
