"""Decides which contacts that an answer lacks are gone, and which are held; reads no clock.

Gateways answer with too little after a new login: a list is missing, all are empty, or there is
half of one. So an answer that lacks too many is suspicious. The contacts that it lacks are held:
each is gone once every answer has lacked it for long enough. While some are held, the next answer
is suspicious however few it lacks, as it may have the other half.
"""

from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from wxcontacts_async.contacts import ContactKind
from wxcontacts_async.store._merging.fingerprints import initial_of
from wxcontacts_async.store.records import Suspicion

_SMALLEST_GUARDED = 20  # contacts; of fewer, half may well leave in a day
_KINDS = tuple((initial_of(kind), kind) for kind in ContactKind)


class Held(NamedTuple):
    """A contact that is kept though it is missing.

    Attributes:
        since: When the answer was fetched that lacked it first.
        is_accepted: Whether a person accepted that it is gone, if the next answer lacks it, too.
        accepted_count: How many contacts a person accepted as gone, where it is not known which,
            so that this may be one of them; else 0.

    """

    since: datetime
    is_accepted: bool = False
    accepted_count: int = 0


@dataclass(frozen=True)
class Memory:
    """What is remembered of the answers before.

    Attributes:
        held: The contacts that are held, by `userName`.
        lacked_all: Whether the last one lacked all, or an unknown part, so that the time of what
            the next one lacks has yet to begin.
        merged_at: When the last one was fetched, if there was one.
        synced_at: When the last one was fetched that was not suspicious, if there was one.

    """

    held: Mapping[str, Held] = field(default_factory=dict)
    lacked_all: bool = False
    merged_at: datetime | None = None
    synced_at: datetime | None = None


@dataclass(frozen=True)
class Answer:
    """What an answer has of what is stored of its instance.

    Attributes:
        fetched_at: When it was fetched.
        arrived: How many contacts it has of each kind, readable or not.
        stored: What is stored, by `userName`; the values begin with the initial of the kind.
        missing: Which of these it lacks.
        unclear: Which of these it may have, as a contact of their kind could not be read.

    """

    fetched_at: datetime
    arrived: Mapping[ContactKind, int]
    stored: Mapping[str, bytes]
    missing: AbstractSet[str]
    unclear: AbstractSet[str] = frozenset()


@dataclass(frozen=True)
class Verdict:
    """What follows from an answer.

    Attributes:
        gone: The contacts to remove, by `userName`.
        held: Those that are held from now on.
        suspicion: What is suspicious about the instance then.

    """

    gone: AbstractSet[str]
    held: Mapping[str, Held] = field(default_factory=dict)
    suspicion: Suspicion | None = None


@dataclass(frozen=True)
class Guard:
    """How much may leave at once, and when the rest is believed.

    Attributes:
        max_shrink: The share of contacts that may leave at once, 0 to 1; 1 is no guard at all.
        confirm_after: For how long a contact must have been missing to be gone.

    """

    max_shrink: float = 0.5
    confirm_after: timedelta = timedelta(days=1)

    def judge(self, answer: Answer, memory: Memory) -> Verdict:
        """Say which contacts are gone, and which are held."""
        if self.max_shrink >= 1:
            return Verdict(answer.missing)
        if not answer.missing and not answer.unclear & memory.held.keys():
            return Verdict(set())
        if not any(answer.arrived.values()):
            return self._judge_none(answer, memory)
        memory = _with_acceptance(answer, memory)
        gone = self._confirmed(answer, memory)
        left = answer.missing - gone
        held = _held_on(answer, left, memory)
        fresh = left - held.keys()
        if memory.lacked_all or memory.held or self._is_suspicious(answer, gone, left):
            held |= dict.fromkeys(fresh, Held(_no_sooner(answer, memory.merged_at)))
        else:
            gone |= fresh
        since = min((each.since for each in held.values()), default=None)
        return Verdict(gone, held, _suspicion(answer, held.keys(), since))

    def _judge_none(self, answer: Answer, memory: Memory) -> Verdict:
        """Judge an answer with no contact at all, which says nothing of any."""
        missing = memory.held.keys() & answer.missing
        gone = {name for name in missing if memory.held[name].is_accepted}
        held = {name: memory.held[name] for name in missing - gone}
        return Verdict(gone, held, _suspicion(answer, answer.missing - gone, None))

    def _confirmed(self, answer: Answer, memory: Memory) -> set[str]:
        """Return those that are gone: missing for long enough, or accepted by a person."""
        return {
            name
            for name in memory.held.keys() & answer.missing
            if memory.held[name].is_accepted
            or answer.fetched_at - memory.held[name].since >= self.confirm_after
        }

    def _is_suspicious(
        self, answer: Answer, gone: AbstractSet[str], left: AbstractSet[str]
    ) -> bool:
        """Tell whether too many are left missing, of a kind or in all."""
        missing = _by_kind(answer, left)
        if any(not answer.arrived.get(kind) for kind in missing):
            return True
        if len(left) <= self.max_shrink * _SMALLEST_GUARDED:
            return False  # so few are within the bound of any number
        stored = _by_kind(answer, answer.stored) - _by_kind(answer, gone)
        return self._is_too_many(len(left), len(answer.stored) - len(gone)) or any(
            self._is_too_many(number, stored[kind]) for kind, number in missing.items()
        )

    def _is_too_many(self, missing: int, stored: int) -> bool:
        return stored >= _SMALLEST_GUARDED and missing > self.max_shrink * stored


def _with_acceptance(answer: Answer, memory: Memory) -> Memory:
    """Accept the missing contacts of an acceptance without names, if they are no more."""
    held = dict(memory.held)
    any_of = {name for name in held if held[name].accepted_count}
    absent = any_of & (answer.missing | answer.unclear)
    for name in any_of:
        is_accepted = len(absent) <= held[name].accepted_count
        since = held[name].since if is_accepted else _no_sooner(answer, memory.merged_at)
        held[name] = Held(since, is_accepted)
    return replace(memory, held=held) if any_of else memory


def _held_on(answer: Answer, left: AbstractSet[str], memory: Memory) -> dict[str, Held]:
    """Return those that stay held; time starts anew where a clock or a name is in doubt."""
    now = answer.fetched_at
    held = {}
    for name in memory.held.keys() & (left | answer.unclear):
        before = memory.held[name]
        held[name] = before
        if name in answer.unclear:
            held[name] = before._replace(since=_no_sooner(answer, memory.merged_at))
        elif before.since > now:
            held[name] = before._replace(since=_no_sooner(answer, memory.synced_at))
    return held


def _no_sooner(answer: Answer, before: datetime | None) -> datetime:
    """Return when an answer was fetched, or the time before it, if a wrong clock went back."""
    return answer.fetched_at if before is None else max(answer.fetched_at, before)


def _by_kind(answer: Answer, names: Mapping[str, bytes] | AbstractSet[str]) -> Counter[ContactKind]:
    initials = Counter(answer.stored[name][:1] for name in names)
    return Counter({kind: initials[initial] for initial, kind in _KINDS if initials[initial]})


def _suspicion(
    answer: Answer, missing: AbstractSet[str], since: datetime | None
) -> Suspicion | None:
    if not missing:
        return None
    by_kind = _by_kind(answer, missing)
    kinds = tuple(kind for kind in ContactKind if kind in by_kind)
    return Suspicion(len(answer.stored), len(missing), since, kinds)
