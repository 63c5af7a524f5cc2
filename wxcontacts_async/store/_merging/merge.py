"""Merges a batch into the tables, in one transaction, with set-based SQL.

The contacts that arrived are loaded in bulk into a temporary table. One join of it with what is
stored writes the change log, and then the contacts are changed as the log says. What is unchanged
is not loaded: a set like the one merged last, and a contact with the fingerprint of the stored
one. If nothing is stored of any instance of the batch, contacts are loaded without a join. A reply
with the digest of the stored one is not even decoded; of such an instance just the time is written.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from operator import itemgetter

import msgspec
import pyarrow as pa

from wxcontacts_async._recognition import digest_of, fetched_at
from wxcontacts_async.contacts import Contact, ContactKind
from wxcontacts_async.outcomes import Failed, Fetched
from wxcontacts_async.store._database.connection import Connection
from wxcontacts_async.store._database.temporary_tables import KINDS
from wxcontacts_async.store._database.values import read_time, storable, written_time
from wxcontacts_async.store._merging import statements as sql
from wxcontacts_async.store._merging.batch import Batch, BatchResult
from wxcontacts_async.store._merging.comparison import Comparison
from wxcontacts_async.store._merging.fingerprints import (
    Fingerprinted,
    Fingerprints,
    initial_of,
    read_fingerprints,
    write_fingerprints,
)
from wxcontacts_async.store._merging.guard import Guard, Held, Memory, Verdict
from wxcontacts_async.store._merging.known import (
    ALL,
    NONE,
    SOME,
    UNKNOWN,
    Known,
    read_known,
    written_reply,
)
from wxcontacts_async.store._merging.remembering import remember
from wxcontacts_async.store._merging.staging import as_contacts, in_key_order, stageable
from wxcontacts_async.store._merging.suspicion import OF_ASKED, read_suspicion
from wxcontacts_async.store._tabular.own_fields import NO_FIELDS, OwnFields
from wxcontacts_async.store.records import ChangeKind, DeltaCounts, KindCounts, Suspicion

SYNCED, SUSPICIOUS = "synced", "suspicious"

_CLOCKS_DIFFER = timedelta(minutes=5)
# A revision of contacts that are not those of one set alone. Revisions are in columns that are
# called `digest`, and tell whether fingerprints are of the merge that made the contacts.
_REVISION_IN_PART = "in part {}"


def merge(
    connection: Connection,
    batch: Batch,
    max_shrink: float,
    confirm_after: float = 86_400.0,
    *,
    own: OwnFields = NO_FIELDS,
) -> Mapping[str, BatchResult]:
    """Bring the tables in step with a batch; return what that changed, by wId.

    What is not decoded and is no longer what is stored is left out, also of what is returned.

    Merged again, as after a lost connection, it changes nothing and returns the same. On a
    StoreError the database has nothing of the batch, unless it was lost.

    Arguments:
        connection: The connection.
        batch: What was fetched.
        max_shrink: The share of an instance's contacts that may leave at once, 0 to 1.
        confirm_after: For how many seconds the others must have been missing to be gone.
        own: The fields that are stored beside the document's.

    """
    try:
        with connection.transaction():
            guard = Guard(max_shrink, timedelta(seconds=confirm_after))
            results = _Merge(connection, batch, guard, own).results()
            if any(result.delta_counts for result in results.values()):
                connection.announce()
            batch.commit.begin(results)
    except Exception:
        batch.commit.fail(is_lost=not connection.is_alive)
        raise
    batch.commit.end()
    pa.default_memory_pool().release_unused()  # or Arrow keeps what its tables took
    return results


class _Merge:
    """A batch within its transaction; wIds are as the database has them."""

    def __init__(self, connection: Connection, batch: Batch, guard: Guard, own: OwnFields) -> None:
        self._connection = connection
        self._own = own
        self._guard = guard
        self._batch = batch
        self._asked = {storable(w_id, connection.dialect): w_id for w_id in batch.outcomes}
        self._arrived = {
            storable(w_id, connection.dialect): it for w_id, it in batch.arrived.items()
        }
        self._known: dict[str, Known] = defaultdict(Known)
        self._stored: Counter[str] = Counter()
        self._suspected: dict[str, Suspicion] = {}
        self._held: Mapping[str, Mapping[str, Held]] = {}
        # Of those whose contacts are merged.
        self._kind_counts: dict[str, KindCounts] = {}

    def results(self) -> dict[str, BatchResult]:
        """Bring the tables in step; return what that changed, by wId as the caller has it."""
        connection = self._connection
        self._ask_for(self._asked)
        self._known.update(read_known(connection))
        newer, late = self._newer_and_late()
        unchanged = self._unchanged(newer | late)
        for w_id in (newer | late) - unchanged - self._arrived.keys():
            del self._asked[w_id]
        newer, late = newer & self._asked.keys(), late & self._asked.keys()
        self._start_anew(self._arrived_of(late - unchanged))
        sets = {
            w_id: it
            for w_id, it in self._arrived_of(newer - unchanged).items()
            if not self._is_stored_set(w_id, it)
        }
        results = self._results_without_merge(newer, unchanged)
        if sets:
            (before,) = connection.rows("SELECT coalesce(max(id), 0) FROM contact_changes")[0]
            compared = self._compared(sets)
            logged = self._merge_sets(sets, compared, before)
            for w_id, it in compared.items():
                results[self._asked[w_id]] = BatchResult(
                    DeltaCounts(*(logged[w_id, change.value] for change in ChangeKind)),
                    self._suspected.get(w_id),
                    len(it.unclear - self._held.get(w_id, {}).keys()),
                    self._kind_counts[w_id],
                )
        self._record_outcomes(newer, unchanged, results)
        return results

    def _results_without_merge(
        self, newer: AbstractSet[str], unchanged: AbstractSet[str]
    ) -> dict[str, BatchResult]:
        """Return how instances end, unless their contacts are merged."""
        suspicions = self._suspicions(w_id for w_id in self._asked if w_id not in newer)
        return {
            asked: self._earlier_result(w_id)
            or BatchResult(
                suspicion=suspicions.get(w_id),
                kind_counts=self._kind_counts.get(w_id, self._known[w_id].kind_counts),
                is_unchanged=w_id in unchanged,
            )
            for w_id, asked in self._asked.items()
        }

    def _arrived_of(self, w_ids: AbstractSet[str]) -> dict[str, Fingerprinted]:
        """Return the sets of some instances, in the order of the batch."""
        return {w_id: self._arrived[w_id] for w_id in self._asked if w_id in w_ids}

    def _earlier_result(self, w_id: str) -> BatchResult | None:
        """Return the result of an earlier attempt, if it committed this set unanswered."""
        asked = self._asked[w_id]
        outcome = self._batch.outcomes[asked]
        if isinstance(outcome, Fetched) and fetched_at(outcome) == self._known[w_id].merged_at:
            return self._batch.commit.results.get(asked)
        return None

    def _suspicions(self, w_ids: Iterable[str]) -> dict[str, Suspicion | None]:
        """Return what another, quicker sync has found suspicious."""
        suspicious = [w_id for w_id in w_ids if self._known[w_id].lacked != NONE]
        if not suspicious:
            return {}
        self._ask_for(suspicious)
        return {w_id: read_suspicion(*its) for w_id, *its in self._connection.rows(OF_ASKED)}

    def _unchanged(self, w_ids: AbstractSet[str]) -> set[str]:
        """Return whose stored contacts are all of the reply that came; count those of others."""
        same = {w_id for w_id in w_ids if self._is_known_reply(w_id)}
        if self._connection.dialect.forget_replies:  # had they been changed by hand
            self._count(w_ids - same)
            return same
        self._count(w_ids)
        return {w_id for w_id in same if self._is_all_stored(w_id)}

    def _count(self, w_ids: AbstractSet[str]) -> None:
        if w_ids:
            self._ask_for(w_ids)
            self._stored = Counter(dict(self._connection.rows(sql.COUNT_STORED)))

    def _is_known_reply(self, w_id: str) -> bool:
        """Return whether the last merge was of a reply with the same digest, and nothing else."""
        known = self._known[w_id]
        digest = digest_of(self._batch.outcomes[self._asked[w_id]])
        return bool(digest) and digest == known.reply_digest and known.lacked == NONE

    def _is_stored_set(self, w_id: str, arrived: Fingerprinted) -> bool:
        """Return whether a set is like the one merged last, all of which is still stored."""
        is_last = arrived.digest is not None and arrived.digest == self._known[w_id].revision
        if not is_last or not self._is_all_stored(w_id):
            return False
        self._kind_counts[w_id] = _counted(arrived.fingerprints)
        return True

    def _is_all_stored(self, w_id: str) -> bool:
        """Return whether there are as many contacts as the last merge has left."""
        known = self._known[w_id]
        return known.lacked == NONE and self._stored[w_id] == known.contacts

    def _newer_and_late(self) -> tuple[set[str], set[str]]:
        """Return whose sets are newer than what was merged last, and whose are not.

        Another sync of the same database may have been quicker. A time far in the future is of a
        clock that was wrong, and counts as older.
        """
        newer, late = set(), set()
        for w_id, asked in self._asked.items():
            outcome = self._batch.outcomes[asked]
            if isinstance(outcome, Fetched):
                at, merged_at = fetched_at(outcome), self._known[w_id].merged_at
                if merged_at is None or not at <= merged_at < at + _CLOCKS_DIFFER:
                    newer.add(w_id)
                else:
                    late.add(w_id)
        return newer, late

    def _start_anew(self, late: Mapping[str, Fingerprinted]) -> None:
        """Start the time anew of held contacts that a late set has; take nothing else from it.

        They were there after they had been missing first, so the first set known to lack them
        since is the one merged last.
        """
        holding = {w_id: it for w_id, it in late.items() if self._known[w_id].holds}
        if not holding:
            return
        memories = self._memories(holding)
        stored = self._fingerprints(holding)
        for w_id, arrived in holding.items():
            held, merged_at = memories[w_id].held, self._known[w_id].merged_at
            gone = Comparison(arrived, stored.get(w_id, {}), self._connection.dialect).gone
            seen = [
                name
                for name, each in held.items()
                if name not in gone and each.since < arrived.contacts.fetched_at
            ]
            if seen and merged_at is not None:
                held = {**held, **dict.fromkeys(seen, Held(merged_at))}
                self._hold({w_id: held})
                if self._known[w_id].lacked == SOME:
                    since = written_time(min(each.since for each in held.values()))
                    self._connection.execute(sql.held_since(self._connection.dialect), since, w_id)

    def _compared(self, sets: Mapping[str, Fingerprinted]) -> dict[str, Comparison]:
        """Compare what arrived with what is stored."""
        known = [w_id for w_id in sets if self._stored[w_id]]
        stored = self._fingerprints(known) if known else {}
        return {
            w_id: Comparison(arrived, stored.get(w_id, {}), self._connection.dialect)
            for w_id, arrived in sets.items()
        }

    def _merge_sets(
        self,
        sets: Mapping[str, Fingerprinted],
        compared: Mapping[str, Comparison],
        before: int,
    ) -> Counter[tuple[str, str]]:
        """Bring the contacts in step; return how many changes of each kind that took."""
        connection = self._connection
        known = any(self._stored[w_id] for w_id in sets)
        fields = remember(connection, self._own)
        gone = self._gone(compared)
        arriving = in_key_order(
            stageable([it.differing() for it in compared.values()], connection.dialect, self._own),
        )
        departing = [
            {"w_id": w_id, "user_name": name, "at": written_time(sets[w_id].contacts.fetched_at)}
            for w_id in gone
            for name in gone[w_id]
        ]
        if len(arriving) and not known:
            connection.load("contacts", as_contacts(arriving, connection.dialect))
            self._ask_for(sets)
            connection.execute(sql.log_new(connection.dialect, fields))
        elif len(arriving):
            connection.stage("arriving", arriving)
            connection.execute(sql.log_arrivals(connection.dialect, fields))
        if departing:
            connection.stage("departing", sorted(departing, key=itemgetter("w_id", "user_name")))
            connection.execute(sql.log_departures(connection.dialect, fields))
        logged = self._logged(before) if known else _all_added(arriving)
        if len(arriving) and known:
            connection.execute(sql.upsert_contacts(connection.dialect, fields))
        if departing:
            connection.execute(sql.DELETE_DEPARTED)
        after = {w_id: it.after(gone[w_id]) for w_id, it in compared.items()}
        self._kind_counts |= {w_id: _counted(those) for w_id, those in after.items()}
        self._keep(after, sets)
        return logged

    def _fingerprints(self, w_ids: Iterable[str]) -> dict[str, Fingerprints]:
        """Return the fingerprints of what is stored."""
        connection = self._connection
        self._ask_for(w_ids)
        stored = {w_id: read_fingerprints(kept) for w_id, kept in connection.rows(sql.FINGERPRINTS)}
        unknown = [w_id for w_id in w_ids if len(stored.get(w_id, ())) != self._stored[w_id]]
        if unknown:  # stored by an older version, perhaps just now, or changed by hand
            self._ask_for(unknown)
            stored |= {w_id: {} for w_id in unknown}
            for w_id, name, kind in connection.rows(sql.NAMES):
                stored[w_id][name] = initial_of(kind)
        return stored

    def _gone(self, compared: Mapping[str, Comparison]) -> dict[str, AbstractSet[str]]:
        """Return what is gone of each instance; store what is held instead."""
        memories = self._memories(compared)
        verdicts = {
            w_id: self._guard.judge(it.answer(), memories[w_id])
            if it.gone or it.unclear
            else Verdict(set())
            for w_id, it in compared.items()
        }
        self._held = {w_id: verdict.held for w_id, verdict in verdicts.items()}
        for w_id, verdict in verdicts.items():
            if verdict.suspicion is not None:
                self._suspected[w_id] = verdict.suspicion
        self._hold(
            {
                w_id: verdict.held
                for w_id, verdict in verdicts.items()
                if self._is_held_anew(w_id, verdict, memories[w_id])
            },
        )
        return {w_id: verdict.gone for w_id, verdict in verdicts.items()}

    def _memories(self, w_ids: Iterable[str]) -> dict[str, Memory]:
        """Return what is remembered of the sets before."""
        held: dict[str, dict[str, Held]] = {w_id: {} for w_id in w_ids}
        if holding := [w_id for w_id in w_ids if self._known[w_id].holds]:
            self._ask_for(holding)
            for w_id, name, since, accepted in self._connection.rows(sql.HELD):
                held[w_id][name] = Held(read_time(since), accepted > 0, max(0, -accepted))
        memories = {}
        for w_id, those in held.items():
            known = self._known[w_id]
            lacked_all = known.lacked in {ALL, UNKNOWN}
            memories[w_id] = Memory(those, lacked_all, known.merged_at, known.synced_at)
        return memories

    def _is_held_anew(self, w_id: str, verdict: Verdict, memory: Memory) -> bool:
        known = self._known[w_id]
        if known.holds:
            return verdict.held != memory.held
        return verdict.suspicion is not None or known.lacked == UNKNOWN

    def _hold(self, held: Mapping[str, Mapping[str, Held]]) -> None:
        """Store which contacts of these instances are held."""
        if not held:
            return
        self._ask_for(held)
        self._connection.execute(sql.FORGET_HELD)
        rows = [
            {
                "w_id": w_id,
                "user_name": name,
                "since": written_time(each.since),
                "accepted": -each.accepted_count or int(each.is_accepted),
            }
            for w_id, those in held.items()
            for name, each in those.items()
        ]
        if rows:
            self._connection.stage("held", rows)
            self._connection.execute(sql.hold(self._connection.dialect))

    def _keep(
        self,
        fingerprints: Mapping[str, Fingerprints],
        sets: Mapping[str, Fingerprinted],
    ) -> None:
        """Store the fingerprints of the contacts that are stored now."""
        rows = [
            {
                "w_id": w_id,
                "digest": self._revision(w_id, sets[w_id]),
                "contacts": write_fingerprints(those),
            }
            for w_id, those in fingerprints.items()
        ]
        self._connection.stage("fingerprinted", rows)
        self._connection.execute(sql.KEEP_FINGERPRINTS)

    def _revision(self, w_id: str, arrived: Fingerprinted) -> str:
        """Return the revision of an instance's contacts that a merge makes.

        It is the set's digest, if the contacts are those of the set alone.
        """
        if arrived.digest is None or w_id in self._suspected:
            return _REVISION_IN_PART.format(written_time(arrived.contacts.fetched_at))
        return arrived.digest

    def _record_outcomes(
        self,
        newer: AbstractSet[str],
        unchanged: AbstractSet[str],
        results: Mapping[str, BatchResult],
    ) -> None:
        """Store how each instance ended, unless a newer outcome is stored."""
        rows: list[dict[str, object]] = []
        for w_id, asked in self._asked.items():
            outcome = self._batch.outcomes[asked]
            row: dict[str, object] = {
                "w_id": w_id,
                "gateway": storable(outcome.gateway, self._connection.dialect),
                "calls": outcome.calls,
            }
            if isinstance(outcome, Failed):
                row["outcome"] = type(outcome.error).__name__
                row["tried_at"] = written_time(self._batch.ended_at)
            elif w_id not in newer:
                continue
            elif w_id in unchanged:
                row |= self._unchanged_row(w_id, fetched_at(outcome))
            else:
                row |= self._merged_row(w_id, outcome, results[asked].delta_counts)
            rows.append(row)
        if rows:
            self._connection.stage("outcomes", rows)
            self._connection.execute(sql.upsert_instances(self._connection.dialect))

    def _unchanged_row(self, w_id: str, at: datetime) -> dict[str, object]:
        known = self._known[w_id]
        row = {name: getattr(known, name) for name in ("contacts", *KINDS)}
        times = {"tried_at": written_time(at), "synced_at": written_time(at)}
        kept = {"digest": known.revision, "reply_digest": known.reply}
        return row | times | kept | {"outcome": SYNCED}

    def _merged_row(
        self,
        w_id: str,
        outcome: Fetched[Contact],
        delta: DeltaCounts,
    ) -> dict[str, object]:
        arrived = self._arrived[w_id]
        at = written_time(arrived.contacts.fetched_at)
        revision = self._revision(w_id, arrived)
        row: dict[str, object] = {
            "tried_at": at,
            "digest": revision,
            "contacts": self._stored[w_id] + delta.added - delta.removed,
            **msgspec.structs.asdict(self._kind_counts[w_id]),
        }
        if revision == arrived.digest:
            row["reply_digest"] = written_reply(digest_of(outcome), revision)
        suspected = self._suspected.get(w_id)
        if suspected is None:
            return row | {"outcome": SYNCED, "synced_at": at}
        return row | {
            "outcome": SUSPICIOUS,
            "suspected_at": at,
            "suspected_stored": suspected.stored,
            "suspected_missing": suspected.missing,
            "suspected_since": suspected.since and written_time(suspected.since),
            "suspected_kinds": ",".join(suspected.kinds),
        }

    def _ask_for(self, w_ids: Iterable[str]) -> None:
        """Set the instances that the next queries are about."""
        self._connection.stage("asked", [{"w_id": w_id} for w_id in w_ids])

    def _logged(self, before: int) -> Counter[tuple[str, str]]:
        """Count the changes after a line of the log, by wId and kind of change."""
        rows = self._connection.rows(sql.COUNT_LOGGED, before)
        return Counter({(w_id, change): count for w_id, change, count in rows})


def _all_added(arriving: pa.Table) -> Counter[tuple[str, str]]:
    """Count the contacts of each wId, which are all new."""
    counted = arriving["w_id"].value_counts().to_pylist()
    return Counter({(each["values"], ChangeKind.ADDED.value): each["counts"] for each in counted})


def _counted(fingerprints: Fingerprints) -> KindCounts:
    """Count the contacts of each kind."""
    counts = Counter([mark[:1] for mark in fingerprints.values()])
    return KindCounts(*(counts[initial_of(kind)] for kind in ContactKind))
