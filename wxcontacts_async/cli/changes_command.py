"""The `changes` command: its options, and what it does with them."""

from typing import Annotated

import typer

from wxcontacts_async.arguments import check_stored_w_id
from wxcontacts_async.cli.console import HumanConsole
from wxcontacts_async.cli.output import STANDARD, LineFile
from wxcontacts_async.cli.signals import exiting_when_interrupted
from wxcontacts_async.cli.store_options import DEFAULT_STORE, STORE, FromStore, needing_store
from wxcontacts_async.cli.summary import say_early_end
from wxcontacts_async.cli.usage import moment, naming_options


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
    w_id: Annotated[
        str | None,
        typer.Option(metavar="W_ID", help="Of this instance alone.", show_default="of all"),
    ] = None,
) -> None:
    """Print what changed in a database as lines of JSON, in the order it learned of it.

    A line has the keys at (when the contacts were fetched), wId, userName, change (added, removed
    or changed), fields, before and after. Of a changed contact, fields names the keys that differ,
    and before and after have just these; of another one, before or after is all of it. Keys are
    those of `wxcontacts fetch`. Instances that are suspicious, as contacts are missing that were
    not removed, are said on standard error at the end. Needs the extra `store`:
    pip install 'wxcontacts_async[cli,store]'.

    Exit code: 0 all printed, 1 the database cannot be read or the output was closed, 2 wrong
    usage, 130 interrupted by Ctrl-C.
    """
    with exiting_when_interrupted(), needing_store():
        from wxcontacts_async.cli.changes import run_changes  # noqa: PLC0415
        from wxcontacts_async.cli.database import GivenDatabase  # noqa: PLC0415

        begin = None if since is None else moment("--since", since)
        if w_id is not None:
            with naming_options(w_id="--w-id"):
                check_stored_w_id(w_id)
        database = GivenDatabase(store, STORE, is_read=True)
        file = LineFile(STANDARD, "--output")
        end, suspects = run_changes(database, file, since=begin, w_id=w_id)
        if not end.reader_gone:
            console = HumanConsole()
            say_early_end(end, console)
            if suspects.number:
                console.say(f"{suspects.number:,} x suspicious, such as {suspects.example}")
        raise typer.Exit(end.exit_code)
