"""Forgets instances that are no more, and prunes the log of changes."""

from collections.abc import Sequence
from datetime import datetime

from wxcontacts_async.cli.options.database import DatabaseOption
from wxcontacts_async.cli.runtime.running import RunResult, run_to_end
from wxcontacts_async.cli.terminal.console import HumanConsole
from wxcontacts_async.errors import shown_id
from wxcontacts_async.store import NotSyncedError


def forget_all(
    w_ids: Sequence[str], database: DatabaseOption, console: HumanConsole
) -> tuple[RunResult, int]:
    """Forget them, until all are done, a signal arrives or the database is lost.

    Returns:
        The result, and how many instances the database does not know.

    """
    unknown = 0

    async def forget() -> None:
        nonlocal unknown
        async with database.opened() as store:
            for w_id in w_ids:
                try:
                    contacts = await store.forget(w_id)
                except NotSyncedError:
                    unknown += 1
                    console.say(f"wId {shown_id(w_id)}: {database.name} does not know it.")
                else:
                    console.info(f"wId {shown_id(w_id)}: forgotten, with {contacts:,} contacts.")

    return run_to_end(forget), unknown


def prune_log(database: DatabaseOption, before: datetime, console: HumanConsole) -> RunResult:
    """Remove what is older from the log, until that is done or a signal arrives."""

    async def prune() -> None:
        async with database.opened() as store:
            pruned = await store.prune(before=before)
            console.info(f"{pruned:,} changes were removed from the log of {database.name}.")

    return run_to_end(prune)
