"""The loop that most services begin with; what replaces it is in replaced_loop.py."""

import asyncio
from typing import Any

import aiohttp

URL = "http://localhost:18081/getAllContact"


async def contacts_of(
    session: aiohttp.ClientSession,
    slots: asyncio.Semaphore,
    w_id: str,
) -> dict[str, Any]:
    for attempt in range(5):
        async with slots, session.post(URL, json={"wId": w_id}) as response:
            reply = await response.json(content_type=None)
        if str(reply["code"]) == "1000":
            found: dict[str, Any] = reply["data"]
            return found
        message = reply.get("message") or reply.get("msg")
        if "初始化中" not in message:
            raise RuntimeError(message)
        await asyncio.sleep(5 * (attempt + 1))
    raise TimeoutError(w_id)


async def main() -> None:
    w_ids = ["b7b43e42-7a6b-4156-92cf-d4b81f46c96f", "69aa252d-2d80-462d-84bd-246cdef62e87"]
    slots = asyncio.Semaphore(32)
    async with aiohttp.ClientSession() as session:
        calls = (contacts_of(session, slots, w_id) for w_id in w_ids)
        for w_id, found in zip(w_ids, await asyncio.gather(*calls), strict=True):
            print(w_id, len(found["friend"]))


if __name__ == "__main__":
    asyncio.run(main())
