"""What Ctrl-C, SIGTERM and SIGHUP do: they end a command in order."""

import asyncio
import importlib.util
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import anyio
import typer

INTERRUPTED = 128 + signal.SIGINT
# What a terminal sends: for Ctrl-C, and when it is closed.
_OF_TERMINAL = [signal.SIGINT] if sys.platform == "win32" else [signal.SIGINT, signal.SIGHUP]


@contextmanager
def exiting_when_interrupted() -> Iterator[None]:
    """Turn Ctrl-C before or after the asynchronous part into the exit code for it.

    Once a signal has ended that part, Ctrl-C stays ignored: between heeding it again and the end
    of the process there would be a moment for a traceback.
    """
    try:
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            # As an exception from here on, as files are left in order.
            signal.signal(signal.SIGINT, signal.default_int_handler)
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
        work: Is cancelled at the first SIGINT, SIGTERM or SIGHUP (unless that is ignored, as
            nohup does). Further ones change nothing, and what the command has to say afterwards
            is safe from Ctrl-C and from the terminal's end too.
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
    for number in _OF_TERMINAL:
        signal.signal(number, signal.SIG_IGN)
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
            for number in _handled_signals():
                # The loop takes its handlers along when it is closed. Removed any sooner (as
                # anyio's receiver does when it is left), a second Ctrl-C would break the loop
                # in the midst of its cleaning up.
                loop.add_signal_handler(number, stop, number)
        await work()


def _handled_signals() -> list[signal.Signals]:
    hangup = [number for number in _OF_TERMINAL if signal.getsignal(number) is not signal.SIG_IGN]
    return [*{*hangup, signal.SIGINT, signal.SIGTERM}]
