"""Tells observers, and the log, what syncs make of instances."""

import logging
from collections.abc import Sequence
from typing import Any

from wxcontacts_async.errors import shown_id
from wxcontacts_async.outcomes import Failed
from wxcontacts_async.store import reading
from wxcontacts_async.store._database.connection import Connection
from wxcontacts_async.store._database.database import Database
from wxcontacts_async.store.events import InstanceStored, SuspicionsFound
from wxcontacts_async.store.records import Synced

_logger = logging.getLogger("wxcontacts_async.store")


class ResultAnnouncer:
    """Announces the results of one sync; a suspicion is logged when it begins and when it ends."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._suspicious: set[str] = set()

    async def begin(self) -> None:
        """Announce what is under suspicion before the sync, if that is observed."""
        if self._database.observers:
            self._suspicious = await self._database.run(_suspicious_instances)
            self._database.announce(SuspicionsFound(frozenset(self._suspicious)))

    def stored(self, results: Sequence[Synced[Any] | Failed]) -> None:
        """Announce what is in the database by now."""
        for result in results:
            if isinstance(result, Synced):
                self._note_suspicion(result)
            self._database.announce(InstanceStored(result))

    def _note_suspicion(self, synced: Synced[Any]) -> None:
        w_id, suspicion = synced.w_id, synced.suspicion
        if suspicion is not None and w_id not in self._suspicious:
            self._suspicious.add(w_id)
            what = "wId %s at gateway %r is under suspicion: its answer lacks %d of %d contacts"
            where = shown_id(w_id), synced.gateway
            _logger.warning(what, *where, suspicion.missing, suspicion.stored)
        elif suspicion is None and w_id in self._suspicious:
            self._suspicious.discard(w_id)
            what = "wId %s at gateway %r is under suspicion no more"
            _logger.info(what, shown_id(w_id), synced.gateway)


def _suspicious_instances(connection: Connection) -> set[str]:
    w_id, suspicious = "", set()
    while found := reading.instances_after(connection, w_id):
        w_id = found[-1].w_id
        suspicious |= {each.w_id for each in found if each.suspicion is not None}
    return suspicious
