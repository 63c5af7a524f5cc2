"""A sync in a process of its own: `python -m tests.sync_process DATABASE GATEWAY W_ID...`."""

import asyncio
import subprocess
import sys

import anyio

from wxcontacts_async import SessionPool
from wxcontacts_async.store import ContactStore, Synced


def command(database: str, gateway: str, w_ids: list[str]) -> list[str]:
    return [sys.executable, "-m", "tests.sync_process", database, gateway, *w_ids]


async def run_sync_process(database: str, gateway: str, w_ids: list[str]) -> None:
    """Run one to its end, which must be a good one."""
    await anyio.run_process(command(database, gateway, w_ids), stderr=subprocess.STDOUT)


async def _main(database: str, gateway: str, w_ids: list[str]) -> None:
    async with (
        SessionPool(gateway) as pool,
        ContactStore(database) as store,
        store.sync(pool, w_ids) as results,
    ):
        async for result in results:
            if not isinstance(result, Synced):
                raise result.error
            sys.stdout.write(f"{result.w_id}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2], sys.argv[3:]))
