"""`gather` and a semaphore: how many calls at once are usually written."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from benchmarks.contenders import FetchAll, OnFetched


def gathering(fetch: Callable[[str], Awaitable[Any]], slots: int) -> FetchAll:
    """Make a FetchAll of what fetches one reply.

    Each reply is handed over rather than returned, which spares the peers the memory of all
    replies together.
    """
    semaphore = asyncio.Semaphore(slots)

    async def fetch_one(w_id: str, on_fetched: OnFetched) -> None:
        async with semaphore:
            on_fetched(await fetch(w_id))

    async def fetch_all(w_ids: Iterable[str], on_fetched: OnFetched) -> None:
        await asyncio.gather(*(fetch_one(w_id, on_fetched) for w_id in w_ids))

    return fetch_all
