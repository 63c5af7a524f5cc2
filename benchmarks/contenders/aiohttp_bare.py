"""aiohttp as the library uses it, and its decode, in a bare loop: no queues, waits or decode queue.

What lies between this and the floor is aiohttp's; what lies between this and the library is what
the library does for its users.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import asynccontextmanager

import anyio

from benchmarks.contenders import FetchAll, OnFetched
from benchmarks.contenders.floor import decode
from benchmarks.contenders.floor import user_names as user_names  # noqa: PLC0414
from wxcontacts_async._http.address import Address
from wxcontacts_async._http.session import SessionClient
from wxcontacts_async.settings import Gateway


@asynccontextmanager
async def opened(base_url: str, slots: int) -> AsyncGenerator[FetchAll]:
    """Open a session."""
    gateway = Gateway(base_url)
    async with anyio.create_task_group() as tasks:
        session = SessionClient(gateway, Address.of(gateway), tasks=tasks)

        async def work(w_ids: Iterator[str], on_fetched: OnFetched) -> None:
            for w_id in w_ids:
                body = await session.reply(w_id, may_resend=True)
                on_fetched(decode(b"".join(body.pieces)))

        async def fetch_all(w_ids: Iterable[str], on_fetched: OnFetched) -> None:
            shared = iter(w_ids)
            await asyncio.gather(*(work(shared, on_fetched) for _ in range(slots)))

        try:
            yield fetch_all
        finally:
            await session.close()
