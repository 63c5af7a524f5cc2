"""Whatever gateways answer, one sync after the other, the database ends up with the last of it."""

from collections import Counter
from typing import Any, TypeAlias

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.postgresql import PostgresqlServer
from tests.support.properties import examples
from tests.support.syncing import Scene, Versions, instances, loaded, replayed, scene, versions
from wxcontacts_async import Contact, ContactKind, ContactSet, RejectedContact, Sex
from wxcontacts_async.store import ContactVersion, DeltaCounts, Suspicion

# The database does the same on any loop, so asyncio's will do.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])

Populations: TypeAlias = list[dict[str, ContactSet[Contact]]]

W_IDS = ("w0", "w1", "王's\N{BEAR FACE}")
GUARDED = 20
# Few names, so that they come, go and move.
names = st.sampled_from([*"abcdefgh", "A", "a ", "é", "e\N{COMBINING ACUTE ACCENT}"]) | st.text(
    st.characters(exclude_categories=["Cs"]),
    min_size=1,
    max_size=5,
)
texts = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
sexes = st.integers(-(2**63), 2**63 - 1) | st.integers(0, 3)
contacts = st.builds(
    Contact,
    names,
    nick_name=texts,
    sex=st.builds(Sex, sexes),
    signature=texts,
    city=st.none() | st.just("深圳"),
)
lists = st.lists(contacts, max_size=6).map(tuple)
rejected = st.builds(
    RejectedContact,
    st.sampled_from(ContactKind),
    st.sampled_from([b'{"userName":null}', b'{"userName":" "}', b'{"userName":7}']),
    st.just(""),
)
# So many that the guard heeds them, of which any may be missing.
many = st.sets(st.integers(0, 25), max_size=26).map(
    lambda missing: tuple(Contact(f"{n:02}") for n in range(26) if n not in missing),
)


def contact_sets(w_id: str) -> st.SearchStrategy[ContactSet[Contact]]:
    rejects = st.just(()) | st.lists(rejected, max_size=2).map(tuple)
    return st.builds(ContactSet, st.just(w_id), lists, lists | many, lists, rejects)


