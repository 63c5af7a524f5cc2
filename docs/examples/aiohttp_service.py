"""aiohttp.web: one pool for the application, and many instances as lines of JSON."""

from collections.abc import AsyncIterator

import msgspec
from aiohttp import web

from wxcontacts_async import Fetched, SessionPool

POOL = web.AppKey("pool", SessionPool)


async def open_pool(app: web.Application) -> AsyncIterator[None]:
    async with SessionPool("http://localhost:18081") as pool:
        app[POOL] = pool
        yield


async def contacts(request: web.Request) -> web.StreamResponse:
    """Answer each instance as soon as it is ready: POST ["wId", ...]."""
    w_ids = msgspec.json.decode(await request.read(), type=list[str])
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    async with request.app[POOL].stream(w_ids) as outcomes:
        async for outcome in outcomes:
            if isinstance(outcome, Fetched):
                line = {"wId": outcome.w_id, "contacts": list(outcome.contacts)}
            else:
                line = {"wId": outcome.w_id, "error": str(outcome.error)}
            # A client that reads slowly stops the calls, rather than filling the memory.
            await response.write(msgspec.json.encode(line) + b"\n")
    return response


def make_app() -> web.Application:
    app = web.Application()
    app.cleanup_ctx.append(open_pool)
    app.router.add_post("/contacts", contacts)
    return app


if __name__ == "__main__":
    web.run_app(make_app(), port=8080)
