"""Takes all results of a sync, also when it is stopped early."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

from anyio import CancelScope

from wxcontacts_async.cli.runtime.errors import CommandError
from wxcontacts_async.store import StoreError, SyncResult, SyncStream


async def take_all(
    results: SyncStream,
    take: Callable[[SyncResult], Awaitable[None]],
) -> None:
    """Take each result; after an error or a cancellation, also those committed by then.

    Arguments:
        results: The sync, which is stopped at the end.
        take: Counts a result and then writes it; its first error is raised once all are counted.

    Raises:
        StoreError: The results cannot be read.
        CommandError: A result cannot be written.

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
