"""What Ctrl-C does: it ends the asynchronous part of a command, or all of it, in order."""

import asyncio
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
    """Turn Ctrl-C before or after the asynchronous part into the exit code for it.

    Once a signal has ended that part, Ctrl-C stays ignored: between heeding it again and the end
    of the process there would be a moment for a traceback.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def run_until_signal(
    work: Callable[[], Awaitable[None]],
    *,
    on_signal: Callable[[signal.Signals], None] = lambda _: None,
) -> signal.Signals | None:
    """Run `work` on uvloop, if there is one, or else on asyncio.

    Arguments:
        work: Is cancelled at the first SIGINT or SIGTERM. Further ones change nothing, and what
            the command has to say afterwards is safe from Ctrl-C too.
        on_signal: Called with it, in the event loop, when that happens.

    Returns:
        The signal that came, or None.

    """
    received: list[signal.Signals] = []

    def receive(number: signal.Signals) -> None:
        received.append(number)
        on_signal(number)

    try:
        anyio.run(
            _until_signal,
            work,
            receive,
            backend_options={"use_uvloop": importlib.util.find_spec("uvloop") is not None},
        )
    except KeyboardInterrupt:  # where a loop receives no signals, or just as it was closed
        received.append(signal.SIGINT)
    if not received:
        return None
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return received[0]


async def _until_signal(
    work: Callable[[], Awaitable[None]],
    receive: Callable[[signal.Signals], None],
) -> None:
    with anyio.CancelScope() as scope:

        def stop(number: signal.Signals) -> None:
            if not scope.cancel_called:
                receive(number)
                scope.cancel()

        if sys.platform != "win32":
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                # The loop takes its handlers along when it is closed. Removed any sooner (as
                # anyio's receiver does when it is left), a second Ctrl-C would break the loop
                # in the midst of its cleaning up.
                loop.add_signal_handler(number, stop, number)
        await work()
