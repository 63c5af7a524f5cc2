"""The `watch` command: its options and messages."""

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from wxcontacts_async.cli.options import gateway_options as options
from wxcontacts_async.cli.options import store_options as stores
from wxcontacts_async.cli.options.fields import Fields, check_fields
from wxcontacts_async.cli.options.line_file import open_failures
from wxcontacts_async.cli.options.operations import OperationOptions
from wxcontacts_async.cli.options.option_groups import with_option_groups
from wxcontacts_async.cli.options.output_path import STANDARD, OutputPath
from wxcontacts_async.cli.options.usage import naming_options
from wxcontacts_async.cli.options.values import duration, number
from wxcontacts_async.cli.runtime.signals import exiting_when_interrupted
from wxcontacts_async.cli.terminal.console import HumanConsole
from wxcontacts_async.cli.terminal.log_lines import apply_log_format
from wxcontacts_async.cli.terminal.summary import say_early_end, say_repeated
from wxcontacts_async.validation import check_number

_SHORTEST_INTERVAL = 0.1


@with_option_groups
def watch(
    *,
    every: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="How often each instance is synced: 90s, 10m, 1h or 2d, at least 0.1s. They are "
            "spread evenly over that time. New ones go first, at most a second apart, then who "
            "was synced longest ago.",
            show_default=False,
        ),
    ],
    w_ids: options.WIds = None,
    sources: options.Sources = None,
    to: stores.ToStore = stores.DEFAULT_STORE,
    field: Fields = None,
    guarding: stores.Guarding,
    after: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Begin with the changes that have a higher id, a whole number of at least 0, "
            "such as those that were not printed when a run before this one ended; 0 is all. "
            "Where the file of --cursor says where to begin, that counts.",
            show_default="the end of the log",
        ),
    ] = None,
    cursor: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Keep in this file which change was printed last, and begin behind that one the "
            "next time, so that all runs together print each change once, in order. It is made if "
            "it is not there, and belongs to one database.",
            show_default="none is kept",
        ),
    ] = None,
    timeouts: stores.Timeouts,
    failures: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Append a JSON line to FILE each time that an instance fails, and for each "
            "contact that could not be decoded, or not all of it, as it came.",
            show_default="not written",
        ),
    ] = None,
    gateway_options: options.GatewayOptions,
    operations: OperationOptions,
) -> None:
    """Sync the same instances again and again, and print what changes as it is learned.

    Changes are lines of JSON on standard output, as `wxcontacts changes` prints them: the log of
    the database as it grows, by this command or by others that write to it. Stopped, it prints
    what is left of it, for as long as that is read, and for 8s at most. An instance that fails has
    a line on standard error, and is asked again the next time. The files of --from are read again
    when they change. Needs the extra `store`: pip install 'wxcontacts_async[cli,store]'.

    With --cursor, a run goes on where the one before was stopped or killed, and no change is left
    out. Where standard output is a file, each stands in it once, even after kill -9. Who reads a
    pipe may see a few lines once more after kill -9, those that were just being written: those
    whose id is no higher than the last one that was read are to be dropped.

    As a service, with --listen, --log-format and systemd's Type=notify, it runs for months. SIGHUP
    has it read the files of --config and --from again, unless it runs in a terminal, whose end that
    stands for.

    Exit code: 0 stopped by Ctrl-C or SIGTERM, which is how it ends, 1 the database was lost or busy
    for longer than --reconnect-timeout or --busy-timeout, its disk is full, it has not the change
    that --after or --cursor says, or the output was closed, 2 wrong usage.
    """
    with exiting_when_interrupted(), stores.needing_store():
        from wxcontacts_async.cli.jobs.watch import Watch, WatchJob  # noqa: PLC0415
        from wxcontacts_async.cli.options.cursor import open_cursor  # noqa: PLC0415
        from wxcontacts_async.cli.options.database import DatabaseOption, check_no_url  # noqa: PLC0415

        apply_log_format(operations.log_format)
        listen = operations.address()
        console = HumanConsole()
        settings = gateway_options.read()
        interval = duration("--every", every, shortest=_SHORTEST_INTERVAL)
        check_no_url(w_ids or ())
        fields = check_fields(field)
        database = DatabaseOption(to, stores.TO, **vars(guarding), **vars(timeouts))
        instance_sources = gateway_options.instances(w_ids or (), sources or (), settings)
        begin = None if after is None else number(after)
        with naming_options():
            check_number("after", begin, at_least=0, whole=True, optional=True)
        chosen, repeated = instance_sources.read()
        say_repeated(repeated, console)
        opened_cursor = open_cursor(cursor, database)

        def check(path: OutputPath) -> None:
            database.refuse_output(path)
            path.must_not_be_output(OutputPath(STANDARD, "standard output"))
            if cursor is not None:
                path.must_not_be([Path(cursor)], "--cursor")

        failures_file = open_failures(failures, instance_sources.files, check, appends=True)
        job = WatchJob(
            chosen,
            instance_sources,
            settings,
            database,
            interval,
            begin,
            opened_cursor,
            failures_file,
            listen,
            lambda: options.read_again(
                gateway_options, w_ids or (), sources or (), instance_sources
            ),
            fields,
        )
        if operations.log_format is not None:
            database.on_wait = lambda *_: None  # the store logs it
        if listen is not None:
            import wxcontacts_async.cli.jobs.status_server  # noqa: F401, PLC0415  # or say what is missing
        watched = Watch(job, console)
        result = watched.run()
        if result.output_closed:
            raise typer.Exit(result.exit_code)
        if result.error is None:
            console.info(
                f"Stopped: {watched.synced:,} syncs, {watched.failed:,} failures, "
                f"{watched.changes:,} changes.",
            )
        else:
            say_early_end(result, console)
        if watched.log.is_behind:
            same = f"--cursor {quote(cursor)}" if cursor else f"--after {watched.log.after}"
            console.say(
                f"What the log has after id {watched.log.after} was not printed; the same command "
                f"with {same} prints it.",
            )
        raise typer.Exit(0 if result.error is None else result.exit_code)
