"""The `export` command: its options and messages."""

from enum import StrEnum
from typing import Annotated

import typer

from wxcontacts_async.cli.options.fields import OPTION, check_fields
from wxcontacts_async.cli.options.output_path import STANDARD
from wxcontacts_async.cli.options.store_options import (
    DEFAULT_STORE,
    STORE,
    FromStore,
    needing_store,
)
from wxcontacts_async.cli.options.usage import naming_options
from wxcontacts_async.cli.runtime.signals import exiting_when_interrupted
from wxcontacts_async.cli.terminal.console import HumanConsole
from wxcontacts_async.cli.terminal.summary import say_early_end
from wxcontacts_async.validation import check_w_id


class ExportFormat(StrEnum):
    """The format of a file of contacts."""

    PARQUET = "parquet"
    JSONL = "jsonl"
    CSV = "csv"
    XLSX = "xlsx"


def export(
    *,
    written_as: Annotated[
        ExportFormat,
        typer.Option(
            "--format",
            help="parquet, csv and xlsx have the columns w_id, user_name, kind, alias_name and so "
            "on; jsonl has the lines of wxcontacts fetch, and fetchedAt in each. xlsx needs the "
            "extra `xlsx`.",
            show_default=False,
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            metavar="PATH",
            help="Write to this file; a new one can be read by its owner alone. It is replaced as "
            "a whole or not at all. For jsonl and csv, - is standard output.",
        ),
    ],
    store: FromStore = DEFAULT_STORE,
    w_id: Annotated[
        list[str] | None,
        typer.Option(
            metavar="W_ID",
            help="This instance; may be given again for others.",
            show_default="all",
        ),
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(
            OPTION,
            metavar="KEY",
            help="Of the fields that the database has beside the document's, write this one; may "
            "be given again for others.",
            show_default="all",
        ),
    ] = None,
    bom: Annotated[
        bool | None,
        typer.Option(
            "--bom/--no-bom",
            help="Whether csv begins with a byte order mark, by which Excel knows that it is "
            "UTF-8.",
            show_default="in a file, not in a pipe",
        ),
    ] = None,
) -> None:
    """Write the contacts in a database to a file, as of the last sync of each instance.

    In csv, a cell that a spreadsheet would run as a formula has a single quote in front. xlsx is
    for Excel: ids are text, times are times in UTC, and a sheet has a million rows at most.
    Needs the extra `store`: pip install 'wxcontacts_async[cli,store]'.

    Exit code: 0 all written, 1 the database cannot be read, or has never seen an instance, or the
    file cannot be written on, 2 wrong usage, 130 interrupted by Ctrl-C.
    """
    with exiting_when_interrupted(), needing_store():
        from wxcontacts_async.cli.jobs.export import Export, OutputState, run_export  # noqa: PLC0415
        from wxcontacts_async.cli.options.database import DatabaseOption  # noqa: PLC0415

        w_ids = list(dict.fromkeys(w_id or ()))
        with naming_options(w_id="--w-id"):
            for one in w_ids:
                check_w_id(one)
        database = DatabaseOption(store, STORE, opening="read")
        result, stats, state = run_export(
            Export(database, output, written_as, w_ids, bom, check_fields(field))
        )
        if not result.output_closed:
            console = HumanConsole()
            name = "standard output" if output == STANDARD else repr(output)
            say_early_end(result, console)
            written = f"{stats.contacts:,} contacts of {stats.instances:,} instances"
            if state is not OutputState.COMPLETE:
                console.say(f"{name} is {state}.")
            elif result.exit_code:  # it was complete when the signal came
                console.say(f"{written} are in {name}.")
            else:
                console.info(f"{written} are in {name}.")
        raise typer.Exit(result.exit_code)
