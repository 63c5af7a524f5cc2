"""The `emulator` command: its options, and serving until it is told to stop."""

import asyncio
import contextlib
import errno
import os
import signal
import sys
import threading
from contextlib import AsyncExitStack
from typing import Annotated

import anyio
import typer

from wxcontacts_async.arguments import check_number
from wxcontacts_async.cli.console import HumanConsole
from wxcontacts_async.cli.faults import SYNTAX, read_faults
from wxcontacts_async.cli.output import OutputError
from wxcontacts_async.cli.signals import run_until_signal
from wxcontacts_async.cli.usage import naming_options, number, wrong
from wxcontacts_async.emulator import FaultKind, GatewayEmulator

_SHOWN_W_IDS = 5
_MOST_INSTANCES = 100_000
_LEAVING_SECONDS = 0.5


def emulator(
    *,
    port: Annotated[
        str,
        typer.Option(metavar="PORT", help="Port to listen at on 127.0.0.1; 0 takes a free one."),
    ] = "18081",
    instances: Annotated[
        str,
        typer.Option(metavar="N", help="How many instances there are, at most 100,000."),
    ] = "10",
    seed: Annotated[
        str,
        typer.Option(metavar="N", help="Whole number; another one, other people and wIds."),
    ] = "0",
    initializing: Annotated[
        str,
        typer.Option(
            metavar="SHARE",
            help="Share of the instances, 0 to 1, that are initializing for a call or two.",
        ),
    ] = "0",
    refusing: Annotated[
        str,
        typer.Option(
            metavar="SHARE",
            help="Share of the instances, 0 to 1, that are refused; both together at most 1.",
        ),
    ] = "0",
    contacts: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="Contacts of each instance, 0 to 40,000.",
            show_default="10 to 10,000, as the seed has it",
        ),
    ] = None,
    latency: Annotated[
        str,
        typer.Option(metavar="S", help="Seconds before each answer, at least 0."),
    ] = "0",
    faults: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FAULT,...",
            help=f"What goes wrong: {SYNTAX}, separated by commas. SHARE of the calls, above 0 "
            "to 1 (all); from AFTER seconds after the start, for SECONDS, EVERY so many seconds "
            "again. N is the seconds of a status's Retry-After, the bytes a second of trickle, "
            "the calls a second of rate-limit, or how many contacts of a reply are damaged. "
            "May be given several times. "
            f"KIND is one of {', '.join(FaultKind)}.",
            show_default="nothing",
        ),
    ] = None,
    advance_every: Annotated[
        str,
        typer.Option(
            metavar="SECONDS",
            help="Move the contacts every so many seconds, at least 0: in half of the instances "
            "friends come, go and are renamed, and so is a group. 0 or none is never.",
        ),
    ] = "0",
    listed: Annotated[
        bool,
        typer.Option(
            "--list",
            help="Print the wIds of all instances, one a line, and exit without serving: the same "
            "ones for the same --instances and --seed.",
        ),
    ] = False,
    obey_stdin: Annotated[bool, typer.Option("--obey-stdin", hidden=True)] = False,
) -> None:
    """Serve a gateway with invented contacts to try things against, until Ctrl-C.

    Prints its URL and then a few wIds, each on a line; --list prints all of them. A wId that it
    does not know is refused.

    Put your own service through faults, the same ones for the same seed: a twentieth of the calls
    answered with 503, a hundredth cut, and an outage of 5 seconds every minute, with
    `--faults status-503:0.05,short-body:0.01,refuse-connections@30+5/60`.
    At its end it says how many of each were met.

    Contacts move with `--advance-every`, and once whenever it gets SIGUSR1 (not on Windows); the
    same ones for the same seed.
    """
    chosen_faults = read_faults(faults or [])
    with naming_options():
        check_number(
            "instances",
            number(instances),
            at_least=0,
            at_most=_MOST_INSTANCES,
            whole=True,
        )
        advance_seconds = number(advance_every)
        check_number("advance_every", advance_seconds, at_least=0, optional=True)
        emulated = GatewayEmulator(
            number(instances),
            seed=number(seed),
            initializing=number(initializing),
            refusing=number(refusing),
            contacts=number(contacts),
            latency=number(latency),
            faults=chosen_faults,
            port=number(port),
        )
    if listed:
        for w_id in emulated.w_ids:
            typer.echo(w_id)
        return
    problem = _serve(
        emulated,
        advance_seconds=advance_seconds,
        obey_stdin=obey_stdin,
    )
    if problem is not None:
        reason = os.strerror(problem.errno) if problem.errno else str(problem)
        advice = "; 0 takes a free one" if problem.errno == errno.EADDRINUSE else ""
        raise wrong("--port", f"{port} cannot be listened at: {reason}{advice}")
    if chosen_faults:
        met = ", ".join(f"{kind} {times:,}" for kind, times in emulated.faults_met.most_common())
        HumanConsole().info(f"Faults met: {met or 'none'}.")
    if emulated.advances:
        HumanConsole().info(f"Advances: {emulated.advances:,}.")


def _serve(
    emulator: GatewayEmulator,
    *,
    advance_seconds: float | None,
    obey_stdin: bool,
) -> OSError | None:
    """Serve until SIGINT, SIGTERM or SIGHUP; print the URL, then a few wIds, each on a line.

    Arguments:
        emulator: What to serve.
        advance_seconds: How often to advance it; 0 or None is never.
        obey_stdin: Whether to advance for each line "advance" of standard input, and to stop at
            its end. A process that holds the other end cannot end and leave this one behind.

    Returns:
        Why it cannot listen, or None when it has served.

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
                # Shielded, or the cancellation that got us here would cut its leaving short. Yet
                # not for ever, as a call may be under way that is never answered.
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
        # Before anything is printed: whoever has read the URL may send it at once.
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, emulator.advance)


async def _advance_every(seconds: float, emulator: GatewayEmulator) -> None:
    while True:
        await anyio.sleep(seconds)
        emulator.advance()


async def _obey_stdin(emulator: GatewayEmulator) -> None:
    """Advance for each line "advance" of standard input, and say so; return at its end."""
    ended = anyio.Event()
    loop = asyncio.get_running_loop()

    def advance() -> None:
        emulator.advance()
        try:
            HumanConsole(stderr=False).say("advanced")
        except OutputError:
            ended.set()  # as whoever asked is gone

    def read() -> None:
        with contextlib.suppress(RuntimeError):  # the loop may be closed by then
            with open(0, "rb", closefd=False) as lines:  # it has no path
                for line in lines:
                    if line.strip() == b"advance":
                        loop.call_soon_threadsafe(advance)
            loop.call_soon_threadsafe(ended.set)

    # A daemon, as the interpreter would wait for any other thread, and this one may never end.
    threading.Thread(target=read, daemon=True).start()
    await ended.wait()
