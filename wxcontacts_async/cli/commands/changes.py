"""The `changes` command: its options and messages."""

from enum import StrEnum
from typing import Annotated

import typer

from wxcontacts_async.cli.options.store_options import (
    DEFAULT_STORE,
    STORE,
    FromStore,
    needing_store,
)
from wxcontacts_async.cli.options.usage import naming_options
from wxcontacts_async.cli.options.values import moment, number
from wxcontacts_async.cli.runtime.signals import exiting_when_interrupted
from wxcontacts_async.cli.terminal.console import HumanConsole
from wxcontacts_async.cli.terminal.summary import say_early_end
from wxcontacts_async.errors import shown_id
from wxcontacts_async.validation import check_number, check_stored_w_id


class ChangesFormat(StrEnum):
    """How changes are printed."""

    JSONL = "jsonl"
    TABLE = "table"


def changes(
    *,
    store: FromStore = DEFAULT_STORE,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Print what was fetched in the last 90s, 10m, 1h or 2d, or since a time like "
            "2025-06-30T18:00, which is this computer's unless it ends like +08:00 or Z.",
            show_default="from the beginning",
        ),
    ] = None,
    after: Annotated[
        str,
        typer.Option(
            metavar="ID",
            help="Print what has a higher id, a whole number of at least 0. With the last id that "
            "was printed, this goes on from there: each change is printed once, whoever else "
            "writes meanwhile. 0 prints all.",
        ),
    ] = "0",
    w_id: Annotated[
        str | None,
        typer.Option(metavar="W_ID", help="Of this instance alone.", show_default="of all"),
    ] = None,
    limit: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="Print the first N of these, at least 1, and end. Whole number.",
            show_default="all",
        ),
    ] = None,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow",
            "-f",
            help="Go on with what comes, whichever process writes it, until Ctrl-C.",
        ),
    ] = False,
    written_as: Annotated[
        ChangesFormat,
        typer.Option(
            "--format",
            help="jsonl has all of each change; table is for people, with names and what differs.",
        ),
    ] = ChangesFormat.JSONL,
) -> None:
    """Print what changed in a database as lines of JSON, in the order in which it could be seen.

    A line has the keys id (its number in the log, which ascends), at (when the contacts were
    fetched), wId, userName, change (added, removed or changed), fields, before and after. Of a
    changed contact, fields names the keys that differ, and before and after have just these; of
    another one, before or after is all of it. Keys are those of `wxcontacts fetch`. Instances that
    are suspicious, as contacts are missing that were not removed, are said on standard error at
    the end. Needs the extra `store`: pip install 'wxcontacts_async[cli,store]'.

    With --follow and --after, a reader that keeps the last id goes on where it was: each change
    is printed once, and none is left out.

    Exit code: 0 all printed, or --follow stopped by a signal, 1 the database cannot be read, or
    does not know the instance of --w-id, or the output was closed, 2 wrong usage, 130 interrupted
    by Ctrl-C.
    """
    with exiting_when_interrupted(), needing_store():
        from wxcontacts_async.cli.jobs.changes import ChangesJob, ChangesRun  # noqa: PLC0415
        from wxcontacts_async.cli.options.database import DatabaseOption  # noqa: PLC0415

        begin = None if since is None else moment("--since", since)
        with naming_options(w_id="--w-id"):
            check_number("after", number(after), at_least=0, whole=True)
            check_number("limit", number(limit), at_least=1, whole=True, optional=True)
            if w_id is not None:
                check_stored_w_id(w_id)
        database = DatabaseOption(store, STORE, opening="read")
        printed = ChangesRun(
            ChangesJob(
                database,
                begin,
                number(after),
                w_id,
                number(limit),
                follows=follow,
                as_table=written_as is ChangesFormat.TABLE,
            )
        )
        result = printed.run()
        if follow and result.error is None:
            raise typer.Exit(0)
        if not result.output_closed:
            console = HumanConsole()
            say_early_end(result, console)
            if printed.is_unknown:
                console.say(f"wId {shown_id(w_id or '')}: {database.name} does not know it.")
            if printed.last_id is not None and printed.last_id < number(after):
                console.say(
                    f"--after {after}: the log of {database.name} ends at {printed.last_id}."
                )
            if printed.suspicious:
                console.say(f"{printed.suspicious:,} x suspicious, such as {printed.example}")
        raise typer.Exit(result.exit_code or int(printed.is_unknown))
