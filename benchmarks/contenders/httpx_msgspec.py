"""httpx with msgspec."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx

from benchmarks.contenders import FetchAll
from benchmarks.contenders.gathering import gathering
from benchmarks.contenders.msgspec_replies import Reply, decode
from benchmarks.contenders.msgspec_replies import user_names as user_names  # noqa: PLC0414


@asynccontextmanager
async def opened(base_url: str, slots: int) -> AsyncGenerator[FetchAll]:
    """Open a client."""
    limits = httpx.Limits(max_connections=slots, max_keepalive_connections=slots)
    async with httpx.AsyncClient(base_url=base_url, limits=limits, timeout=60) as client:

        async def fetch(w_id: str) -> Reply:
            response = await client.post("/getAllContact", json={"wId": w_id})
            return decode(response.raise_for_status().content)

        yield gathering(fetch, slots)
