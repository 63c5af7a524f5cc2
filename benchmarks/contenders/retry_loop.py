"""aiohttp with msgspec and the usual way to wait: a semaphore around a retry loop."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from aiohttp import ClientSession

from benchmarks.contenders import FetchAll
from benchmarks.contenders.gathering import gathering
from benchmarks.contenders.msgspec_replies import Reply, decode
from benchmarks.contenders.msgspec_replies import user_names as user_names  # noqa: PLC0414
from benchmarks.workloads import INITIALIZATION_INTERVAL


@asynccontextmanager
async def opened(base_url: str, slots: int) -> AsyncGenerator[FetchAll]:
    """Open a session."""
    async with ClientSession(base_url, raise_for_status=True) as session:

        async def fetch(w_id: str) -> Reply:
            while True:
                async with session.post("/getAllContact", json={"wId": w_id}) as response:
                    reply = decode(await response.read())
                if "初始化中" not in reply.message:
                    return reply
                await asyncio.sleep(INITIALIZATION_INTERVAL)

        yield gathering(fetch, slots)
