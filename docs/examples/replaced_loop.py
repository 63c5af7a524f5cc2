"""What replaces hand_written_loop.py."""

import asyncio

from wxcontacts_async import Failed, SessionPool


async def main() -> None:
    w_ids = ["b7b43e42-7a6b-4156-92cf-d4b81f46c96f", "69aa252d-2d80-462d-84bd-246cdef62e87"]
    async with (
        SessionPool("http://localhost:18081") as pool,
        pool.stream(w_ids) as outcomes,
    ):
        async for outcome in outcomes:
            if isinstance(outcome, Failed):
                print(outcome.error)
            else:
                print(outcome.w_id, len(outcome.contacts.friends))


if __name__ == "__main__":
    asyncio.run(main())
