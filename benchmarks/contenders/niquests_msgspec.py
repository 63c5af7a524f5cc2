"""niquests with msgspec."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import niquests

from benchmarks.contenders import FetchAll
from benchmarks.contenders.gathering import gathering
from benchmarks.contenders.msgspec_replies import Reply, decode
from benchmarks.contenders.msgspec_replies import user_names as user_names  # noqa: PLC0414


@asynccontextmanager
async def opened(base_url: str, slots: int) -> AsyncGenerator[FetchAll]:
    """Open a session."""
    async with niquests.AsyncSession(base_url=base_url, pool_maxsize=slots, timeout=60) as session:

        async def fetch(w_id: str) -> Reply:
            response = await session.post("/getAllContact", json={"wId": w_id})
            return decode(response.raise_for_status().content or b"")

        yield gathering(fetch, slots)
