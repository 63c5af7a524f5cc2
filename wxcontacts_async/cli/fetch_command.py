"""The `fetch` command: its options, and what it does with them."""

import os
from typing import Annotated

import typer

from wxcontacts_async import Gateway, InitializationWait
from wxcontacts_async.cli.console import HumanConsole
from wxcontacts_async.cli.fetch import FetchJob, run_fetch
from wxcontacts_async.cli.output import STANDARD, open_files
from wxcontacts_async.cli.signals import exiting_when_interrupted
from wxcontacts_async.cli.summary import say_end, say_failures, show_numbers
from wxcontacts_async.cli.usage import (
    AUTHORIZATION_VARIABLE,
    naming_options,
    number,
    read_headers,
)
from wxcontacts_async.cli.w_ids import read_w_ids

_GATEWAY = Gateway("http://localhost:18081")
_WAIT = InitializationWait()


def fetch(
    *,
    w_ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="W_ID", help="Instances to fetch.", show_default=False),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FILE|-",
            help="Read more wIds from FILE, or - for standard input: one a line, in UTF-8. "
            "Blank lines and # comments are skipped.",
        ),
    ] = None,
    gateway: Annotated[
        str,
        typer.Option(metavar="URL", help="Where POST URL/getAllContact is answered."),
    ] = _GATEWAY.base_url,
    header: Annotated[
        list[str] | None,
        typer.Option(
            metavar="'NAME: VALUE'",
            help="Send this header with every call; may be given again for others. Others on this "
            f"computer can see it; {AUTHORIZATION_VARIABLE} in the environment, which is "
            "sent as the Authorization header, they cannot.",
        ),
    ] = None,
    output: Annotated[
        str,
        typer.Option(
            metavar="FILE|-",
            help="Write contacts to FILE, overwriting it, or - for standard output.",
        ),
    ] = STANDARD,
    failures: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|-",
            help="Write a JSON line for each failed instance, and for each contact that could "
            "not be decoded, as it came, to FILE, overwriting it.",
            show_default="not written",
        ),
    ] = None,
    max_concurrency: Annotated[
        str,
        typer.Option(metavar="N", help="Calls under way at once, at least 1."),
    ] = str(_GATEWAY.max_concurrency),
    max_rate: Annotated[
        str | None,
        typer.Option(
            metavar="R",
            help="Calls a second at most, above 0, spread evenly.",
            show_default="no limit",
        ),
    ] = None,
    init_interval: Annotated[
        str,
        typer.Option(
            metavar="S",
            help="Seconds until an initializing instance is called again, at least 0. The API "
            "document asks for 5.",
        ),
    ] = f"{_WAIT.interval:g}",
    init_timeout: Annotated[
        str,
        typer.Option(
            metavar="S",
            help="Seconds after which an instance that is still initializing is given up, at "
            "least 0, or none to wait for ever.",
        ),
    ] = f"{_WAIT.timeout:g}",
) -> None:
    """Fetch contacts and write them as lines of JSON, as soon as each instance is ready.

    A line has the wId, the kind (public, friend or group) and the contact's keys as in the API
    document. A contact that stands in several lists of an instance has one line.

    Exit code: 0 all fetched, 1 some failed or the output was closed, 2 wrong usage,
    130 interrupted by Ctrl-C.
    """
    with exiting_when_interrupted():
        console = HumanConsole()
        with naming_options():
            gateway_settings = Gateway(
                gateway,
                headers=read_headers(header or (), os.environ),
                max_concurrency=number(max_concurrency),
                max_rate=number(max_rate),
            )
            initialization = InitializationWait(
                number(init_interval),
                timeout=number(init_timeout),
            )
        chosen, repeated = read_w_ids(w_ids or (), source)
        if repeated:
            these = "1 wId was" if repeated == 1 else f"{repeated:,} wIds were"
            console.say(f"{these} given once more; each is fetched once.")
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
