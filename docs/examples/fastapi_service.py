"""FastAPI: one pool for the whole service, contacts as JSON, errors as statuses."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from wxcontacts_async import InvalidArgumentError, SessionPool, WxContactsError


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, SessionPool]]:
    async with SessionPool("http://localhost:18081") as pool:
        yield {"pool": pool}


app = FastAPI(lifespan=lifespan)


@app.exception_handler(WxContactsError)
async def failed(_: Request, error: WxContactsError) -> JSONResponse:
    status = 503 if error.transient else 502
    if isinstance(error, InvalidArgumentError):
        status = 422  # what was asked for is no wId
    return JSONResponse({"error": type(error).__name__, "message": str(error)}, status)


@app.get("/contacts/{w_id}")
async def contacts(w_id: str, request: Request) -> Response:
    found = await request.state.pool.fetch(w_id)
    # FastAPI does not know msgspec's structs; encoded already, it is also faster.
    return Response(msgspec.json.encode(found), media_type="application/json")
