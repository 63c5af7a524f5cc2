"""The `report` command: its options and messages."""

from typing import Annotated

import typer

from wxcontacts_async._report.words import Language
from wxcontacts_async.cli.options.extras import check_report_extra
from wxcontacts_async.cli.options.language import usual_language
from wxcontacts_async.cli.options.store_options import (
    DEFAULT_STORE,
    STORE,
    FromStore,
    needing_store,
)
from wxcontacts_async.cli.options.values import moment
from wxcontacts_async.cli.runtime.signals import exiting_when_interrupted
from wxcontacts_async.cli.terminal.console import HumanConsole
from wxcontacts_async.cli.terminal.summary import say_early_end


def report(
    *,
    store: FromStore = DEFAULT_STORE,
    since: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="Show who came and went in the last 90s, 10m, 1h or 2d, by hour up to then, or in "
            "the last 7d, by day; or since a time like 2025-06-30T18:00.",
        ),
    ] = "7d",
    output: Annotated[
        str,
        typer.Option(
            metavar="PATH",
            help="Write to this file, which its owner alone can read. It is replaced as a whole or "
            "not at all.",
        ),
    ] = "report.html",
    lang: Annotated[
        Language | None,
        typer.Option(help="The language of the page.", show_default="that of this computer"),
    ] = None,
    anonymous: Annotated[
        bool,
        typer.Option(
            "--anonymous",
            help="Leave out the names and the userName of every contact, and the database's name.",
        ),
    ] = False,
) -> None:
    """Write one HTML page of what is in a database and what happened in it, to look at.

    It shows instances and contacts over time, who came and went, kinds, the contacts on the most
    instances, suspicious and failing instances, and gateways. It opens in any browser and asks no
    network for anything. Days and hours are this computer's.
    Needs the extras `store` and `report`: pip install 'wxcontacts_async[cli,store,report]'.

    Exit code: 0 written, 1 the database cannot be read or the file cannot be written on, 2 wrong
    usage, 130 interrupted by Ctrl-C.
    """
    with exiting_when_interrupted(), needing_store():
        from wxcontacts_async.cli.options.database import DatabaseOption  # noqa: PLC0415

        check_report_extra()
        begin = moment("--since", since)
        database = DatabaseOption(store, STORE, opening="read")
        # Late, as it imports what the extra brings.
        from wxcontacts_async.cli.jobs.report import Report, run_report  # noqa: PLC0415

        language = lang or usual_language()
        result = run_report(Report(database, output, begin, language, anonymous))
        console = HumanConsole()
        say_early_end(result, console)
        if not result.exit_code:
            console.info(f"The report is in {output!r}.")
        raise typer.Exit(result.exit_code)
