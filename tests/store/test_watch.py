"""A watch syncs the same instances again and again, whatever becomes of the database."""

from collections import Counter
from typing import Any

import anyio
import pytest

from tests.support.postgresql import PostgresqlServer
from tests.support.syncing import Scene, friends, loaded, replayed, scene
from wxcontacts_async import Failed, GatewayRefusedError, Instance, InvalidArgumentError
from wxcontacts_async.errors import PoolClosedError
from wxcontacts_async.store import (
    ContactStore,
    StoreAccessError,
    StoreConnectionError,
    StoreError,
    Synced,
    SyncResult,
    WatchStream,
)

# The database does the same on any loop, so asyncio's will do.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])

_EVERY = 0.1


async def _until(watched: WatchStream, wanted: Any) -> list[SyncResult]:  # noqa: ANN401
    """Read it until there is a result of that kind for each of its instances."""
    results = []
    left = {"a", "b"}
    with anyio.fail_after(60):
        async for result in watched:
            results.append(result)
            if isinstance(result, wanted):
                left.discard(result.w_id)
            if not left:
                break
    return results


def _give(it: Scene, *names: str) -> None:
    for w_id in ("a", "b"):
        it.gateway.give(friends(*names, w_id=w_id))


async def test_each_instance_is_synced_once_an_interval_and_what_changes_is_logged(
    database_url: str,
) -> None:
    async with scene(database_url) as it:
        _give(it, "x")
        results: Counter[str] = Counter()
        async with it.store.watch(it.pool, ["a", "b"], every=_EVERY) as watched:
            began = anyio.current_time()
            async for result in watched:
                assert isinstance(result, Synced)
                results[result.w_id] += 1
                if results.total() == 4:
                    _give(it, "x", "y")
                if results.total() == 10:
                    break
            seconds = anyio.current_time() - began

        assert results == {"a": 5, "b": 5}
        assert seconds >= 4 * _EVERY - 0.01
        assert await replayed(it.store) == await loaded(it.store)
        assert set(await it.store.load("a")) == set(friends("x", "y", w_id="a"))


async def test_others_can_be_given_while_it_runs(sqlite_url: str) -> None:
    async with scene(sqlite_url) as it:
        for w_id in ("old", "kept", "new"):
            it.gateway.give(friends("x", w_id=w_id))
        async with it.store.watch(it.pool, ["old", "kept"], every=_EVERY) as watched:
            assert {(await anext(watched)).w_id for _ in range(2)} == {"old", "kept"}
            assert watched.replace(["kept", "new"]) == (1, 1)
            with pytest.raises(InvalidArgumentError):
                watched.replace("kept")
            after = [(await anext(watched)).w_id for _ in range(8)]

        assert after.count("old") <= 1  # which was under way
        assert set(after) - {"old"} == {"kept", "new"}


async def test_a_watch_of_none_waits_for_one(sqlite_url: str) -> None:
    async with scene(sqlite_url) as it:
        it.gateway.give(friends("x", w_id="a"))
        async with it.store.watch(it.pool, []) as watched:
            with anyio.move_on_after(0.05) as waiting:
                await anext(watched)
            assert waiting.cancelled_caught
            assert watched.replace(["a"]) == (1, 0)
            assert (await anext(watched)).w_id == "a"


async def test_an_instance_is_not_asked_for_again_while_its_result_is_unread(
    sqlite_url: str,
) -> None:
    async with scene(sqlite_url) as it:
        _give(it, "x")
        async with it.store.watch(it.pool, ["a", "b"], every=_EVERY) as watched:
            await anext(watched)
            await anyio.sleep(5 * _EVERY)
            assert Counter(call.w_id for call in it.gateway.calls)["b"] == 1
            await _until(watched, Synced)


async def test_what_was_asked_for_just_now_is_not_after_a_restart_though_it_failed(
    sqlite_url: str,
) -> None:
    async with scene(sqlite_url) as it:
        _give(it, "x")
        it.gateway.give_reply("b", b'{"code":"1001","message":"gone"}')
        async with it.store.watch(it.pool, ["a", "b"], every=600) as watched:
            results = {result.w_id: result for result in [await anext(watched) for _ in "ab"]}
            failed = results["b"]
            assert isinstance(failed, Failed)
            assert isinstance(failed.error, GatewayRefusedError)
        it.gateway.give(friends("x", w_id="new"))
        async with it.store.watch(it.pool, ["a", "b", "new"], every=600) as watched:
            assert (await anext(watched)).w_id == "new"
            await anyio.sleep(0.2)

        assert Counter(call.w_id for call in it.gateway.calls) == {"a": 1, "b": 1, "new": 1}


