"""aiohttp with `gather`, a semaphore and `response.json()`."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientSession

from benchmarks.contenders import FetchAll
from benchmarks.contenders.gathering import gathering
from benchmarks.contenders.json_replies import user_names as user_names  # noqa: PLC0414


@asynccontextmanager
async def opened(base_url: str, slots: int) -> AsyncGenerator[FetchAll]:
    """Open a session."""
    async with ClientSession(base_url, raise_for_status=True) as session:

        async def fetch(w_id: str) -> Any:  # noqa: ANN401  # it is what the JSON was
            async with session.post("/getAllContact", json={"wId": w_id}) as response:
                return await response.json()

        yield gathering(fetch, slots)
