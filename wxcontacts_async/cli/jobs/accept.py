"""Accepts that the missing contacts of suspicious instances are gone."""

from collections.abc import Sequence

from wxcontacts_async.cli.options.database import DatabaseOption
from wxcontacts_async.cli.runtime.running import RunResult, run_to_end
from wxcontacts_async.cli.terminal.console import HumanConsole
from wxcontacts_async.errors import shown_id
from wxcontacts_async.store import ContactStore, NotSyncedError


class Acceptance:
    """One run of `accept`.

    Attributes:
        unknown: How many instances the database does not know.

    """

    def __init__(
        self,
        w_ids: Sequence[str],
        database: DatabaseOption,
        console: HumanConsole,
    ) -> None:
        self.unknown = 0
        self._w_ids = w_ids
        self._database = database
        self._console = console

    def run(self) -> RunResult:
        """Accept them, until all are done, a signal arrives or the database is lost."""
        return run_to_end(self._accept_all)

    async def _accept_all(self) -> None:
        async with self._database.opened() as store:
            for w_id in self._w_ids:
                before = self.unknown
                sentence = await self._accepted(w_id, store)
                say = self._console.info if self.unknown == before else self._console.say
                say(f"wId {shown_id(w_id)}: {sentence}")

    async def _accepted(self, w_id: str, store: ContactStore) -> str:
        try:
            suspicion = await store.accept(w_id)
        except NotSyncedError:
            self.unknown += 1
            return f"{self._database.name} has no contacts of it."
        if suspicion is None:
            return "nothing is suspicious of it."
        return (
            f"accepted that {suspicion.missing:,} of {suspicion.stored:,} contacts are gone; the "
            "next sync removes those that are still missing."
        )
