"""The order in which a watch asks for instances."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from anyio import create_task_group, current_time, move_on_after

from tests.support.leftovers import settle
from tests.support.loops import on_asyncio
from wxcontacts_async import Instance, InvalidArgumentError
from wxcontacts_async.store._schedule import Schedule

pytestmark = on_asyncio

_CLOCK = 0.002  # seconds; uvloop's clock counts milliseconds


def _begun(
    w_ids: Iterable[str],
    interval: float,
    ages: Mapping[str, float] | None = None,
    *,
    new_apart: float = 1.0,
) -> Schedule:
    schedule = Schedule([*w_ids], interval, new_apart=new_apart)
    schedule.begin(ages or {})
    return schedule


async def _next(schedule: Schedule) -> str:
    given = await anext(schedule)
    assert isinstance(given, str)
    return given


async def test_each_is_given_once_an_interval_at_even_distances() -> None:
    began = current_time()
    schedule = _begun("abcd", 0.4)
    given = []
    for _ in range(8):
        w_id = await _next(schedule)
        given.append((w_id, current_time() - began))
        schedule.ended(w_id)

    names = [w_id for w_id, _ in given]
    assert sorted(names[:4]) == list("abcd")
    assert names[4:] == names[:4]
    for turn, (_, seconds) in enumerate(given):
        assert seconds >= turn * 0.1 - 0.001


async def test_who_is_under_way_is_not_given_again() -> None:
    schedule = _begun("ab", 0.02)
    slow, quick = await _next(schedule), await _next(schedule)
    for _ in range(3):
        schedule.ended(quick)
        assert await anext(schedule) == quick

    schedule.ended(slow)
    assert await anext(schedule) == slow


async def test_while_all_are_under_way_it_waits_for_one_to_end() -> None:
    schedule = _begun("a", 0.01)
    given = [await anext(schedule)]

    async def wait() -> None:
        given.append(await anext(schedule))

    async with create_task_group() as tasks:
        tasks.start_soon(wait)
        await settle()
        assert given == ["a"]
        schedule.ended("a")

    assert given == ["a", "a"]


async def test_new_ones_go_first_then_who_was_synced_longest_ago() -> None:
    began = current_time()
    schedule = _begun(
        ["just-now", "long-ago", "new", "longest-ago"],
        0.3,
        {
            "just-now": 0.0,
            "long-ago": 50.0,
            "longest-ago": 90.0,
        },
    )

    assert [await anext(schedule) for _ in range(4)] == [
        "new",
        "longest-ago",
        "long-ago",
        "just-now",
    ]
    assert current_time() - began >= 0.3 - _CLOCK


async def test_over_a_long_interval_new_ones_come_soon_and_all_others_in_their_turn() -> None:
    began = current_time()
    schedule = _begun("abc", 1_000.0, {"c": 2_000.0}, new_apart=0.05)

    assert {await anext(schedule), await anext(schedule)} == {"a", "b"}
    assert current_time() - began >= 0.05 - _CLOCK
    schedule.replace([*"abcd"])
    assert await anext(schedule) == "d"
    assert current_time() - began >= 0.1 - _CLOCK
    with move_on_after(0.1):
        pytest.fail(f"{await anext(schedule)} was given")


async def test_who_comes_is_given_next_and_who_is_dropped_no_more() -> None:
    schedule = _begun("abc", 0.03, {"a": 0.02, "b": 0.01, "c": 0.0})
    assert await anext(schedule) == "a"

    assert schedule.replace(["c", "new"]) == (1, 2)
    schedule.ended("a")  # it was dropped while it was under way
    for w_id in ("new", "c", "new", "c"):
        assert await anext(schedule) == w_id
        schedule.ended(w_id)


async def test_who_is_dropped_and_comes_back_while_under_way_is_given_once_it_has_ended() -> None:
    schedule = _begun("a", 0.01)
    await anext(schedule)
    schedule.replace(["b"])
    schedule.replace([*"ab"])

    assert await anext(schedule) == "b"
    schedule.ended("a")
    assert await anext(schedule) == "a"


async def test_where_there_is_none_it_waits_for_one_to_come() -> None:
    schedule = _begun([], 0.01)
    with move_on_after(0.05):
        pytest.fail(f"{await anext(schedule)} was given")

    schedule.replace(["a"])
    assert await anext(schedule) == "a"


async def test_an_instance_is_given_with_its_gateway_as_it_was_named_last() -> None:
    schedule = Schedule([Instance("a", gateway="east")], 0.01)
    schedule.begin({})
    assert await anext(schedule) == Instance("a", gateway="east")

    assert schedule.replace([Instance("a", gateway="west")]) == (0, 0)
    schedule.ended("a")
    assert await anext(schedule) == Instance("a", gateway="west")


@pytest.mark.parametrize(
    "wrong",
    [
        "one",
        b"one",
        7,
        [7],
        ["two words"],
        [""],
        [Instance("a", gateway="east"), Instance("a", gateway="west")],
        ["a", Instance("a", gateway="west")],
    ],
)
async def test_what_can_be_no_schedule_is_refused_and_leaves_it_as_it_was(wrong: Any) -> None:  # noqa: ANN401
    with pytest.raises(InvalidArgumentError):
        Schedule(wrong, 1.0)
    schedule = _begun("a", 1.0)
    with pytest.raises(InvalidArgumentError):
        schedule.replace(wrong)
    assert await anext(schedule) == "a"
