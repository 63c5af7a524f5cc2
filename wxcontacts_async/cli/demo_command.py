"""The `demo` command: an emulator in a process of its own, and a database in step with it."""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Annotated

import typer

from wxcontacts_async.cli.console import HumanConsole
from wxcontacts_async.cli.signals import exiting_when_interrupted
from wxcontacts_async.cli.store_options import TO, needing_store
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
    to: Annotated[
        str,
        typer.Option(metavar="URL", help="The database to keep in step; see `sync`."),
    ] = "sqlite:///demo.db",
) -> None:
    """Sync a database with an emulator's 200 instances, within 20 seconds, and show what came.

    A third of them are initializing, for 5 or 10 seconds, and a few refuse. Then their contacts
    move a little, and a second sync shows what has changed. Exit code 0.
    """
    with exiting_when_interrupted(), needing_store():
        from wxcontacts_async.cli.database import DatabaseOption  # noqa: PLC0415
        from wxcontacts_async.cli.demo import run_demo  # noqa: PLC0415

        console = HumanConsole()
        database = DatabaseOption(to, TO)
        # The same seed draws the same instances here and in the other process.
        emulated = GatewayEmulator(
            _INSTANCES,
            seed=_SEED,
            initializing=_INITIALIZING,
            refusing=_REFUSING,
        )
        console.info(
            f"{_INSTANCES} instances of an emulator; a third are initializing, a few refuse.",
        )
        try:
            with _emulator_process() as (url, advance):
                code = run_demo(emulated.w_ids, url, advance, database, console)
        except _EmulatorProcessError:
            typer.echo("The emulator did not start; try `wxcontacts emulator`.", err=True)
            code = 1
        raise typer.Exit(code)


@contextlib.contextmanager
def _emulator_process() -> Iterator[tuple[str, Callable[[], None]]]:
    """Run `wxcontacts emulator` on a free port; give its URL, and what advances it."""
    options = {
        "--port": 0,
        "--instances": _INSTANCES,
        "--seed": _SEED,
        "--initializing": _INITIALIZING,
        "--refusing": _REFUSING,
        "--latency": _LATENCY,
    }
    arguments = [str(word) for option in options.items() for word in option]
    process = subprocess.Popen(  # noqa: S603  # this very program
        [sys.executable, "-m", "wxcontacts_async.cli", "emulator", "--obey-stdin", *arguments],
        # However this process ends, that pipe ends with it, and the emulator with the pipe.
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # So that Ctrl-C reaches this process alone, which then ends that one in order.
        start_new_session=True,
        text=True,
    )

    def advance() -> None:
        with contextlib.suppress(BrokenPipeError):  # it has ended, as its gateway will show
            print("advance", file=process.stdin, flush=True)
            while process.stdout and process.stdout.readline() not in {"advanced\n", ""}:
                pass

    try:
        url = process.stdout.readline().strip() if process.stdout else ""
        if not url:
            raise _EmulatorProcessError
        yield url, advance
    finally:
        _leave(process)


def _leave(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
    try:
        process.wait(_LEAVING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
