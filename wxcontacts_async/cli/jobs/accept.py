"""Accepts that the missing contacts of suspicious instances are gone."""

from collections.abc import Sequence

from wxcontacts_async.cli.options.database import DatabaseOption
from wxcontacts_async.cli.runtime.running import RunResult, run_to_end
from wxcontacts_async.cli.terminal.console import HumanConsole
from wxcontacts_async.errors import shown_id
from wxcontacts_async.store import NotSyncedError, Suspicion


def accept_all(
    w_ids: Sequence[str], database: DatabaseOption, console: HumanConsole
) -> tuple[RunResult, int]:
    """Accept them, until all are done, a signal arrives or the database is lost.

    Returns:
        The result, and how many instances the database does not know.

    """
    unknown = 0

    async def accept() -> None:
        nonlocal unknown
        async with database.opened() as store:
            for w_id in w_ids:
                try:
                    suspicion = await store.accept(w_id)
                except NotSyncedError:
                    unknown += 1
                    console.say(f"wId {shown_id(w_id)}: {database.name} has no contacts of it.")
                else:
                    console.info(f"wId {shown_id(w_id)}: {_accepted(suspicion)}")

    return run_to_end(accept), unknown


def _accepted(suspicion: Suspicion | None) -> str:
    if suspicion is None:
        return "nothing is suspicious of it."
    return (
        f"accepted that {suspicion.missing:,} of {suspicion.stored:,} contacts are gone; the "
        "next sync removes those that are still missing."
    )
