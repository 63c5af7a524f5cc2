"""The `emulator` command: its options and messages."""

import errno
import os
from typing import Annotated

import typer

from wxcontacts_async.cli.jobs.emulator import serve
from wxcontacts_async.cli.options.faults import SYNTAX, read_faults
from wxcontacts_async.cli.options.usage import naming_options, wrong
from wxcontacts_async.cli.options.values import number
from wxcontacts_async.cli.terminal.console import HumanConsole
from wxcontacts_async.emulator import FaultKind, GatewayEmulator
from wxcontacts_async.validation import check_number

_MOST_INSTANCES = 100_000


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
    problem = serve(
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
