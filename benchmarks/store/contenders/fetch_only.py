"""Nobody writes: what the fetching alone takes, which all have in common."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

from benchmarks.store.contenders import Sync
from benchmarks.store.contenders.batches import batches
from wxcontacts_async import Contact, SessionPool


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[Sync]:  # noqa: ARG001  # there is no database
    """Open nothing."""

    async def sync(pool: SessionPool[Contact], w_ids: Iterable[str]) -> None:
        async for batch in batches(pool, w_ids):
            del batch

    yield sync
