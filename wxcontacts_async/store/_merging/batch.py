"""A batch: the outcomes that share a transaction, and whether the database has it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock

from wxcontacts_async.contacts import Contact
from wxcontacts_async.outcomes import Failed, Fetched
from wxcontacts_async.store._merging.fingerprints import Fingerprinted
from wxcontacts_async.store.errors import StoreError
from wxcontacts_async.store.records import DeltaCounts, KindCounts, Suspicion

_NOTHING = DeltaCounts()
_NO_CONTACTS = KindCounts()


@dataclass(frozen=True)
class BatchResult:
    """What a transaction made of one instance."""

    delta_counts: DeltaCounts = _NOTHING
    suspicion: Suspicion | None = None
    held_back: int = 0
    kind_counts: KindCounts = _NO_CONTACTS
    is_unchanged: bool = False


class Commit:
    """The commit of one transaction, which may be tried again when the connection is lost.

    A worker thread commits, and the event loop may ask at any time.

    Attributes:
        results: What the transaction makes of each instance, by wId, as of the last attempt that
            got as far as the commit; empty before.
        is_done: Whether the database has it.
        is_unclear: Whether the database may have it: the connection was lost after the commit was
            sent and before it was answered.

    """

    def __init__(self) -> None:
        self.results: Mapping[str, BatchResult] = {}
        self.is_done = False
        self.is_unclear = False
        self._lock = Lock()
        self._is_under_way = False
        self._is_given_up = False

    def begin(self, results: Mapping[str, BatchResult]) -> None:
        """Note that the commit is about to be sent; StoreError if it has been given up."""
        with self._lock:
            if self._is_given_up:
                raise StoreError("the sync has given it up")
            self._is_under_way = True
            self.results = results

    def end(self) -> None:
        """Note that the database has it."""
        with self._lock:
            self.is_done, self.is_unclear = True, False

    def fail(self, *, is_lost: bool) -> None:
        """Note that the transaction failed, and whether the connection was lost with it."""
        with self._lock:
            self.is_unclear = self.is_unclear or (self._is_under_way and is_lost)
            self._is_under_way = False

    def give_up(self) -> None:
        """Keep it from being begun from now on; if it is under way, its end is unclear."""
        with self._lock:
            self._is_given_up = True
            self.is_unclear = not self.is_done and (self.is_unclear or self._is_under_way)


@dataclass(frozen=True)
class Batch:
    """Outcomes that share a transaction, one of each wId.

    Attributes:
        outcomes: What was fetched, by wId.
        arrived: Its contact sets, by wId, but for those that are not decoded.
        ended_at: When, for those that failed.
        commit: What becomes of it.

    """

    outcomes: Mapping[str, Fetched[Contact] | Failed]
    arrived: Mapping[str, Fingerprinted]
    ended_at: datetime
    commit: Commit = field(default_factory=Commit)
