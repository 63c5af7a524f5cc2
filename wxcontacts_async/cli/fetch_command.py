"""The `fetch` command: its options, and what it does with them."""

from typing import Annotated

import typer

from wxcontacts_async.cli import gateway_options as options
from wxcontacts_async.cli.console import HumanConsole
from wxcontacts_async.cli.fetch import FetchJob, run_fetch
from wxcontacts_async.cli.output import STANDARD, open_files
from wxcontacts_async.cli.signals import exiting_when_interrupted
from wxcontacts_async.cli.summary import say_end, say_failures, show_numbers


def fetch(
    *,
    w_ids: options.WIds = None,
    source: options.Source = None,
    gateway: options.GatewayUrl = options.DEFAULT_GATEWAY,
    header: options.Headers = None,
    output: Annotated[
        str,
        typer.Option(
            metavar="FILE|-",
            help="Write contacts to FILE, overwriting it, or - for standard output.",
        ),
    ] = STANDARD,
    failures: options.Failures = None,
    max_concurrency: options.MaxConcurrency = options.DEFAULT_CONCURRENCY,
    max_rate: options.MaxRate = None,
    init_interval: options.InitInterval = options.DEFAULT_INTERVAL,
    init_timeout: options.InitTimeout = options.DEFAULT_TIMEOUT,
) -> None:
    """Fetch contacts and write them as lines of JSON, as soon as each instance is ready.

    A line has the wId, the kind (public, friend or group) and the contact's keys as in the API
    document. A contact that stands in several lists of an instance has one line.

    Exit code: 0 all fetched, 1 some failed or the output was closed, 2 wrong usage,
    130 interrupted by Ctrl-C.
    """
    with exiting_when_interrupted():
        console = HumanConsole()
        gateway_settings, initialization = options.read_gateway(
            gateway,
            header,
            max_concurrency=max_concurrency,
            max_rate=max_rate,
            init_interval=init_interval,
            init_timeout=init_timeout,
        )
        chosen = options.read_chosen(w_ids, source, console)
        contacts_file, failures_file = open_files(output, failures, source)
        job = FetchJob(
            chosen,
            gateway_settings,
            initialization=initialization,
            contacts_file=contacts_file,
            failures_file=failures_file,
        )
        end = run_fetch(job, console)
        if not end.reader_gone:
            show_numbers(end.counts, console)
            failures_name = None if failures_file is None else failures_file.name
            say_failures(end.counts, console, failures=failures_name)
            say_end(end, contacts_file.name, console)
        raise typer.Exit(end.exit_code)
