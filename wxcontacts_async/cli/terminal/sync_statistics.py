"""The statistics of a sync, which a job counts and progress and summary show."""

from typing import Any

from wxcontacts_async.cli.terminal.statistics import FetchStatistics
from wxcontacts_async.store import DeltaCounts, Synced


class SyncStatistics(FetchStatistics):
    """Counts the changes of a sync as well; an instance is counted once it is committed.

    Attributes:
        skipped: How many instances are not stale, and so not in the total.
        delta_counts: How many contacts were added, removed and changed.
        suspicious: How many instances have contacts that are missing and not removed.
        suspect: The first one of these.
        held: How many contacts of these are missing.
        held_back: How many contacts were not removed as others could not be read.
        unclear: How many missing instances may be committed, as the connection was lost.

    """

    def __init__(self, total: int) -> None:
        super().__init__(total)
        self.skipped = 0
        self.delta_counts = DeltaCounts()
        self.suspicious = 0
        self.suspect: Synced[Any] | None = None
        self.held = 0
        self.held_back = 0
        self.unclear = 0

    def skip(self, number: int) -> None:
        """Count instances that are not fetched."""
        self.total -= number
        self.skipped += number

    def add_synced(self, synced: Synced[Any]) -> None:
        """Count an instance that is committed."""
        self.fetched += 1
        self.waited += synced.waited
        self.contacts.update(synced.kind_counts.by_kind())
        if synced.contacts is not None:
            self.rejected += len(synced.contacts.rejected)
            self.flawed += len(synced.contacts.flawed)
        before, delta = self.delta_counts, synced.delta_counts
        self.delta_counts = DeltaCounts(
            before.added + delta.added,
            before.removed + delta.removed,
            before.changed + delta.changed,
        )
        if synced.suspicion is not None:
            self.suspicious += 1
            self.held += synced.suspicion.missing
            self.suspect = self.suspect or synced
        self.held_back += synced.held_back
