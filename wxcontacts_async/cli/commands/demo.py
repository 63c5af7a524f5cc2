"""The `demo` command: its options and messages."""

from typing import Annotated

import typer

from wxcontacts_async.cli.options.store_options import TO, needing_store
from wxcontacts_async.cli.runtime.signals import exiting_when_interrupted
from wxcontacts_async.cli.terminal.console import HumanConsole
from wxcontacts_async.emulator import GatewayEmulator

_INSTANCES = 200
_SEED = 7
_INITIALIZING = 0.33
_REFUSING = 0.02
_LATENCY = 0.05  # seconds, about what a gateway on another continent takes


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
        from wxcontacts_async.cli.jobs.demo import run_demo  # noqa: PLC0415
        from wxcontacts_async.cli.jobs.emulator_process import (  # noqa: PLC0415
            EmulatorProcessError,
            emulator_process,
        )
        from wxcontacts_async.cli.options.database import DatabaseOption  # noqa: PLC0415

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
        options = {
            "--instances": _INSTANCES,
            "--seed": _SEED,
            "--initializing": _INITIALIZING,
            "--refusing": _REFUSING,
            "--latency": _LATENCY,
        }
        arguments = [str(word) for option in options.items() for word in option]
        try:
            with emulator_process(*arguments) as (url, advance):
                code = run_demo(emulated.w_ids, url, advance, database, console)
        except EmulatorProcessError:
            typer.echo("The emulator did not start; try `wxcontacts emulator`.", err=True)
            code = 1
        raise typer.Exit(code)
