"""What replaces hand_written_loop.py."""

import asyncio

from wxcontacts_async import Failed, SessionPool


async def main() -> None:
    w_ids = ["0000016e-63eb-f319-0001-ed01076abf1f", "0000016e-63eb-f319-0002-ed01076abf1f"]
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
