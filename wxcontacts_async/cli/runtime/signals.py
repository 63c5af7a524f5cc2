"""Handles Ctrl-C, SIGTERM and SIGHUP, which shut a command down gracefully."""

import asyncio
import importlib.util
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import anyio
import typer

# A terminal sends these for Ctrl-C and when it is closed.
_OF_TERMINAL = [signal.SIGINT] if sys.platform == "win32" else [signal.SIGINT, signal.SIGHUP]


def exit_code_of(number: signal.Signals) -> int:
    """Return the exit code of a command that a signal stopped, as a shell would give it."""
    return 128 + number


INTERRUPTED = exit_code_of(signal.SIGINT)


@contextmanager
def exiting_when_interrupted() -> Iterator[None]:
    """Turn Ctrl-C before or after the asynchronous part into the exit code for it.

    Once a signal has ended that part, Ctrl-C stays ignored: handled again, it could cause a
    traceback just before the process ends.
    """
    try:
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            # An exception from here on, so that files are closed.
            signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def run_until_signal(
    work: Callable[[], Awaitable[None]],
    *,
    on_signal: Callable[[signal.Signals], None] = lambda _: None,
) -> signal.Signals | None:
    """Run `work` on uvloop, if there is one, or else on asyncio; return the signal that ended it.

    Arguments:
        work: Is cancelled at the first SIGINT, SIGTERM or SIGHUP (unless that is ignored, as
            under nohup). Further ones are ignored, also while the summary is shown.
        on_signal: Called with the signal in the event loop.

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
    except KeyboardInterrupt:  # where a loop handles no signals, or just after it was closed
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
                # Closing the loop removes its handlers. Removed any sooner (as by anyio's
                # receiver), a second Ctrl-C would interrupt the loop's own cleanup.
                loop.add_signal_handler(number, stop, number)
        await work()


def _handled_signals() -> list[signal.Signals]:
    hangup = [number for number in _OF_TERMINAL if signal.getsignal(number) is not signal.SIG_IGN]
    return [*{*hangup, signal.SIGINT, signal.SIGTERM}]
