"""Takes what became of each instance of a sync, however early that is stopped."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

from anyio import CancelScope

from wxcontacts_async.cli.runtime.errors import CommandError
from wxcontacts_async.store import StoreError, SyncResult, SyncStream


async def take_all(
    results: SyncStream,
    take: Callable[[SyncResult], Awaitable[None]],
) -> None:
    """Take each result; if that is cut short, also those that the database has by then.

    Arguments:
        results: The sync, which is stopped at the end.
        take: Counts a result and then writes of it. What keeps it from writing is raised once;
            the rest is counted all the same.

    Raises:
        StoreError: As reading the results does.
        CommandError: As taking one does.

    """
    try:
        async for result in results:
            await take(result)
    finally:
        results.stop()
        with CancelScope(shield=True), suppress(StoreError):
            async for result in results:
                with suppress(CommandError):
                    await take(result)