populations = st.lists(
    st.fixed_dictionaries({}, optional={w_id: contact_sets(w_id) for w_id in W_IDS}),
    min_size=1,
    max_size=6,
)
any_history = settings(
    max_examples=examples(20),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def expected(before: Versions, answer: ContactSet[Contact], *, is_postgresql: bool) -> Versions:
    """Return what the database must have if it takes all that was answered."""
    after: Versions = {}
    for version in versions(answer).values():
        kept = _without_nul(version) if is_postgresql else version
        after.setdefault(kept.contact.user_name, kept)
    named = {one.user_name for one in answer.rejected}
    if is_postgresql:
        named = {name and name.replace("\0", "\N{REPLACEMENT CHARACTER}") for name in named}
    kinds = nameless(answer)
    spared = {
        name: version for name, version in before.items() if name in named or version.kind in kinds
    }
    return {**spared, **after}


def nameless(answer: ContactSet[Contact]) -> set[ContactKind]:
    """Return the kinds of which some contact could not be read, nor its name."""
    return {one.kind for one in answer.rejected if not (one.user_name or "").strip()}


def _without_nul(version: ContactVersion) -> ContactVersion:
    written: dict[str, Any] = {
        name: value.replace("\0", "\N{REPLACEMENT CHARACTER}") if type(value) is str else value
        for name, value in msgspec.structs.asdict(version.contact).items()
    }
    return ContactVersion(version.kind, Contact(**written))


def counts(before: Versions, after: Versions) -> DeltaCounts:
    both = before.keys() & after.keys()
    return DeltaCounts(
        len(after) - len(both),
        len(before) - len(both),
        sum(before[name] != after[name] for name in both),
    )


class _Model:
    """What the database must have, and what it must find suspicious, within one day."""

    def __init__(self, max_shrink: float, *, is_postgresql: bool) -> None:
        self._max_shrink = max_shrink
        self._is_postgresql = is_postgresql
        self.contacts: dict[str, Versions] = {}
        self.suspicions: dict[str, Suspicion | None] = {}
        # Who is held, by name, and of which instances the last answer had nobody.
        self._held: dict[str, set[str]] = {}
        self._empty: set[str] = set()

    def sync(self, answer: ContactSet[Contact]) -> DeltaCounts:
        w_id = answer.w_id
        before = self.contacts.get(w_id, {})
        after = expected(before, answer, is_postgresql=self._is_postgresql)
        missing = before.keys() - after.keys()
        kept = set() if self._max_shrink == 1 else self._kept(answer, before, missing)
        after |= {name: before[name] for name in kept}
        self.suspicions[w_id] = Suspicion(len(before), len(kept)) if kept else None
        self.contacts[w_id] = after
        return counts(before, after)

    def _kept(
        self,
        answer: ContactSet[Contact],
        before: Versions,
        missing: set[str],
    ) -> set[str]:
        w_id = answer.w_id
        held = self._held.pop(w_id, set())
        held_before = bool(held)
        if not (len(answer) or answer.rejected):
            self._held[w_id] = held & missing
            self._empty |= {w_id} if missing else set()
            return missing
        arrived = expected({}, answer, is_postgresql=self._is_postgresql)
        named = expected(before, without_nameless(answer), is_postgresql=self._is_postgresql)
        unclear = before.keys() - arrived.keys() - missing - named.keys()
        held &= missing | unclear
        if w_id in self._empty or held_before or self._is_suspicious(answer, before, missing):
            held |= missing
        self._empty.discard(w_id)
        self._held[w_id] = held
        return held

    def _is_suspicious(
        self,
        answer: ContactSet[Contact],
        before: Versions,
        missing: set[str],
    ) -> bool:
        def is_too_many(missing: int, of: int) -> bool:
            return of >= GUARDED and missing > self._max_shrink * of

        stored = Counter(version.kind for version in before.values())
        lacking = Counter(before[name].kind for name in missing)
        arrived = {kind for kind, _ in answer.items()} | {one.kind for one in answer.rejected}
        return is_too_many(len(missing), len(before)) or any(
            is_too_many(number, stored[kind]) or kind not in arrived
            for kind, number in lacking.items()
        )


def without_nameless(answer: ContactSet[Contact]) -> ContactSet[Contact]:
    named = tuple(one for one in answer.rejected if (one.user_name or "").strip())
    return msgspec.structs.replace(answer, rejected=named)


async def follow(history: Populations, url: str, max_shrink: float) -> None:
    model = _Model(max_shrink, is_postgresql=url.startswith("postgresql"))
    async with scene(url, max_shrink=max_shrink) as it:
        for population in history:
            await _step(it, model, population)
            assert await loaded(it.store) == model.contacts
        assert await replayed(it.store) == {w_id: v for w_id, v in model.contacts.items() if v}


async def _step(it: Scene, model: _Model, population: dict[str, ContactSet[Contact]]) -> None:
    synced = await it.all_synced(*population.values())
    known = await instances(it.store)
    for w_id, result in synced.items():
        assert result.delta_counts == model.sync(result.contacts)
        assert result.suspicion == model.suspicions[w_id] == known[w_id].suspicion
        assert known[w_id].contacts == len(model.contacts[w_id])
        assert known[w_id].outcome == ("suspicious" if result.suspicion else "synced")


@any_history
@given(populations, st.sampled_from([0, 0.1, 0.5, 1]))
async def test_sqlite_has_what_was_answered_last(
    tmp_path_factory: pytest.TempPathFactory,
    history: Populations,
    max_shrink: float,
) -> None:
    folder = tmp_path_factory.mktemp("history")
    await follow(history, f"sqlite:///{folder}/contacts.db", max_shrink)


@any_history
@given(populations, st.sampled_from([0, 0.1, 0.5, 1]))
async def test_postgresql_has_what_was_answered_last(
    postgresql: PostgresqlServer,
    history: Populations,
    max_shrink: float,
) -> None:
    await follow(history, postgresql.fresh_url(), max_shrink)
