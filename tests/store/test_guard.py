"""Whatever a gateway answers when, only those leave whom the rules of the guard let go."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store.test_histories import any_history
from tests.support.postgresql import PostgresqlServer
from tests.support.properties import examples
from tests.support.syncing import NOON, W_ID, Timeline, timeline
from wxcontacts_async import Contact, ContactKind, ContactSet, RejectedContact
from wxcontacts_async.store import Suspicion
from wxcontacts_async.store._merging.fingerprints import initial_of
from wxcontacts_async.store._merging.guard import Answer, Guard, Held, Memory, Verdict

# The database does the same on any loop, so asyncio's will do.
on_asyncio = pytest.mark.parametrize("anyio_backend", ["asyncio"])

PUBLIC, FRIEND, GROUP = ContactKind
Kinds: TypeAlias = dict[str, ContactKind]

# Two kinds that are large enough to be guarded by the share that is missing, and one that is not.
ALL: Kinds = {
    **{f"gh_{number}": PUBLIC for number in range(3)},
    **{f"wxid_{number}": FRIEND for number in range(24)},
    **{f"{number}@chatroom": GROUP for number in range(21)},
}
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Given:
    """An answer: hours after the one before, whom it has, and of which kinds one is unreadable."""

    hours: float
    there: frozenset[str]
    nameless: frozenset[ContactKind] = frozenset()

    def contacts(self) -> ContactSet[Contact]:
        official_accounts, friends, groups = (
            tuple(Contact(name) for name in ALL if ALL[name] is kind and name in self.there)
            for kind in ContactKind
        )
        rejected = tuple(RejectedContact(kind, b"null", "") for kind in self.nameless)
        return ContactSet(W_ID, official_accounts, friends, groups, rejected)


class _Rules:
    """The rules of the guard, one contact at a time."""

    def __init__(self, max_shrink: float, confirm_after: timedelta) -> None:
        self.max_shrink = max_shrink
        self.confirm_after = confirm_after
        self.there: set[str] = set()
        self.since: dict[str, datetime] = {}
        self.accepted: set[str] = set()
        self.has_no_time = False
        self.suspicion: Suspicion | None = None
        self.last: datetime | None = None
        self.whole: datetime | None = None  # when the last one was that was not suspicious

    def is_newer(self, at: datetime) -> bool:
        """Tell whether an answer is newer than the last one, or a clock has gone back."""
        return self.last is None or not at <= self.last < at + timedelta(minutes=5)

    def answer(self, at: datetime, given: Given) -> None:
        """Take an answer over."""
        before, self.last = self.last or at, at
        whole = self.whole or at
        stored = set(self.there)
        unclear = {name for name in stored - given.there if ALL[name] in given.nameless}
        missing = stored - given.there - unclear
        held_before = bool(self.since)
        self._forget(set(self.since) - missing - unclear)
        if self.max_shrink == 1:
            self._forget(set(self.since))
            self._end(stored, given, missing, is_empty=False)
        elif not given.there and not given.nameless:
            self._end(stored, given, missing & self.accepted, is_empty=True)
        else:
            gone = {name for name in missing if self._is_confirmed(name, at)}
            left = missing - gone
            for name, since in self.since.items():
                if name in unclear:
                    self.since[name] = max(at, before)
                elif since > at:
                    self.since[name] = max(at, whole)
            if left and (
                self.has_no_time or held_before or self._is_suspicious(stored - gone, left, given)
            ):
                for name in left:
                    self.since.setdefault(name, max(at, before))
            else:
                gone |= left - set(self.since)
            self._end(stored, given, gone, is_empty=False)

    def answer_late(self, at: datetime, given: Given) -> None:
        """Take over what an answer says that is older than the last one."""
        for name, since in self.since.items():
            is_there = name in given.there or ALL[name] in given.nameless
            if is_there and since < at and self.last is not None:
                self.since[name] = self.last
                self.accepted.discard(name)

    def accept(self) -> None:
        if self.suspicion is not None and self.has_no_time:
            self.since = dict.fromkeys(self.there, self.last or NOON)
        if self.suspicion is not None:
            self.accepted = set(self.since)

    def _is_confirmed(self, name: str, at: datetime) -> bool:
        since = self.since.get(name)
        return name in self.accepted or (
            since is not None and since <= at and at - since >= self.confirm_after
        )

    def _is_suspicious(self, stored: set[str], left: set[str], given: Given) -> bool:
        def is_too_many(missing: int, of: int) -> bool:
            return of >= 20 and missing / of > self.max_shrink

        kinds = Counter(ALL[name] for name in stored)
        lacking = Counter(ALL[name] for name in left)
        answered = {ALL[name] for name in given.there} | given.nameless
        return (
            is_too_many(len(left), len(stored))
            or any(is_too_many(lacking[kind], kinds[kind]) for kind in ContactKind)
            or any(kind not in answered for kind in lacking)
        )

    def _end(self, stored: set[str], given: Given, gone: set[str], *, is_empty: bool) -> None:
        self._forget(gone)
        self.there = (stored | given.there) - gone
        missing = (stored - gone) if is_empty else set(self.since)
        self.has_no_time = is_empty and bool(missing)
        self.suspicion = Suspicion(len(stored), len(missing)) if missing else None
        if self.suspicion is None:
            self.whole = self.last

    def _forget(self, names: set[str]) -> None:
        for name in names:
            self.since.pop(name, None)
        self.accepted -= names


_names = sorted(ALL)
_theres = st.one_of(
    st.just(frozenset(ALL)),
    st.just(frozenset()),
    st.sampled_from(ContactKind).map(lambda kind: frozenset(n for n in ALL if ALL[n] is not kind)),
    st.sampled_from(ContactKind).map(lambda kind: frozenset(n for n in ALL if ALL[n] is kind)),
    st.sampled_from([0, 1]).map(lambda half: frozenset(_names[half::2])),
    st.sampled_from([0, 24]).map(lambda begin: frozenset(_names[begin : begin + 24])),
    st.sets(st.sampled_from(_names), max_size=12).map(lambda few: frozenset(ALL) - few),
    st.sets(st.sampled_from(_names), max_size=3).map(frozenset),
)
_nameless = st.just(frozenset[ContactKind]()) | st.frozensets(st.sampled_from(ContactKind))
_hours = st.sampled_from([0.001, 1, 11, 12, 23, 24, 50, -0.001, -30])
_steps = st.lists(
    st.builds(Given, st.sampled_from([1, 12, 24]), st.just(frozenset(_names[:30])))
    | st.builds(Given, st.just(1), st.just(frozenset()))
    | st.builds(Given, _hours, _theres, _nameless | st.just(frozenset[ContactKind]()))
    | st.builds(Given, _hours, _theres)
    | st.just("accept"),
    min_size=2,
    max_size=12,
)
_rules = st.builds(
    _Rules,
    st.sampled_from([0, 0.3, 0.5, 0.9, 1]),
    st.sampled_from([timedelta(), timedelta(hours=12), DAY]),
)


async def _follow(it: Timeline, rules: _Rules, steps: list[Given | str]) -> None:
    at = NOON
    for step in [Given(0, frozenset(ALL)), *steps]:
        if isinstance(step, str):
            assert it.accept() == rules.suspicion
            rules.accept()
            continue
        at += timedelta(hours=step.hours)
        result = await it.answered((at - NOON) / timedelta(hours=1), step.contacts())
        before = set(rules.there)
        if rules.is_newer(at):
            rules.answer(at, step)
            assert result.suspicion == rules.suspicion
            assert result.delta_counts.removed == len(before - rules.there)
            assert step.there <= it.names
        else:
            rules.answer_late(at, step)
        assert it.names == rules.there
        assert it.suspicion == rules.suspicion
        if rules.suspicion is not None:
            assert it.suspicion is not None
            first = min(rules.since.values(), default=None)
            assert it.suspicion.since == (None if rules.has_no_time else first)
            assert it.held == rules.since.keys()


@on_asyncio
@settings(any_history, max_examples=examples(60))
@given(_rules, _steps)
async def test_sqlite_loses_only_whom_the_rules_let_go(
    tmp_path_factory: pytest.TempPathFactory,
    rules: _Rules,
    steps: list[Given | str],
) -> None:
    url = f"sqlite:///{tmp_path_factory.mktemp('guard')}/contacts.db"
    await _follow_at(url, rules, steps)


@on_asyncio
@any_history
@given(_rules, _steps)
async def test_postgresql_loses_only_whom_the_rules_let_go(
    postgresql: PostgresqlServer,
    rules: _Rules,
    steps: list[Given | str],
) -> None:
    await _follow_at(postgresql.fresh_url(), rules, steps)


async def _follow_at(url: str, rules: _Rules, steps: list[Given | str]) -> None:
    fresh = _Rules(rules.max_shrink, rules.confirm_after)
    seconds = rules.confirm_after.total_seconds()
    async with timeline(url, max_shrink=rules.max_shrink, confirm_after=seconds) as it:
        await _follow(it, fresh, steps)


@settings(max_examples=examples(500), deadline=None, derandomize=True, database=None)
@given(_rules, _steps)
def test_the_guard_lets_go_only_whom_the_rules_let_go(
    rules: _Rules,
    steps: list[Given | str],
) -> None:
    rules = _Rules(rules.max_shrink, rules.confirm_after)
    guard = Guard(rules.max_shrink, rules.confirm_after)
    there, at, memory, suspicion = set[str](), NOON, Memory(), None
    synced_at: datetime | None = None
    for step in [Given(0, frozenset(ALL)), *steps]:
        if isinstance(step, str):
            rules.accept()
            if memory.lacked_all:
                memory = replace(memory, held=dict.fromkeys(there, Held(at)))
            held = {name: it._replace(is_accepted=True) for name, it in memory.held.items()}
            memory = replace(memory, held=held)
            continue
        at += timedelta(hours=step.hours)
        if not rules.is_newer(at):  # the merge lets none of these come so far
            continue
        rules.answer(at, step)
        verdict = guard.judge(_answer(step, there, at), memory)
        there = (there | step.there) - verdict.gone
        suspicion = verdict.suspicion
        synced_at = at if suspicion is None else synced_at
        memory = Memory(
            verdict.held,
            lacked_all=suspicion is not None and suspicion.since is None,
            merged_at=at,
            synced_at=synced_at,
        )
        assert there == rules.there
        assert suspicion == rules.suspicion
        assert verdict.held.keys() == rules.since.keys()


def _answer(step: Given, there: set[str], at: datetime) -> Answer:
    arrived = Counter(ALL[name] for name in step.there) + Counter(step.nameless)
    absent = there - step.there
    unclear = {name for name in absent if ALL[name] in step.nameless}
    stored = {name: initial_of(ALL[name]) for name in there}
    return Answer(at, arrived, stored, absent - unclear, unclear)


def judged(there: frozenset[str], memory: Memory, hours: float = 0) -> Verdict:
    stored = {name: initial_of(kind) for name, kind in ALL.items()}
    arrived = Counter(ALL[name] for name in there)
    at = NOON + timedelta(hours=hours)
    return Guard().judge(Answer(at, arrived, stored, ALL.keys() - there), memory)


def test_nothing_is_asked_of_contacts_of_whom_none_is_missing() -> None:
    assert judged(frozenset(ALL), Memory({"gh_0": Held(NOON)})) == Verdict(set())


def test_what_is_suspicious_is_said_with_its_kinds_and_since_when() -> None:
    there = frozenset(name for name, kind in ALL.items() if kind is FRIEND)
    verdict = judged(there, Memory({"gh_1": Held(NOON)}), hours=5)
    assert verdict.gone == set()
    assert verdict.held["gh_1"] == Held(NOON)
    assert verdict.held["1@chatroom"] == Held(NOON + timedelta(hours=5))
    suspicion = verdict.suspicion
    assert suspicion is not None
    assert (suspicion.stored, suspicion.missing) == (48, 24)
    assert (suspicion.since, suspicion.kinds) == (NOON, (PUBLIC, GROUP))


def test_two_suspicions_are_equal_if_their_numbers_are() -> None:
    one, other = Suspicion(40, 20), Suspicion(40, 20, NOON, (FRIEND,))
    assert one == other
    assert hash(one) == hash(other)
    assert one != Suspicion(40, 21)
    assert one != (40, 20)
