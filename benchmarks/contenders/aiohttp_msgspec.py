"""aiohttp with `gather`, a semaphore and msgspec."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from aiohttp import ClientSession

from benchmarks.contenders import FetchAll
from benchmarks.contenders.gathering import gathering
from benchmarks.contenders.msgspec_replies import Reply, decode
from benchmarks.contenders.msgspec_replies import user_names as user_names  # noqa: PLC0414


@asynccontextmanager
async def opened(base_url: str, slots: int) -> AsyncGenerator[FetchAll]:
    """Open a session."""
    async with ClientSession(base_url, raise_for_status=True) as session:

        async def fetch(w_id: str) -> Reply:
            async with session.post("/getAllContact", json={"wId": w_id}) as response:
                return decode(await response.read())

        yield gathering(fetch, slots)
