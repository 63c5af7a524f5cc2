"""A database has each wId once, so a sync of one on two gateways is an error."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from anyio import Event

from tests.support.loops import on_asyncio
from wxcontacts_async import Instance, InvalidArgumentError, SessionPool
from wxcontacts_async.emulator import EmulatedInstance, GatewayEmulator
from wxcontacts_async.store import ContactStore, Synced, SyncStream

pytestmark = on_asyncio

_TWICE: list[str | Instance] = [Instance("a", gateway="east"), "b", Instance("a", gateway="west")]
_MESSAGE = "^instances must have each wId on one gateway, and 'a' is on 'east' and on 'west'$"
_INSTANCES = {"a": EmulatedInstance(contacts=3, initializing_calls=10_000)}


def _read_lazily() -> Iterator[str | Instance]:
    yield from _TWICE


async def _awaited() -> AsyncIterator[str | Instance]:
    for instance in _TWICE:
        yield instance


async def _drained(synced: SyncStream) -> None:
    async with synced:
        async for _ in synced:
            pass


@pytest.mark.parametrize("kind", [list, tuple, dict.fromkeys, set])
async def test_a_collection_that_has_a_wid_on_two_gateways_is_refused_at_once(
    kind: Callable[[list[str | Instance]], list[str | Instance]], sqlite_url: str
) -> None:
    gateways = {"east": "http://127.0.0.1:9", "west": "http://127.0.0.1:9"}
    async with SessionPool(gateways) as pool, ContactStore(sqlite_url) as store:
        with pytest.raises(InvalidArgumentError) as caught:
            store.sync(pool, kind(_TWICE))
    assert caught.value.argument == "instances"


@pytest.mark.parametrize("source", [_read_lazily, _awaited])
async def test_a_source_that_gives_a_wid_that_is_under_way_elsewhere_ends_the_sync(
    source: Callable[[], Iterator[str | Instance]], sqlite_url: str
) -> None:
    async with (
        GatewayEmulator(_INSTANCES) as east,
        GatewayEmulator(_INSTANCES) as west,
        SessionPool({"east": east.url, "west": west.url}) as pool,
        ContactStore(sqlite_url) as store,
    ):
        with pytest.raises(InvalidArgumentError, match=_MESSAGE):
            await _drained(store.sync(pool, source()))
        assert west.calls_of("a") == []
        assert [each async for each in store.load_all()] == []


async def test_an_instance_may_move_to_another_gateway_once_it_has_ended(sqlite_url: str) -> None:
    instances = {"a": EmulatedInstance(contacts=3)}
    async with (
        GatewayEmulator(instances) as east,
        GatewayEmulator(instances) as west,
        SessionPool({"east": east.url, "west": west.url}) as pool,
        ContactStore(sqlite_url) as store,
    ):

        async def moving() -> AsyncIterator[Instance]:
            yield Instance("a", gateway="east")
            yield Instance("a", gateway="east")  # which is no move
            await both_ended.wait()
            yield Instance("a", gateway="west")

        both_ended = Event()
        results = []
        async with store.sync(pool, moving()) as synced:
            async for result in synced:
                results.append(result)
                if len(results) == 2:
                    both_ended.set()

    assert [each.gateway for each in results if isinstance(each, Synced)] == [
        "east",
        "east",
        "west",
    ]


async def test_an_async_source_is_closed_when_the_sync_is_left(sqlite_url: str) -> None:
    closed = []

    async def endless() -> AsyncIterator[str]:
        try:
            while True:
                yield "a"
        finally:
            closed.append(True)

    async with (
        GatewayEmulator(_INSTANCES) as gateway,
        SessionPool(gateway.url) as pool,
        ContactStore(sqlite_url) as store,
    ):
        async with store.sync(pool, endless()):
            await gateway.wait_for_calls(1)
        assert closed == [True]
