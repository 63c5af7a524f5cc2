"""The emulator's population moves: a little, the same for the same seed, and never in a reply."""

import os
import subprocess
import sys

import anyio
import pytest

from tests.support.loops import on_asyncio
from wxcontacts_async import Contact, ContactSet, InvalidArgumentError, SessionPool
from wxcontacts_async.emulator import (
    EmulatedInstance,
    Fault,
    FaultKind,
    GatewayEmulator,
    Movement,
    Refusal,
)
from wxcontacts_async.emulator.movement import friends_after, step_of


def moved(older: ContactSet[Contact], newer: ContactSet[Contact]) -> Movement:
    delta = newer.delta_since(older)
    return Movement(len(delta.added), len(delta.removed), len(delta.changed))


@on_asyncio
async def test_a_client_finds_what_an_advance_says_and_nothing_else() -> None:
    async with GatewayEmulator(8, contacts=300) as emulator, SessionPool(emulator.url) as pool:
        before = {w_id: await pool.fetch(w_id) for w_id in emulator.w_ids}
        movements = emulator.advance()
        after = {w_id: await pool.fetch(w_id) for w_id in emulator.w_ids}

        assert len(movements) == 4
        for w_id, newer in after.items():
            assert newer.lists() == emulator.contact_set(w_id).lists()
            assert moved(before[w_id], newer) == movements.get(w_id, Movement(0, 0, 0))


@on_asyncio
async def test_friends_come_go_and_are_renamed_and_so_is_a_group() -> None:
    async with GatewayEmulator(["a"], contacts=1000) as emulator, SessionPool(emulator.url) as pool:
        before = await pool.fetch("a")
        for _ in range(3):
            assert emulator.advance() == {"a": Movement(2, 2, 3)}
            after = await pool.fetch("a")
            delta = after.delta_since(before)

            assert {friend.user_name[:5] for friend in delta.added + delta.removed} == {"wxid_"}
            kinds = [after.kind_of(newer.user_name).name for _, newer in delta.changed]
            assert kinds == ["FRIEND", "FRIEND", "GROUP"]
            for older, newer in delta.changed:
                assert older.nick_name != newer.nick_name
                assert older.small_head == newer.small_head
            before = after


def test_small_instances_move_as_far_as_they_can() -> None:
    sizes = {"a": 0, "b": 1, "c": 2, "d": 9, "e": 40}
    emulator = GatewayEmulator(
        {w_id: EmulatedInstance(contacts=size) for w_id, size in sizes.items()}
    )
    for _ in range(20):
        before = {w_id: emulator.contact_set(w_id) for w_id in sizes}
        movements = emulator.advance(share=1)
        after = {w_id: emulator.contact_set(w_id) for w_id in sizes}

        assert movements == {
            "b": Movement(1, 1, 0),  # its only friend has just come
            "c": Movement(1, 1, 1),
            "d": Movement(1, 1, 2),  # it has a group
            "e": Movement(1, 1, 2),
        }
        assert {w_id: moved(before[w_id], after[w_id]) for w_id in movements} == movements
        assert {w_id: len(contacts) for w_id, contacts in after.items()} == sizes


@pytest.mark.parametrize("count", [1, 2, 5, 601])
def test_friends_come_round_again_once_all_others_have_been_there(count: int) -> None:
    everybody = count + 10
    friends, strangers = list(range(count)), range(count, everybody)
    before = dict(friends_after(0, friends, strangers, universe=everybody))
    assert before == dict.fromkeys(friends, False)
    expected = step_of(count, 0)
    for steps in range(1, everybody + 20):
        after = dict(friends_after(steps, friends, strangers, universe=everybody))
        renamed = sum(after[friend] != before[friend] for friend in after.keys() & before)
        came, went = len(after.keys() - before), len(before.keys() - after)
        assert Movement(came, went, renamed) == expected
        before = after


def test_at_least_one_instance_moves_of_those_that_are_not_refused() -> None:
    emulator = GatewayEmulator({"a": EmulatedInstance(refusal=Refusal()), "b": EmulatedInstance()})
    assert list(emulator.advance(share=1)) == ["b"]
    assert list(emulator.advance(share=0.01)) == ["b"]
    assert emulator.advance(share=0) == {}
    assert emulator.advances == 3
    assert GatewayEmulator(0).advance() == {}


def test_another_process_has_the_same_population_after_as_many_advances() -> None:
    program = (
        "from wxcontacts_async.emulator import GatewayEmulator;"
        "emulator = GatewayEmulator(6, seed=4, contacts=50);"
        "movements = [emulator.advance(share=0.4) for _ in range(3)];"
        "print(movements, [emulator.contact_set(w_id).lists() for w_id in emulator.w_ids])"
    )
    there = subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-c", program],
        capture_output=True,
        check=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    emulator = GatewayEmulator(6, seed=4, contacts=50)
    movements = [emulator.advance(share=0.4) for _ in range(3)]
    here = [emulator.contact_set(w_id).lists() for w_id in emulator.w_ids]

    assert there.stdout.strip() == f"{movements} {here}"
    other = GatewayEmulator(6, seed=5, contacts=50)
    assert list(other.advance(share=0.4)) != list(movements[0])


@on_asyncio
async def test_before_it_is_entered_it_advances_too() -> None:
    emulator = GatewayEmulator(["a"], contacts=20)
    before = emulator.contact_set("a")
    emulator.advance()
    async with emulator, SessionPool(emulator.url) as pool:
        assert moved(before, await pool.fetch("a")) == Movement(1, 1, 2)


@on_asyncio
async def test_a_reply_under_way_stays_as_it_was_begun() -> None:
    trickle = Fault(FaultKind.TRICKLE, first_calls=1, bytes_per_second=100_000)
    slow = EmulatedInstance(contacts=60, faults=(trickle,))
    async with GatewayEmulator({"a": slow}) as emulator, SessionPool(emulator.url) as pool:
        before = emulator.contact_set("a")
        fetched: list[ContactSet[Contact]] = []

        async def fetch() -> None:
            fetched.append(await pool.fetch("a"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fetch)
            while not emulator.faults_met:  # noqa: ASYNC110  # it is met as the reply begins
                await anyio.sleep(0.01)
            emulator.advance()
            assert not fetched
        assert fetched[0].lists() == before.lists()
        assert (await pool.fetch("a")).lists() == emulator.contact_set("a").lists()
        assert emulator.contact_set("a").lists() != before.lists()


@pytest.mark.parametrize("share", [-0.1, 1.1, "0.5", None, True, float("nan")])
def test_a_wrong_share_is_said_at_once_and_moves_nothing(share: float) -> None:
    emulator = GatewayEmulator(["a"], contacts=20)
    before = emulator.contact_set("a")
    with pytest.raises(InvalidArgumentError, match="^share must be a number of at least 0 and at"):
        emulator.advance(share=share)
    assert not emulator.contact_set("a").delta_since(before)
    assert emulator.advances == 0
