"""Whatever own fields contacts have, and however many more come to be kept, the log is true."""

from itertools import accumulate
from typing import Any, TypeAlias

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.one_call import ONCE
from tests.support.postgresql import PostgresqlServer
from tests.support.properties import examples
from tests.support.syncing import GivenGateway, Scene, all_synced
from wxcontacts_async import Contact, ContactSet, SessionPool
from wxcontacts_async.cli.options.fields import with_fields
from wxcontacts_async.store import ContactStore

# The database does the same on any loop, so asyncio's will do.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])

Person: TypeAlias = dict[str, Any]  # by field
Population: TypeAlias = dict[str, list[Person]]  # by wId
History: TypeAlias = list[tuple[int, Population]]  # how many fields are kept, and who is there

FIELDS = ("remark", "labelList", "备注")
W_IDS = ("w0", "w1")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
any_json: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), texts, st.just("\\u0000\0")),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
# Few people and mostly few values, so that the same one changes, in one field or another.
values = st.sampled_from([None, "x", ["x", 1], {"b": 1, "a": True}]) | any_json
people = st.fixed_dictionaries(
    {
        "user_name": st.sampled_from("abc"),
        "nick_name": st.sampled_from([None, "甲"]),
        **dict.fromkeys(FIELDS, values),
    }
)
populations = st.fixed_dictionaries(
    {
        w_id: st.lists(people, min_size=1, max_size=3, unique_by=lambda it: str(it["user_name"]))
        for w_id in W_IDS
    }
)
histories: st.SearchStrategy[History] = st.lists(
    st.tuples(st.integers(0, 2), populations), min_size=3, max_size=4
).map(
    lambda steps: list(
        zip(
            accumulate((more for more, _ in steps), lambda a, b: min(a + b, len(FIELDS))),
            (population for _, population in steps),
            strict=True,
        )
    )
)
any_history = settings(
    max_examples=examples(24),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


class _Follower:
    """Replays the log, of which each line has the fields that were kept when it was written."""

    def __init__(self, *, is_postgresql: bool) -> None:
        self._is_postgresql = is_postgresql
        self.stored: dict[str, dict[str, Contact]] = {}
        # What the log says of each contact, and which fields its last line has.
        self._said: dict[tuple[str, str], tuple[Any, set[str]]] = {}
        self._after = 0

    async def check(self, it: Scene, kept: tuple[str, ...]) -> None:
        """Check that the contacts are those that were answered, and the log what led to them."""
        loaded = {
            contacts.w_id: {contact.user_name: contact for contact in contacts}
            async for contacts in it.store.load_all()
        }
        assert loaded == self.stored
        async for line in it.store.changes(after=self._after):
            self._after = line.id
            key = (line.w_id, line.user_name)
            before, fields = self._said.pop(key, (None, set()))
            assert _same(before, line.before, fields)
            if line.after is not None:
                self._said[key] = (line.after, {*kept})
        there = {(w_id, name): each for w_id in loaded for name, each in loaded[w_id].items()}
        assert self._said.keys() == there.keys()
        for key, contact in there.items():
            said, fields = self._said[key]
            assert _same(said, msgspec.structs.replace(said, contact=contact), fields)

    def answered(self, w_id: str, contacts: ContactSet[Contact]) -> None:
        """Have the database have these of an instance."""
        as_stored = map(_without_nul, contacts) if self._is_postgresql else contacts
        self.stored[w_id] = {contact.user_name: contact for contact in as_stored}


def _same(one: Any, other: Any, fields: set[str]) -> bool:  # noqa: ANN401  # versions
    """Compare two versions, but for the fields that the first one was written without."""
    if one is None or other is None:
        return one is other
    mine, theirs = (msgspec.structs.asdict(each.contact) for each in (one, other))
    unknown = {*FIELDS} - fields
    return one.kind == other.kind and all(
        mine[name] == theirs[name] for name in mine.keys() - unknown
    )


def _without_nul(contact: Contact) -> Contact:
    def replaced(value: Any) -> Any:  # noqa: ANN401
        if isinstance(value, str):
            return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
        if isinstance(value, list):
            return [replaced(each) for each in value]
        if isinstance(value, dict):
            return {replaced(key): replaced(each) for key, each in value.items()}
        return value

    values = msgspec.structs.asdict(contact).items()
    return _made(type(contact), {name: replaced(value) for name, value in values})


def _made(contact_type: type[Contact], values: dict[str, Any]) -> Contact:
    return contact_type(**values)


async def follow(history: History, url: str) -> None:
    follower = _Follower(is_postgresql=url.startswith("postgresql"))
    async with GivenGateway() as gateway:
        for number, population in history:
            kept = FIELDS[:number]
            contact_type = with_fields(kept)
            async with (
                SessionPool(gateway.url, retry=ONCE, contact_type=contact_type) as pool,
                ContactStore(url, max_shrink=1, contact_type=contact_type) as store,
            ):
                it = Scene(gateway, pool, store)
                # What was stored before has the field by now, as far as it was filled in.
                follower.stored = {
                    w_id: {name: _as(contact_type, each) for name, each in known.items()}
                    for w_id, known in follower.stored.items()
                }
                for w_id, persons in population.items():
                    friends = tuple(
                        _made(contact_type, {name: person[name] for name in _names(kept)})
                        for person in persons
                    )
                    follower.answered(w_id, ContactSet(w_id, friends=friends))
                    gateway.give(ContactSet(w_id, friends=friends))
                async with store.sync(pool, population) as results:
                    all_synced({result.w_id: result async for result in results})
                await follower.check(it, kept)


def _names(kept: tuple[str, ...]) -> tuple[str, ...]:
    return ("user_name", "nick_name", *kept)


def _as(contact_type: type[Contact], contact: Contact) -> Contact:
    values = msgspec.structs.asdict(contact)
    names = contact_type.__struct_fields__
    return _made(contact_type, {name: values[name] for name in names if name in values})


@any_history
@given(histories)
async def test_sqlite_has_each_field_and_a_log_of_it(
    tmp_path_factory: pytest.TempPathFactory, history: History
) -> None:
    folder = tmp_path_factory.mktemp("history")
    await follow(history, f"sqlite:///{folder}/contacts.db")


@any_history
@given(histories)
async def test_postgresql_has_each_field_and_a_log_of_it(
    postgresql: PostgresqlServer, history: History
) -> None:
    await follow(history, postgresql.fresh_url())
