"""The command with its subcommands, and how its process ends."""

import os
import signal
import sys
import threading
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from wxcontacts_async import __version__
from wxcontacts_async.cli.commands.accept import accept
from wxcontacts_async.cli.commands.changes import changes
from wxcontacts_async.cli.commands.config import check
from wxcontacts_async.cli.commands.demo import demo
from wxcontacts_async.cli.commands.emulator import emulator
from wxcontacts_async.cli.commands.export import export
from wxcontacts_async.cli.commands.fetch import fetch
from wxcontacts_async.cli.commands.forget import forget
from wxcontacts_async.cli.commands.instances import instances
from wxcontacts_async.cli.commands.prune import prune
from wxcontacts_async.cli.commands.report import report
from wxcontacts_async.cli.commands.sync import sync
from wxcontacts_async.cli.commands.watch import watch
from wxcontacts_async.cli.options.config_option import ConfigGroup, nothing
from wxcontacts_async.cli.options.option_groups import Command, with_options
from wxcontacts_async.cli.options.usage import without_passwords
from wxcontacts_async.cli.runtime.errors import OutputError
from wxcontacts_async.cli.runtime.signals import INTERRUPTED
from wxcontacts_async.cli.runtime.standard_streams import drop_output, replace_standard_streams
from wxcontacts_async.cli.terminal.verbosity import Verbosity, apply_verbosity


class _HidesPasswords(TyperGroup):
    """Masks the passwords of URLs in usage errors."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]  # noqa: ANN401
        try:
            return super().invoke(ctx)
        except Exception as error:
            if isinstance(message := getattr(error, "message", None), str):
                error.message = without_passwords(message)  # type: ignore[attr-defined]
            raise


def _configured(command: Command) -> Command:
    return with_options(with_options(command, ConfigGroup, nothing), Verbosity, apply_verbosity)


app = typer.Typer(
    cls=_HidesPasswords,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # An error is one unwrapped line without a box, and what a user typed is never markup.
    rich_markup_mode=None,
)
_COMMANDS = (
    *(fetch, sync, watch, accept, forget, prune),
    *(changes, instances, export, report),
)
for command in _COMMANDS:
    app.command()(_configured(command))
for command in (emulator, demo):
    app.command()(with_options(command, Verbosity, apply_verbosity))
config = typer.Typer(no_args_is_help=True, help="Look after the file of --config.")
config.command()(_configured(check))
app.add_typer(config, name="config")


def run() -> NoReturn:
    """Run the command and leave the process with its exit code."""
    replace_standard_streams()
    code: int | str | None = INTERRUPTED
    try:
        app(prog_name="wxcontacts")
    except SystemExit as leaving:
        code = leaving.code
    except KeyboardInterrupt:
        pass
    except OutputError as error:
        drop_output()
        if not error.output_closed:
            typer.echo(f"{error}.", err=True)
        code = 1
    # From here Ctrl-C could only cause a traceback while the interpreter shuts down.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _leave_stuck_threads_behind(int(code or 0))
    sys.exit(code)


def _leave_stuck_threads_behind(code: int) -> None:
    """End at once if a thread is blocked writing to a pipe, as Python would wait for it."""
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join(0.1)
            if thread.is_alive():
                os._exit(code)


def _show_version(wanted: bool) -> None:  # noqa: FBT001  # typer passes it so
    if wanted:
        typer.echo(f"wxcontacts {__version__}")
        raise typer.Exit


def _wxcontacts(
    *,
    show_version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_show_version,
            is_eager=True,
            help="Show the version and exit.",
        ),
    ] = False,
) -> None:
    """Fetch the contacts of many WeChat instances at once, from a getAllContact gateway."""


app.callback()(with_options(_wxcontacts, Verbosity, apply_verbosity))
