"""A worker: takes wIds from a queue for as long as it runs, and keeps a database in step."""

import asyncio
from collections.abc import AsyncIterator

from wxcontacts_async import Failed, SessionPool
from wxcontacts_async.store import ContactStore


async def w_ids_of(queue: asyncio.Queue[str | None]) -> AsyncIterator[str]:
    """Give what the queue gives; with Redis this is a loop around BLPOP, with Kafka a consumer."""
    while (w_id := await queue.get()) is not None:
        yield w_id


async def work(queue: asyncio.Queue[str | None]) -> None:
    """Sync each instance as it comes, until None does; never two calls for one at a time."""
    async with (
        SessionPool("http://localhost:18081") as pool,
        ContactStore("sqlite:///contacts.db") as store,
        # At most so many are taken from the queue before they are done.
        store.sync(pool, w_ids_of(queue), max_pending=1_000) as synced,
    ):
        async for result in synced:  # it is in the database: acknowledge it here
            if isinstance(result, Failed):
                print(result.w_id, "failed:", result.error)
            else:
                print(result.w_id, result.delta_counts)


async def main() -> None:
    queue: asyncio.Queue[str | None] = asyncio.Queue()
    for w_id in ("b7b43e42-7a6b-4156-92cf-d4b81f46c96f", "69aa252d-2d80-462d-84bd-246cdef62e87"):
        queue.put_nowait(w_id)
    queue.put_nowait(None)
    await work(queue)


if __name__ == "__main__":
    asyncio.run(main())
