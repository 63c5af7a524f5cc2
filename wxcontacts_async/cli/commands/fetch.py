"""The `fetch` command: its options and messages."""

from contextlib import ExitStack
from typing import Annotated

import typer

from wxcontacts_async.cli.jobs.fetch import FetchJob, run_fetch
from wxcontacts_async.cli.options import gateway_options as options
from wxcontacts_async.cli.options.fetched_file import lacking
from wxcontacts_async.cli.options.fields import Fields, check_fields, with_fields
from wxcontacts_async.cli.options.line_file import open_files
from wxcontacts_async.cli.options.option_groups import with_option_groups
from wxcontacts_async.cli.options.output_path import STANDARD
from wxcontacts_async.cli.runtime.signals import exiting_when_interrupted
from wxcontacts_async.cli.terminal.console import HumanConsole
from wxcontacts_async.cli.terminal.summary import say_end, say_failures, say_repeated, show_numbers


@with_option_groups
def fetch(
    *,
    w_ids: options.WIds = None,
    sources: options.Sources = None,
    output: Annotated[
        str,
        typer.Option(
            metavar="FILE|-",
            help="Write contacts to FILE, or - for standard output. What FILE held before stays "
            "until this is done or interrupted, and also if nothing could be fetched or written.",
        ),
    ] = STANDARD,
    append: Annotated[
        bool,
        typer.Option(
            "--append",
            help="Write behind what FILE has, line by line, rather than replace it. If its last "
            "line was cut off, that is removed first.",
        ),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Append, and skip the instances that FILE has whole: after a crash, the same "
            "command fetches just the rest. The last one in FILE may not be, and is fetched again.",
        ),
    ] = False,
    field: Fields = None,
    failures: options.Failures = None,
    gateway_options: options.GatewayOptions,
) -> None:
    """Fetch contacts and write them as lines of JSON, as soon as each instance is ready.

    A line has the wId, the kind (public, friend or group) and the contact's keys as in the API
    document. A contact that stands in several lists of an instance has one line.

    Exit code: 0 all fetched, 1 some failed or the output was closed, 2 wrong usage,
    130 interrupted by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP.
    """
    with exiting_when_interrupted():
        console = HumanConsole()
        settings = gateway_options.read()
        contact_type = with_fields(check_fields(field))
        instance_sources = gateway_options.instances(w_ids or (), sources or (), settings)
        chosen, repeated = instance_sources.read()
        say_repeated(repeated, console)
        contacts_file, failures_file = open_files(
            output, failures, instance_sources.files, appends=append or resume
        )
        if resume:
            given = len(chosen)
            with ExitStack() as opened:
                for file in (contacts_file, failures_file):
                    if file is not None:
                        opened.callback(file.close)
                chosen = lacking(contacts_file, chosen)
                opened.pop_all()
            console.info(f"{given - len(chosen):,} of {given:,} instances are there and skipped.")
        job = FetchJob(chosen, settings, contacts_file, failures_file, contact_type)
        result = run_fetch(job, console)
        if not result.output_closed:
            show_numbers(result.stats, console)
            say_failures(result.stats, console, failures=failures_file)
            say_end(result, contacts_file, console)
        raise typer.Exit(result.exit_code)
