"""What Ctrl-C does: it ends the asynchronous part of a command, or all of it, in order."""

import importlib.util
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import anyio
import typer

INTERRUPTED = 128 + signal.SIGINT


@contextmanager
def exiting_when_interrupted() -> Iterator[None]:
    """Turn Ctrl-C before or after the asynchronous part into the exit code for it."""
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def run_until_signal(
    work: Callable[[], Awaitable[None]],
    *,
    on_signal: Callable[[], None] = lambda: None,
) -> signal.Signals | None:
    """Run `work` on uvloop, if there is one, or else on asyncio.

    Arguments:
        work: Is cancelled at the first SIGINT or SIGTERM; further ones change nothing.
        on_signal: Called, in the event loop, when that happens.

    Returns:
        The signal that came, or None.

    """
    try:
        return anyio.run(
            _until_signal,
            work,
            on_signal,
            backend_options={"use_uvloop": importlib.util.find_spec("uvloop") is not None},
        )
    except KeyboardInterrupt:  # where no signal can be received otherwise
        return signal.SIGINT


async def _until_signal(
    work: Callable[[], Awaitable[None]],
    on_signal: Callable[[], None],
) -> signal.Signals | None:
    if sys.platform == "win32":
        await work()
        return None
    received: signal.Signals | None = None
    # It is left last, so that a second Ctrl-C does not disturb the cleaning up.
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with anyio.create_task_group() as tasks:

            async def stop_at_signal() -> None:
                nonlocal received
                async for number in signals:
                    received = number
                    on_signal()
                    tasks.cancel_scope.cancel()

            tasks.start_soon(stop_at_signal)
            await work()
            tasks.cancel_scope.cancel()
    return received
