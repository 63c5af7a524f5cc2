"""The order in which `wxcontacts watch` asks for instances."""

import pytest
from anyio import create_task_group, current_time, move_on_after

from tests.leftovers import settle
from tests.loops import on_asyncio
from wxcontacts_async.cli.rota import Rota

pytestmark = on_asyncio

_NO_AGES: dict[str, float] = {}

_CLOCK = 0.002  # seconds; uvloop's clock counts milliseconds


async def test_each_is_given_once_an_interval_at_even_distances() -> None:
    began = current_time()
    rota = Rota("abcd", 0.4, _NO_AGES)
    given = []
    for _ in range(8):
        w_id = await anext(rota)
        given.append((w_id, current_time() - began))
        rota.ended(w_id)

    names = [w_id for w_id, _ in given]
    assert sorted(names[:4]) == list("abcd")
    assert names[4:] == names[:4]
    for turn, (_, seconds) in enumerate(given):
        assert seconds >= turn * 0.1 - 0.001


async def test_who_is_under_way_is_not_given_again() -> None:
    rota = Rota("ab", 0.02, _NO_AGES)
    slow, quick = await anext(rota), await anext(rota)
    for _ in range(3):
        rota.ended(quick)
        assert await anext(rota) == quick

    rota.ended(slow)
    assert await anext(rota) == slow


async def test_while_all_are_under_way_it_waits_for_one_to_end() -> None:
    rota = Rota("a", 0.01, _NO_AGES)
    given = [await anext(rota)]

    async def wait() -> None:
        given.append(await anext(rota))

    async with create_task_group() as tasks:
        tasks.start_soon(wait)
        await settle()
        assert given == ["a"]
        rota.ended("a")

    assert given == ["a", "a"]


async def test_new_ones_go_first_then_who_was_synced_longest_ago() -> None:
    began = current_time()
    rota = Rota(
        ["just now", "long ago", "new", "longest ago"],
        0.3,
        {
            "just now": 0.0,
            "long ago": 50.0,
            "longest ago": 90.0,
        },
    )

    assert [await anext(rota) for _ in range(4)] == ["new", "longest ago", "long ago", "just now"]
    assert current_time() - began >= 0.3 - _CLOCK


async def test_over_a_long_interval_new_ones_come_soon_and_all_others_in_their_turn() -> None:
    began = current_time()
    rota = Rota("abc", 1_000.0, {"c": 2_000.0}, new_apart=0.05)

    assert {await anext(rota), await anext(rota)} == {"a", "b"}
    assert current_time() - began >= 0.05 - _CLOCK
    rota.replace("abcd")
    assert await anext(rota) == "d"
    assert current_time() - began >= 0.1 - _CLOCK
    with move_on_after(0.1):
        pytest.fail(f"{await anext(rota)} was given")


async def test_who_comes_is_given_next_and_who_is_dropped_no_more() -> None:
    rota = Rota("abc", 0.03, {"a": 0.02, "b": 0.01, "c": 0.0})
    assert await anext(rota) == "a"

    assert rota.replace(["c", "new"]) == (1, 2)
    rota.ended("a")  # it was dropped while it was under way
    for w_id in ("new", "c", "new", "c"):
        assert await anext(rota) == w_id
        rota.ended(w_id)


async def test_who_is_dropped_and_comes_back_while_under_way_is_given_once_it_has_ended() -> None:
    rota = Rota("a", 0.01, _NO_AGES)
    await anext(rota)
    rota.replace("b")
    rota.replace("ab")

    assert await anext(rota) == "b"
    rota.ended("a")
    assert await anext(rota) == "a"
