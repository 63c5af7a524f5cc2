"""httpx with pydantic models."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

import httpx
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from benchmarks.contenders import FetchAll
from benchmarks.contenders.gathering import gathering


class Contact(BaseModel):
    """One contact."""

    model_config = ConfigDict(alias_generator=to_camel)

    user_name: str
    alias_name: str | None = None
    nick_name: str | None = None
    big_head: str | None = None
    small_head: str | None = None
    sex: int | None = None
    signature: str | None = None
    country: str | None = None
    province: str | None = None
    city: str | None = None


class Lists(BaseModel):
    """The three lists."""

    public: list[Contact] = []
    friend: list[Contact] = []
    group: list[Contact] = []


class Reply(BaseModel):
    """One reply."""

    code: str
    message: str
    data: Lists


@asynccontextmanager
async def opened(base_url: str, slots: int) -> AsyncGenerator[FetchAll]:
    """Open a client."""
    limits = httpx.Limits(max_connections=slots, max_keepalive_connections=slots)
    async with httpx.AsyncClient(base_url=base_url, limits=limits, timeout=60) as client:

        async def fetch(w_id: str) -> Reply:
            response = await client.post("/getAllContact", json={"wId": w_id})
            return Reply.model_validate_json(response.raise_for_status().content)

        yield gathering(fetch, slots)


def user_names(reply: Reply) -> Iterable[str]:
    """List the user names of one reply."""
    lists = reply.data
    return [c.user_name for c in (*lists.public, *lists.friend, *lists.group)]
