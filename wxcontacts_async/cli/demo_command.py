"""The `demo` command: an emulator in a process of its own, and a fetch from it."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from wxcontacts_async import ContactSet, Gateway, InitializationWait
from wxcontacts_async.cli.console import HumanConsole
from wxcontacts_async.cli.fetch import FetchEnd, FetchJob, run_fetch
from wxcontacts_async.cli.output import STANDARD, LineFile
from wxcontacts_async.cli.signals import exiting_when_interrupted
from wxcontacts_async.cli.summary import say_end, show_numbers
from wxcontacts_async.emulator import GatewayEmulator

_INSTANCES = 200
_SEED = 7
_INITIALIZING = 0.33
_REFUSING = 0.02
_LATENCY = 0.05  # seconds, about what a gateway on another continent takes
_LEAVING_SECONDS = 3.0


class _EmulatorProcessError(Exception):
    """The emulator's process ended before it served."""


def demo(
    *,
    output: Annotated[
        str,
        typer.Option(
            metavar="FILE|-",
            help="Write contacts to FILE, overwriting it, or - for standard output.",
        ),
    ] = "contacts.jsonl",
) -> None:
    """Fetch 200 instances from an emulator, within 20 seconds, and show what came of it.

    A third of them are initializing, for 5 or 10 seconds, and a few refuse; exit code 0.
    """
    with exiting_when_interrupted():
        tables = HumanConsole(stderr=output == STANDARD)
        try:
            raise typer.Exit(_run_demo(output, HumanConsole(), tables))
        except _EmulatorProcessError:
            typer.echo("The emulator did not start; try `wxcontacts emulator`.", err=True)
            raise typer.Exit(1) from None


def _run_demo(output: str, console: HumanConsole, tables: HumanConsole) -> int:
    """Fetch 200 emulated instances, a third of them initializing, and show what came of it.

    Arguments:
        output: The file that the contacts go to.
        console: Where progress is shown.
        tables: Where the tables are shown.

    Returns:
        The exit code: 0 although a few are refused, as that belongs to it.

    """
    # The same seed draws the same instances here and in the other process.
    emulated = GatewayEmulator(
        _INSTANCES,
        seed=_SEED,
        initializing=_INITIALIZING,
        refusing=_REFUSING,
    )
    user_names: set[str] = set()

    def note(contacts: ContactSet) -> None:
        user_names.update(contact.user_name for contact in contacts)

    contacts_file = LineFile(output, "--output")
    contacts_file.empty()
    console.say(
        f"{_INSTANCES} instances of an emulator; a third are initializing, a few refuse.",
    )
    with _emulator_process() as url:
        job = FetchJob(
            emulated.w_ids,
            Gateway(url),
            initialization=InitializationWait(),
            contacts_file=contacts_file,
            on_contacts=note,
        )
        end = run_fetch(job, console)
    if end.reader_gone:
        return 1
    _show(end, len(user_names), tables)
    say_end(end, contacts_file.name, console)
    console.say(f"The contacts are in {contacts_file.name}.")
    as_meant = not end.counts.missing and end.counts.errors.keys() <= {"GatewayRefusedError"}
    return 0 if as_meant and end.error is None else end.exit_code


def _show(end: FetchEnd, distinct: int, tables: HumanConsole) -> None:
    waited, seconds = end.counts.waited, end.counts.seconds
    rows = [
        ("distinct contacts across instances", f"{distinct:,}"),
        ("waiting, one instance after another", f"{waited:,.1f} s"),
        ("all of it, waiting at once", f"{seconds:,.1f} s"),
        ("saved", f"{max(waited - seconds, 0.0):,.1f} s"),
    ]
    show_numbers(end.counts, tables, rows)


@contextlib.contextmanager
def _emulator_process() -> Iterator[str]:
    """Run `wxcontacts emulator` on a free port; give its URL."""
    options = {
        "--port": 0,
        "--instances": _INSTANCES,
        "--seed": _SEED,
        "--initializing": _INITIALIZING,
        "--refusing": _REFUSING,
        "--latency": _LATENCY,
    }
    given = [str(word) for option in options.items() for word in option]
    process = subprocess.Popen(  # noqa: S603  # this very program
        [sys.executable, "-m", "wxcontacts_async.cli", "emulator", "--until-stdin-ends", *given],
        # However this process ends, that pipe ends with it, and the emulator with the pipe.
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # So that Ctrl-C reaches this process alone, which then ends that one in order.
        start_new_session=True,
        text=True,
    )
    try:
        url = process.stdout.readline().strip() if process.stdout else ""
        if not url:
            raise _EmulatorProcessError
        yield url
    finally:
        _leave(process)


def _leave(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(_LEAVING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
