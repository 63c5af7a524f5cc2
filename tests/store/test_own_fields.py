"""The fields that a subclass of `Contact` adds are stored, logged and given back, too."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from tests.support.one_call import ONCE
from tests.support.syncing import W_ID, GivenGateway, Scene, log
from wxcontacts_async import Contact, ContactSet, InvalidArgumentError, SessionPool
from wxcontacts_async.store import ChangeKind, ContactStore, contact_sets, to_arrow

# The database does the same on any loop, so asyncio's will do.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])


class Remarked(Contact, frozen=True):
    remark: str | None = None


class Labelled(Remarked, frozen=True):
    label_list: list[str] | None = None
    stars: int = 0
    anything: Any = None


@asynccontextmanager
async def scene_of(url: str, contact_type: type[Contact]) -> AsyncIterator[Scene]:
    async with (
        GivenGateway() as gateway,
        SessionPool(gateway.url, retry=ONCE, contact_type=contact_type) as pool,
        ContactStore(url, contact_type=contact_type) as store,
    ):
        yield Scene(gateway, pool, store)


def as_any(contact: Contact) -> Any:  # noqa: ANN401  # of a type that is made in a test
    return contact


def labelled(*contacts: Contact) -> ContactSet[Any]:
    return ContactSet(W_ID, friends=contacts)


async def columns(it: Scene, what: str) -> list[tuple[Any, ...]]:
    return await it.store._run(  # noqa: SLF001
        lambda connection: connection.rows(f"SELECT {what} FROM contacts ORDER BY user_name")
    )


ONE = Labelled(
    "a",
    nick_name="甲",
    remark="同学",
    label_list=["x", "y"],
    stars=3,
    anything={"b": 1, "a": [None]},
)
OTHER = Labelled("b", remark="\"'\\u0000，", stars=-(2**62), anything="text")


async def test_each_field_is_stored_and_given_back(database_url: str) -> None:
    async with scene_of(database_url, Labelled) as it:
        assert (await it.synced(labelled(ONE, OTHER))).delta_counts.added == 2
        assert list(await it.store.load(W_ID)) == [ONE, OTHER]
        assert [[*each] async for each in it.store.load_all()] == [[ONE, OTHER]]
        again = await it.synced(labelled(ONE, OTHER))
        assert again.unchanged
        more = await columns(it, "CAST(more AS TEXT)")
        assert msgspec.json.decode(more[0][0]) == {
            "remark": "同学",
            "label_list": ["x", "y"],
            "stars": 3,
            "anything": {"a": [None], "b": 1},
        }


async def test_a_change_of_one_is_a_change_of_the_contact(database_url: str) -> None:
    async with scene_of(database_url, Labelled) as it:
        await it.synced(labelled(ONE, OTHER))
        changed = msgspec.structs.replace(ONE, label_list=["x"], remark=None)
        assert (await it.synced(labelled(changed, OTHER))).delta_counts.changed == 1
        reordered = msgspec.structs.replace(changed, anything={"a": [None], "b": 1})
        assert not (await it.synced(labelled(reordered, OTHER))).delta_counts
        assert (await it.synced(labelled(reordered))).delta_counts.removed == 1

        _, _, line, gone = await log(it.store)
        assert line.fields == ("remark", "label_list")
        assert line.before is not None
        assert line.after is not None
        assert (line.before.contact, line.after.contact) == (ONE, changed)
        assert gone.before is not None
        assert (gone.change, gone.before.contact) == (ChangeKind.REMOVED, OTHER)
        assert await it.store.forget(W_ID) == 1
        assert (await log(it.store))[-1].before == line.after


async def test_a_field_that_is_added_later_fills_itself_in_and_is_no_change(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with scene_of(database_url, Remarked) as it:
        await it.synced(labelled(Remarked("a", remark="x"), Remarked("b"), Remarked("c")))
        changed_at = await columns(it, "user_name, CAST(last_changed AS TEXT)")
    caplog.clear()
    three = (
        Labelled("a", remark="x", stars=5),
        Labelled("b", remark="new", stars=6),
        Labelled("c", label_list=[]),
    )
    async with scene_of(database_url, Labelled) as it:
        counts = (await it.synced(labelled(*three))).delta_counts
        assert (counts.added, counts.removed, counts.changed) == (0, 0, 1)
        assert list(await it.store.load(W_ID)) == [*three]
        (line,) = (await log(it.store))[3:]
        assert (line.user_name, line.fields) == ("b", ("remark",))
        again = await columns(it, "user_name, CAST(last_changed AS TEXT)")
        assert (again[0], again[2]) == (changed_at[0], changed_at[2])
        assert again[1] != changed_at[1]

        later = msgspec.structs.replace(three[0], stars=7)
        assert (await it.synced(labelled(later, *three[1:]))).delta_counts.changed == 1
        assert (await log(it.store))[-1].fields == ("stars",)
    said = [it.getMessage() for it in caplog.records if "keeps the field" in it.getMessage()]
    assert len(said) == 1
    assert "label_list, stars, anything" in said[0]
    assert "同学" not in said[0]


async def test_a_store_that_knows_fewer_fields_leaves_the_others_as_they_are(
    database_url: str,
) -> None:
    async with scene_of(database_url, Labelled) as it:
        await it.synced(labelled(ONE, OTHER))
    async with scene_of(database_url, Contact) as it:
        renamed = Contact("a", nick_name="乙")
        await it.synced(labelled(renamed, Contact("b"), Contact("c")))
        assert list(await it.store.load(W_ID)) == [renamed, Contact("b"), Contact("c")]
    async with scene_of(database_url, Remarked) as it:
        await it.synced(labelled(Remarked("a", nick_name="乙", remark="r"), Remarked("b")))
    async with scene_of(database_url, Labelled) as it:
        first, second = await it.store.load(W_ID)
        assert first == msgspec.structs.replace(ONE, nick_name="乙", remark="r")
        assert second == msgspec.structs.replace(OTHER, remark=None)
        latest: dict[str, Any] = {}
        for line in await log(it.store):
            assert latest.get(line.user_name) == line.before
            latest[line.user_name] = line.after
        assert latest["a"].contact == first
        assert latest["b"].contact == second


async def test_what_is_of_another_type_than_before_has_its_default_until_it_is_synced(
    database_url: str,
) -> None:
    class Numbered(Contact, frozen=True):
        remark: int = -1
        stars: int = 0

    async with scene_of(database_url, Labelled) as it:
        await it.synced(labelled(ONE))
    async with scene_of(database_url, Numbered) as it:
        (contact,) = map(as_any, await it.store.load(W_ID))
        assert (contact.remark, contact.stars) == (-1, 3)
        await it.synced(labelled(Numbered("a", nick_name="甲", remark=5, stars=3)))
        assert (await log(it.store))[-1].fields == ("remark",)
        (contact,) = map(as_any, await it.store.load(W_ID))
        assert contact.remark == 5


async def test_held_contacts_keep_their_fields_and_fill_in_once_they_are_back(
    database_url: str,
) -> None:
    many = [Remarked(f"{number:03}", remark=str(number)) for number in range(40)]
    async with scene_of(database_url, Remarked) as it:
        await it.synced(labelled(*many))
        assert (await it.synced(labelled(*many[:2]))).suspicion is not None
    async with scene_of(database_url, Labelled) as it:
        some = [Labelled(each.user_name, remark=each.remark, stars=1) for each in many]
        await it.synced(labelled(*some[:3]))
        assert [as_any(each).stars for each in await it.store.load(W_ID)] == [1] * 3 + [0] * 37
        assert not (await it.synced(labelled(*some))).delta_counts
        assert [as_any(each).stars for each in await it.store.load(W_ID)] == [1] * 40


async def test_a_pool_that_does_not_fetch_the_fields_is_refused(sqlite_url: str) -> None:
    async with (
        SessionPool("http://127.0.0.1:9") as pool,
        ContactStore(sqlite_url, contact_type=Remarked) as store,
    ):
        with pytest.raises(InvalidArgumentError, match="^pool must .* field remark"):
            store.sync(pool, ["a"])
        with pytest.raises(InvalidArgumentError, match="^pool must .* field remark"):
            store.watch(pool, ["a"])


class _Required(Contact, frozen=True, kw_only=True):
    remark: str


class _Taken(Contact, frozen=True):
    w_id: str = ""


class _Unwritable(Contact, frozen=True):
    thing: logging.Logger | None = None


@pytest.mark.parametrize("wrong", [_Required, _Taken, _Unwritable, str, Contact("a")])
async def test_a_type_that_cannot_be_stored_fails_where_it_is_given(
    wrong: Any,  # noqa: ANN401
    sqlite_url: str,
) -> None:
    with pytest.raises(InvalidArgumentError, match="^contact_type must"):
        ContactStore(sqlite_url, contact_type=wrong)


async def test_each_field_is_a_column_of_its_own_type() -> None:
    table = to_arrow(labelled(ONE, OTHER))
    types = {field.name: str(field.type) for field in table.schema}

    assert [*types][-5:] == ["remark", "label_list", "stars", "anything", "fetched_at"]
    assert (types["remark"], types["stars"], types["anything"]) == ("string", "int64", "string")
    assert types["label_list"].startswith("list<")
    assert table["label_list"].to_pylist() == [["x", "y"], None]
    assert table["anything"].to_pylist() == ['{"a":[null],"b":1}', "text"]
    (back,) = contact_sets(table, contact_type=Labelled)
    assert [each.remark for each in back.friends] == [ONE.remark, OTHER.remark]
    assert [each.label_list for each in back.friends] == [["x", "y"], None]
    assert [each.stars for each in back.friends] == [3, -(2**62)]
    (base,) = contact_sets(table)
    assert base.friends == (Contact("a", nick_name="甲"), Contact("b"))
    assert to_arrow(labelled(ONE), contact_type=Contact).schema.names[-2:] == ["city", "fetched_at"]
