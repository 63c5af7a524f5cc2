"""wxcontacts_async: `ContactStore.sync`, as the command calls it."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

from benchmarks.store.contenders import Sync
from wxcontacts_async import Contact, Failed, SessionPool
from wxcontacts_async.store import ContactStore


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[Sync]:
    """Open a store."""
    async with ContactStore(url) as store:

        async def sync(pool: SessionPool[Contact], w_ids: Iterable[str]) -> None:
            async with store.sync(pool, w_ids, contacts=False) as results:
                async for result in results:
                    if isinstance(result, Failed):
                        raise result.error
                    del result  # else it would live while the next batch is written

        yield sync
