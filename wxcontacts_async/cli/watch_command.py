"""The `watch` command: its options, and what it does with them."""

from typing import Annotated

import typer

from wxcontacts_async.cli import gateway_options as options
from wxcontacts_async.cli.console import HumanConsole
from wxcontacts_async.cli.output import STANDARD, LineFile
from wxcontacts_async.cli.signals import exiting_when_interrupted
from wxcontacts_async.cli.store_options import (
    BUSY_TIMEOUT,
    DEFAULT_BUSY,
    DEFAULT_CONFIRMATION,
    DEFAULT_RECONNECTION,
    DEFAULT_SHRINK,
    DEFAULT_STORE,
    RECONNECT_TIMEOUT,
    TO,
    BusyTimeout,
    ConfirmAfter,
    MaxShrink,
    ReconnectTimeout,
    ToStore,
    needing_store,
)
from wxcontacts_async.cli.summary import say_early_end
from wxcontacts_async.cli.usage import duration, number
from wxcontacts_async.cli.w_ids import FollowedWIds

_SHORTEST_INTERVAL = 0.1


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
    source: options.Source = None,
    gateway: options.GatewayUrl = options.DEFAULT_GATEWAY,
    header: options.Headers = None,
    to: ToStore = DEFAULT_STORE,
    max_shrink: MaxShrink = DEFAULT_SHRINK,
    confirm_after: ConfirmAfter = DEFAULT_CONFIRMATION,
    busy_timeout: BusyTimeout = DEFAULT_BUSY,
    reconnect_timeout: ReconnectTimeout = DEFAULT_RECONNECTION,
    max_concurrency: options.MaxConcurrency = options.DEFAULT_CONCURRENCY,
    max_rate: options.MaxRate = None,
    init_interval: options.InitInterval = options.DEFAULT_INTERVAL,
    init_timeout: options.InitTimeout = options.DEFAULT_TIMEOUT,
) -> None:
    """Sync the same instances again and again, and print what changes as it is learned.

    Changes are lines of JSON on standard output, as `wxcontacts changes` prints them. An instance
    that fails has a line on standard error, and is asked again the next time. The file of --from
    is read again when it changes. Needs the extra `store`:
    pip install 'wxcontacts_async[cli,store]'.

    Exit code: 0 stopped by Ctrl-C or SIGTERM, which is how it ends, 1 the database was lost or
    busy for longer than --reconnect-timeout or --busy-timeout, its disk is full or the output was
    closed, 2 wrong usage.
    """
    with exiting_when_interrupted(), needing_store():
        from wxcontacts_async.cli.database import GivenDatabase, check_no_url  # noqa: PLC0415
        from wxcontacts_async.cli.watch import Watch, WatchJob  # noqa: PLC0415

        console = HumanConsole()
        gateway_settings, initialization = options.read_gateway(
            gateway,
            header,
            max_concurrency=max_concurrency,
            max_rate=max_rate,
            init_interval=init_interval,
            init_timeout=init_timeout,
        )
        interval = duration("--every", every, shortest=_SHORTEST_INTERVAL)
        check_no_url(w_ids or ())
        database = GivenDatabase(
            to,
            TO,
            max_shrink=number(max_shrink),
            confirm_after=duration("--confirm-after", confirm_after),
            busy_timeout=duration(BUSY_TIMEOUT, busy_timeout),
            reconnect_timeout=duration(RECONNECT_TIMEOUT, reconnect_timeout),
        )
        # Looked at before it is read, so that no change of it goes unseen.
        followed = FollowedWIds(w_ids or (), None if source == STANDARD else source)
        watched = Watch(
            WatchJob(
                options.read_chosen(w_ids, source, console),
                followed,
                gateway_settings,
                initialization,
                database,
                interval,
                LineFile(STANDARD, "--output"),
            ),
            console,
        )
        end = watched.run()
        if end.error is not None:
            if not end.reader_gone:
                say_early_end(end, console)
            raise typer.Exit(end.exit_code)
        console.say(
            f"Stopped: {watched.synced:,} syncs, {watched.failed:,} failures, "
            f"{watched.changes:,} changes.",
        )
