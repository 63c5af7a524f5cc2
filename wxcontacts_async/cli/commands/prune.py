"""The `prune` command: its options and messages."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from wxcontacts_async.cli.options import store_options as stores
from wxcontacts_async.cli.options.option_groups import with_option_groups
from wxcontacts_async.cli.options.values import duration
from wxcontacts_async.cli.runtime.signals import exiting_when_interrupted
from wxcontacts_async.cli.terminal.console import HumanConsole
from wxcontacts_async.cli.terminal.summary import say_early_end


@with_option_groups
def prune(
    *,
    older_than: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="Remove the oldest changes, up to the first one that is not older than that: "
            "90s, 10m, 1h or 90d.",
            show_default=False,
        ),
    ],
    store: stores.HeldStore = stores.DEFAULT_STORE,
    timeouts: stores.Timeouts,
) -> None:
    """Shorten the log of changes of a database; its contacts stay as they are.

    It does so in short transactions, so others can write meanwhile. The last change of all stays.
    SQLite uses the room for what comes next, and its file stays as large as it is. Needs the
    extra `store`: pip install 'wxcontacts_async[cli,store]'.

    Exit code: 0 all removed, 1 the database cannot be used, 2 wrong usage, 130 interrupted by
    Ctrl-C.
    """
    with exiting_when_interrupted(), stores.needing_store():
        from wxcontacts_async.cli.jobs.forget import prune_log  # noqa: PLC0415
        from wxcontacts_async.cli.options.database import DatabaseOption  # noqa: PLC0415

        before = datetime.now(UTC) - timedelta(seconds=duration("--older-than", older_than))
        database = DatabaseOption(store, stores.STORE, opening="update", **vars(timeouts))
        console = HumanConsole()
        result = prune_log(database, before, console)
        say_early_end(result, console)
        raise typer.Exit(result.exit_code)
