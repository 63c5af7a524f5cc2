"""wreq, an HTTP client in Rust, with msgspec."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

import wreq

from benchmarks.contenders import FetchAll
from benchmarks.contenders.gathering import gathering
from benchmarks.contenders.msgspec_replies import Reply, decode
from benchmarks.contenders.msgspec_replies import user_names as user_names  # noqa: PLC0414


@asynccontextmanager
async def opened(base_url: str, slots: int) -> AsyncGenerator[FetchAll]:
    """Open a client."""
    client = wreq.Client(timeout=timedelta(seconds=60), raise_for_status=True)
    url = f"{base_url}/getAllContact"

    async def fetch(w_id: str) -> Reply:
        async with client.post(url, json={"wId": w_id}) as response:
            return decode(await response.bytes())

    try:
        yield gathering(fetch, slots)
    finally:
        client.close()
