"""Serves an emulated gateway until a signal arrives."""

import asyncio
import contextlib
import signal
import sys
import threading
from contextlib import AsyncExitStack

import anyio

from wxcontacts_async.cli.runtime.errors import OutputError
from wxcontacts_async.cli.runtime.signals import run_until_signal
from wxcontacts_async.cli.terminal.console import HumanConsole
from wxcontacts_async.emulator import GatewayEmulator

_SHOWN_W_IDS = 5
_LEAVING_SECONDS = 0.5


def serve(
    emulator: GatewayEmulator,
    *,
    advance_seconds: float | None,
    obey_stdin: bool,
) -> OSError | None:
    """Serve until SIGINT, SIGTERM or SIGHUP; print the URL, then a few wIds, each on a line.

    Arguments:
        emulator: What to serve.
        advance_seconds: The interval between advances; 0 or None is never.
        obey_stdin: Whether to advance for each line "advance" of standard input, and to stop at
            its end, so that this process ends with the one that holds the other end.

    Returns:
        The error if it cannot listen, or None.

    """
    problem: OSError | None = None

    async def work() -> None:
        nonlocal problem
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(emulator)
            except OSError as error:
                problem = error
                return
            try:
                _advance_on_signal(emulator)
                _show(emulator)
                async with anyio.create_task_group() as tasks:
                    if advance_seconds:
                        tasks.start_soon(_advance_every, advance_seconds, emulator)
                    await (_obey_stdin(emulator) if obey_stdin else anyio.sleep_forever())
                    tasks.cancel_scope.cancel()
            finally:
                # Shielded from the cancellation that ends the block, for a limited time, as a
                # call may be under way that is never answered.
                with anyio.move_on_after(_LEAVING_SECONDS, shield=True):
                    await stack.aclose()

    run_until_signal(work)
    return problem


def _show(emulator: GatewayEmulator) -> None:
    w_ids = emulator.w_ids
    HumanConsole(stderr=False).say("\n".join([emulator.url, *w_ids[:_SHOWN_W_IDS]]))
    advice = (
        f"Try: wxcontacts fetch --gateway {emulator.url} {w_ids[0]}"
        if w_ids
        else "It refuses every wId."
    )
    HumanConsole().info(f"Serving {len(w_ids):,} instances until Ctrl-C. {advice}")


def _advance_on_signal(emulator: GatewayEmulator) -> None:
    if sys.platform != "win32":
        # Before anything is printed, as the reader of the URL may send it at once.
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, emulator.advance)


async def _advance_every(seconds: float, emulator: GatewayEmulator) -> None:
    while True:
        await anyio.sleep(seconds)
        emulator.advance()


async def _obey_stdin(emulator: GatewayEmulator) -> None:
    """Advance for each line "advance" of standard input, and confirm it; return at its end."""
    ended = anyio.Event()
    loop = asyncio.get_running_loop()

    def advance() -> None:
        emulator.advance()
        try:
            HumanConsole(stderr=False).say("advanced")
        except OutputError:
            ended.set()  # the process that asked has ended

    def read() -> None:
        with contextlib.suppress(RuntimeError):  # the loop may be closed by then
            with open(0, "rb", closefd=False) as lines:  # it has no path
                for line in lines:
                    if line.strip() == b"advance":
                        loop.call_soon_threadsafe(advance)
            loop.call_soon_threadsafe(ended.set)

    # A daemon, as the interpreter would wait for another thread, and this one may never end.
    threading.Thread(target=read, daemon=True).start()
    await ended.wait()
