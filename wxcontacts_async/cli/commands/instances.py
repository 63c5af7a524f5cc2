"""The `instances` command: its options and messages."""

from typing import Annotated

import typer

from wxcontacts_async.cli.options.store_options import (
    DEFAULT_STORE,
    STORE,
    FromStore,
    needing_store,
)
from wxcontacts_async.cli.runtime.signals import exiting_when_interrupted
from wxcontacts_async.cli.terminal.console import HumanConsole
from wxcontacts_async.cli.terminal.summary import say_early_end


def instances(
    *,
    store: FromStore = DEFAULT_STORE,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print a line of JSON for each, rather than a table."),
    ] = False,
) -> None:
    """Show each instance that a database knows, by wId.

    That is its gateway, its state (synced, suspicious, or the error of the last time), when it was
    last synced and last tried, how many contacts of each kind there are, and what is suspected
    missing. A line of JSON has the keys wId, gateway, state, syncedAt, triedAt, contacts (public,
    friend, group; null if unknown) and suspected (missing, stored, since, kinds, accepted; or
    null). Needs the extra `store`: pip install 'wxcontacts_async[cli,store]'.

    Exit code: 0 all shown, 1 the database cannot be read or the output was closed, 2 wrong usage,
    130 interrupted by Ctrl-C.
    """
    with exiting_when_interrupted(), needing_store():
        from wxcontacts_async.cli.jobs.instances import print_lines, print_table  # noqa: PLC0415
        from wxcontacts_async.cli.options.database import DatabaseOption  # noqa: PLC0415

        database = DatabaseOption(store, STORE, opening="read")
        result = print_lines(database) if as_json else print_table(database)
        if not result.output_closed:
            say_early_end(result, HumanConsole())
        raise typer.Exit(result.exit_code)