async def test_stopped_it_gives_what_was_written_and_ends(sqlite_url: str) -> None:
    async with scene(sqlite_url) as it:
        _give(it, "x")
        async with it.store.watch(it.pool, ["a", "b"], every=_EVERY) as watched:
            first = await anext(watched)
            watched.stop()
            rest = [result async for result in watched]

        assert {result.w_id for result in [first, *rest]} == set(await loaded(it.store))


async def test_a_database_that_is_away_for_longer_is_survived(
    postgresql: PostgresqlServer,
) -> None:
    async with scene(postgresql.fresh_url(), reconnect_timeout=0.2) as it:
        _give(it, "x")
        async with it.store.watch(it.pool, ["a", "b"], every=_EVERY) as watched:
            await _until(watched, Synced)
            async with postgresql.away():
                _give(it, "x", "y")
                lost = await _until(watched, Failed)
            found = await _until(watched, Synced)

        errors = {type(result.error) for result in lost if isinstance(result, Failed)}
        assert errors == {StoreConnectionError}
        assert {(each.error.w_id, each.error.gateway) for each in lost if isinstance(each, Failed)}
        assert not any(isinstance(each, Synced) and each.suspicion for each in found)
        assert await replayed(it.store) == await loaded(it.store)
        assert {w_id: set(known) for w_id, known in (await loaded(it.store)).items()} == {
            "a": {"x", "y"},
            "b": {"x", "y"},
        }


async def test_a_database_that_can_take_nothing_ends_it(sqlite_url: str) -> None:
    async with scene(sqlite_url) as it:
        _give(it, "x")
        async with it.store.watch(it.pool, ["a", "b"], every=_EVERY) as watched:
            await _until(watched, Synced)
            await it.store._run(lambda connection: connection.execute("DROP TABLE instances"))  # noqa: SLF001
            with pytest.raises(StoreError, match="no such table"):
                await _until(watched, ())


async def test_a_database_that_can_only_be_read_is_an_error_at_once(
    postgresql: PostgresqlServer,
) -> None:
    url = postgresql.fresh_url()
    async with scene(url) as it:
        _give(it, "x")
        await it.store._run(  # noqa: SLF001
            lambda connection: connection.execute(
                "ALTER ROLE postgres SET default_transaction_read_only = on"
            )
        )
        try:
            async with ContactStore(url) as reader:
                with pytest.raises(StoreAccessError):
                    await reader.watch(it.pool, ["a"]).__aenter__()
        finally:
            await it.store._run(  # noqa: SLF001
                lambda connection: connection.execute(
                    "ALTER ROLE postgres RESET default_transaction_read_only"
                )
            )
        assert it.gateway.calls == []


@pytest.mark.parametrize(
    ("arguments", "every"),
    [
        (["two words"], 1.0),
        ("one", 1.0),
        ([Instance("a", gateway="x"), "a"], 1.0),
        (["a"], 0.0),
        (["a"], "1"),
    ],
)
async def test_wrong_arguments_fail_where_they_are_given(
    arguments: Any,  # noqa: ANN401
    every: Any,  # noqa: ANN401
    sqlite_url: str,
) -> None:
    async with scene(sqlite_url) as it:
        with pytest.raises(InvalidArgumentError):
            it.store.watch(it.pool, arguments, every=every)


async def test_a_pool_or_a_store_that_is_not_open_is_an_error(sqlite_url: str) -> None:
    async with scene(sqlite_url) as it:
        store, pool = it.store, it.pool
        watched = store.watch(pool, ["a"])
    with pytest.raises(StoreError):
        store.watch(pool, ["a"])
    with pytest.raises(StoreError):
        await watched.__aenter__()
    async with ContactStore(sqlite_url) as opened:
        with pytest.raises(PoolClosedError):
            opened.watch(pool, ["a"])
