"""The `sync` command: its options and messages."""

from datetime import timedelta
from typing import Annotated

import typer

from wxcontacts_async.cli.options import gateway_options as options
from wxcontacts_async.cli.options import store_options as stores
from wxcontacts_async.cli.options.fields import Fields, check_fields
from wxcontacts_async.cli.options.line_file import open_failures
from wxcontacts_async.cli.options.option_groups import with_option_groups
from wxcontacts_async.cli.options.values import duration
from wxcontacts_async.cli.runtime.signals import exiting_when_interrupted
from wxcontacts_async.cli.terminal.console import HumanConsole
from wxcontacts_async.cli.terminal.summary import say_early_end, say_failures, say_repeated


@with_option_groups
def sync(
    *,
    w_ids: options.WIds = None,
    sources: options.Sources = None,
    to: stores.ToStore = stores.DEFAULT_STORE,
    stale_after: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Skip instances that were synced less than 90s, 10m, 1h or 2d ago, so that the "
            "same command after Ctrl-C, a crash or a failure syncs just the rest. Suspicious ones "
            "are never skipped.",
            show_default="none is skipped",
        ),
    ] = None,
    field: Fields = None,
    guarding: stores.Guarding,
    timeouts: stores.Timeouts,
    failures: options.Failures = None,
    gateway_options: options.GatewayOptions,
) -> None:
    """Fetch contacts and keep a database in step with them, with a log of what changed.

    Each instance is in the database wholly as before or wholly as after, whatever happens.
    Needs the extra `store`: pip install 'wxcontacts_async[cli,store]'.

    Exit code: 0 all synced or skipped, 1 some failed or are suspicious or the database was lost,
    2 wrong usage, 130 interrupted by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP.
    """
    with exiting_when_interrupted(), stores.needing_store():
        from wxcontacts_async.cli.jobs.sync import SyncJob, run_sync  # noqa: PLC0415
        from wxcontacts_async.cli.options.database import (  # noqa: PLC0415
            DatabaseOption,
            UnopenedDatabaseError,
            check_no_url,
        )
        from wxcontacts_async.cli.terminal.sync_statistics import SyncStatistics  # noqa: PLC0415
        from wxcontacts_async.cli.terminal.sync_summary import (  # noqa: PLC0415
            say_missing,
            say_rest,
            say_suspicious,
            show_sync,
        )

        console = HumanConsole()
        settings = gateway_options.read()
        stale = None if stale_after is None else duration("--stale-after", stale_after)
        check_no_url(w_ids or ())
        fields = check_fields(field)
        database = DatabaseOption(to, stores.TO, **vars(guarding), **vars(timeouts))
        instance_sources = gateway_options.instances(w_ids or (), sources or (), settings)
        chosen, repeated = instance_sources.read()
        say_repeated(repeated, console)
        failures_file = open_failures(
            failures,
            instance_sources.files,
            database.refuse_output,
        )
        job = SyncJob(
            chosen,
            settings,
            database,
            stale_after=None if stale is None else timedelta(seconds=stale),
            failures_file=failures_file,
            fields=fields,
        )
        stats = SyncStatistics(len(chosen))
        result = run_sync(job, stats, console)
        if isinstance(result.error, UnopenedDatabaseError):
            say_early_end(result, console)
        elif not result.output_closed:
            show_sync(stats, console)
            say_failures(stats, console, failures=failures_file)
            say_suspicious(stats, database, console)
            say_early_end(result, console)
            say_missing(stats, console)
            say_rest(stats, stale_after, console)
        raise typer.Exit(result.exit_code or min(stats.suspicious, 1))
