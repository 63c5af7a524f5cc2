"""The `forget` command: its options and messages."""

from typing import Annotated

import typer

from wxcontacts_async.cli.options import gateway_options as options
from wxcontacts_async.cli.options import store_options as stores
from wxcontacts_async.cli.options.option_groups import with_option_groups
from wxcontacts_async.cli.options.w_ids import WIdSources
from wxcontacts_async.cli.runtime.signals import exiting_when_interrupted
from wxcontacts_async.cli.terminal.console import HumanConsole
from wxcontacts_async.cli.terminal.summary import say_early_end
from wxcontacts_async.validation import check_stored_w_id


@with_option_groups
def forget(
    *,
    w_ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="W_ID", help="Instances that are no more.", show_default=False),
    ] = None,
    sources: options.Sources = None,
    store: stores.HeldStore = stores.DEFAULT_STORE,
    timeouts: stores.Timeouts,
) -> None:
    """Remove instances that are no more from a database, with all of their contacts.

    The log has these contacts as removed. An instance that is still synced or watched comes back.
    Needs the extra `store`: pip install 'wxcontacts_async[cli,store]'.

    Exit code: 0 all removed, 1 the database does not know some instance or cannot be used, 2 wrong
    usage, 130 interrupted by Ctrl-C.
    """
    with exiting_when_interrupted(), stores.needing_store():
        from wxcontacts_async.cli.jobs.forget import forget_all  # noqa: PLC0415
        from wxcontacts_async.cli.options.database import DatabaseOption, check_no_url  # noqa: PLC0415

        check_no_url(w_ids or (), stores.STORE)
        database = DatabaseOption(store, stores.STORE, opening="update", **vars(timeouts))
        console = HumanConsole()
        chosen, _ = WIdSources(w_ids or (), sources or (), check_stored_w_id).read()
        result, unknown = forget_all(chosen, database, console)
        say_early_end(result, console)
        raise typer.Exit(result.exit_code or min(unknown, 1))
