"""The emulator answers as the document says, the same for the same seed, and keeps count."""

import json
import math

import aiohttp
import anyio
import pytest

from tests.support.loops import on_asyncio
from wxcontacts_async import ContactKind, SessionPool
from wxcontacts_async.emulator import EmulatedInstance, GatewayEmulator, Population, Refusal


async def post(url: str, body: object) -> tuple[int, dict[str, object]]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/getAllContact", json=body) as response,
    ):
        text = await response.text()
        return response.status, json.loads(text) if text.startswith("{") else {"text": text}


@on_asyncio
async def test_its_replies_have_the_shape_of_the_documents_samples() -> None:
    instances = {
        "ready": EmulatedInstance(contacts=100),
        "initializing": EmulatedInstance(initializing_calls=1, contacts=1),
        "refused": EmulatedInstance(refusal=Refusal("1002", "未登录")),
    }
    async with GatewayEmulator(instances) as emulator:
        status, ready = await post(emulator.url, {"wId": "ready"})
        assert (status, ready["code"], ready["message"]) == (200, "1000", "成功")
        data = ready["data"]
        assert isinstance(data, dict)
        assert list(data) == ["public", "friend", "group"]
        assert sum(len(members) for members in data.values()) == 100
        for members in data.values():
            for member in members:
                assert list(member) == [
                    "userName",
                    "aliasName",
                    "nickName",
                    "bigHead",
                    "smallHead",
                    "sex",
                    "signature",
                    "country",
                    "province",
                    "city",
                ]
        assert (await post(emulator.url, {"wId": "initializing"}))[1]["message"] == "初始化中"
        assert (await post(emulator.url, {"wId": "initializing"}))[1]["code"] == "1000"
        assert (await post(emulator.url, {"wId": "refused"}))[1] == {
            "message": "未登录",
            "code": "1002",
            "data": None,
        }
        assert (await post(emulator.url, {"wId": "unknown"}))[1] == {
            "message": "失败",
            "code": "1001",
            "data": None,
        }
        assert (await post(emulator.url, {"w_id": "wrong"}))[0] == 400


def test_people_are_invented_once_for_each_seed() -> None:
    one, same, other = Population(1), Population(1), Population(2)
    assert one.contact_set("w", 200).lists() == same.contact_set("w", 200).lists()
    assert one.contact_set("w", 200).lists() != other.contact_set("w", 200).lists()
    assert one.contact_set("w", 200).lists() != one.contact_set("v", 200).lists()


def test_people_are_as_various_as_the_documents() -> None:
    contacts = Population(0).contact_set("w", 10_000)
    assert len(contacts) == 10_000
    prefixes = {kind: {c.user_name[:3] for c in members} for kind, members in contacts.lists()}
    assert prefixes[ContactKind.OFFICIAL_ACCOUNT] == {"gh_"}
    assert prefixes[ContactKind.FRIEND] == {"wxi"}
    assert all(group.user_name.endswith("@chatroom") for group in contacts.groups)
    assert {friend.sex for friend in contacts.friends} == {0, 1, 2}
    assert {friend.alias_name is None for friend in contacts.friends} == {True, False}
    assert any("😀" in (friend.nick_name or "") for friend in contacts.friends)
    assert all(friend.big_head and ".invalid/" in friend.big_head for friend in contacts.friends)


def test_the_same_friend_stands_on_several_instances() -> None:
    population = Population(0)
    one, other = (
        {friend.user_name for friend in population.contact_set(w_id, 2000).friends}
        for w_id in ("w1", "w2")
    )
    assert one & other
    assert one != other


def test_sizes_reach_from_tens_to_thousands() -> None:
    sizes = [len(Population(0).contact_set(f"w{i}")) for i in range(100)]
    assert min(sizes) < 50
    assert 10_000 >= max(sizes) > 1000


@on_asyncio
async def test_shares_are_exact_and_the_same_for_the_same_seed() -> None:
    async def outcome_of(seed: int) -> tuple[list[str], int, int]:
        async with GatewayEmulator(
            60,
            seed=seed,
            contacts=1,
            initializing=0.5,
            refusing=0.1,
        ) as emulator:
            async with SessionPool(emulator.url) as pool, pool.stream(emulator.w_ids) as outcomes:
                for _ in range(30):  # those that are ready at once, refused or not
                    await anext(outcomes)
            initializing = sum(call.reply == "initializing" for call in emulator.calls)
            refused = sum(call.reply == "refused" for call in emulator.calls)
            return emulator.w_ids, initializing, refused

    w_ids, initializing, refused = await outcome_of(1)
    assert (initializing, refused) == (30, 6)
    assert await outcome_of(1) == (w_ids, 30, 6)
    assert (await outcome_of(2))[0] != w_ids


async def test_it_records_what_it_was_asked_and_how_many_at_once() -> None:
    async with GatewayEmulator({"a": EmulatedInstance(latency=math.inf)}) as emulator:
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(post, emulator.url, {"wId": "a"})
            await emulator.wait_for_calls(3)
            assert (emulator.under_way, emulator.max_under_way) == (3, 3)
            assert [call.ended for call in emulator.calls] == [None] * 3
            tasks.cancel_scope.cancel()
        await emulator.wait_until_idle()
        assert [call.reply for call in emulator.calls_of("a")] == ["gone"] * 3
        emulator.set_instance("a", EmulatedInstance(contacts=2))
        assert (await post(emulator.url, {"wId": "a"}))[1]["code"] == "1000"
        assert emulator.calls[-1].reply == "ready"
        assert emulator.max_under_way == 3


async def test_it_can_be_left_while_a_call_is_under_way_that_never_ends() -> None:
    async with anyio.create_task_group() as tasks:
        with anyio.fail_after(30):
            async with GatewayEmulator({"a": EmulatedInstance(latency=math.inf)}) as emulator:

                async def ask(url: str) -> None:
                    with pytest.raises(aiohttp.ClientError):
                        await post(url, {"wId": "a"})

                tasks.start_soon(ask, emulator.url)
                await emulator.wait_for_calls(1)


async def test_a_port_in_use_is_said_at_once() -> None:
    async with GatewayEmulator(1) as emulator:
        port = int(emulator.url.rpartition(":")[2])
        with pytest.raises(OSError, match="address already in use"):
            await GatewayEmulator(1, port=port).__aenter__()
