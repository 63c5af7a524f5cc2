"""pyreqwest, an HTTP client in Rust, with msgspec."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

from pyreqwest.client import ClientBuilder

from benchmarks.contenders import FetchAll
from benchmarks.contenders.gathering import gathering
from benchmarks.contenders.msgspec_replies import Reply, decode
from benchmarks.contenders.msgspec_replies import user_names as user_names  # noqa: PLC0414


@asynccontextmanager
async def opened(base_url: str, slots: int) -> AsyncGenerator[FetchAll]:
    """Open a client."""
    builder = ClientBuilder().base_url(f"{base_url}/").max_connections(slots)
    async with builder.timeout(timedelta(seconds=60)).error_for_status().build() as client:

        async def fetch(w_id: str) -> Reply:
            response = await client.post("getAllContact").body_json({"wId": w_id}).build().send()
            return decode(await response.bytes())

        yield gathering(fetch, slots)
