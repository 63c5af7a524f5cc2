"""wxcontacts_async: `stream`."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

from benchmarks.contenders import FetchAll, OnFetched
from benchmarks.workloads import INITIALIZATION_INTERVAL
from wxcontacts_async import Contact, Fetched, Gateway, InitializationWait, SessionPool


@asynccontextmanager
async def opened(base_url: str, slots: int) -> AsyncGenerator[FetchAll]:
    """Open a pool."""
    async with _opened(Gateway(base_url, max_concurrency=slots)) as fetch_all:
        yield fetch_all


@asynccontextmanager
async def opened_for_gzip(base_url: str, slots: int) -> AsyncGenerator[FetchAll]:
    """Open a pool that asks for gzip, which it does of no gateway on the same host by itself."""
    headers = {"Accept-Encoding": "gzip"}
    async with _opened(Gateway(base_url, max_concurrency=slots, headers=headers)) as fetch_all:
        yield fetch_all


@asynccontextmanager
async def _opened(gateway: Gateway) -> AsyncGenerator[FetchAll]:
    async with SessionPool(gateway, initialization=InitializationWait(INITIALIZATION_INTERVAL)) as (
        pool
    ):

        async def fetch_all(w_ids: Iterable[str], on_fetched: OnFetched) -> None:
            async with pool.stream(w_ids) as outcomes:
                async for outcome in outcomes:
                    if not isinstance(outcome, Fetched):
                        raise outcome.error
                    on_fetched(outcome)
                    del outcome  # else it would live while the next one is decoded

        yield fetch_all


def user_names(reply: Fetched[Contact]) -> Iterable[str]:
    """List the user names of one outcome."""
    return [contact.user_name for contact in reply.contacts]
