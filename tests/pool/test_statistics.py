"""What a pool shows of its state, by `statistics` and `repr`."""

import re

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import SocketStream

from tests.support.raw_server import RawServer, http_reply
from wxcontacts_async import (
    CallSent,
    Event,
    Gateway,
    GatewayDown,
    GatewayPaused,
    InitializationWait,
    PoolClosedError,
    SessionPool,
)
from wxcontacts_async.statistics import GatewayStatistics

IDLE = GatewayStatistics(ready=0, calling=0, waiting=0, undecoded=0)
INITIALIZING = '{"message":"初始化中","code":"1001","data":null}'.encode()


class Seen:
    """An observer that tells when so many events of a type have come."""

    def __init__(self, wanted: type, times: int = 1) -> None:
        self._wanted = wanted
        self._left = times
        self.all = anyio.Event()

    def __call__(self, event: Event) -> None:
        if isinstance(event, self._wanted):
            self._left -= 1
            if not self._left:
                self.all.set()


async def test_it_counts_the_instances_of_each_gateway_by_state() -> None:
    release = anyio.Event()

    async def answer(stream: SocketStream, request: bytes) -> None:
        if b"initializing" in request:
            await stream.send(http_reply(INITIALIZING))
        else:
            await release.wait()
            await stream.send(http_reply())

    w_ids = ["initializing-1", "initializing-2", "a", "b", "c", "d", "e"]
    sent = Seen(CallSent, 4)
    async with RawServer(answer) as server:
        gateway = Gateway(server.url, max_concurrency=2)
        wait = InitializationWait(600)
        async with SessionPool(gateway, initialization=wait, observers=[sent]) as pool:
            assert pool.statistics() == {server.url: IDLE}
            async with pool.stream(w_ids):
                await sent.all.wait()
                assert pool.statistics() == {
                    server.url: GatewayStatistics(ready=3, calling=2, waiting=2, undecoded=0)
                }
                shown = f"{server.url!r}: ready 3, calling 2, waiting 2, undecoded 0"
                assert repr(pool) == f"<SessionPool of {shown}>"
            assert pool.statistics() == {server.url: IDLE}
            release.set()


async def test_a_reply_counts_as_undecoded_until_it_is_decoded() -> None:
    async def answer(stream: SocketStream, _: bytes) -> None:
        await stream.send(http_reply())

    undecoded: list[tuple[int, int]] = []

    def is_initializing(_: str, __: str) -> bool:
        (counted,) = pool.statistics().values()
        undecoded.append((counted.calling, counted.undecoded))
        return False

    wait = InitializationWait(is_initializing=is_initializing)
    async with RawServer(answer) as server, SessionPool(server.url, initialization=wait) as pool:
        await pool.fetch("a")
    assert undecoded == [(0, 1)]


async def test_it_shows_how_long_a_gateway_has_been_down() -> None:
    down = Seen(GatewayDown)
    async with RawServer(lambda _, __: anyio.lowlevel.checkpoint()) as server:
        url = server.url
    async with SessionPool(url, observers=[down]) as pool, pool.stream(f"w{n}" for n in range(9)):
        await down.all.wait()
        await anyio.sleep(0.06)
        (counted,) = pool.statistics().values()
        assert counted.down_for is not None
        assert 0.05 < counted.down_for < 60
        assert re.search(r", down for [0-9.]+ s>", repr(pool))


async def test_it_shows_for_how_long_a_gateway_is_paused() -> None:
    async def answer(stream: SocketStream, _: bytes) -> None:
        await stream.send(http_reply(status="429 Too Many Requests", headers="Retry-After: 500\n"))

    paused = Seen(GatewayPaused)
    async with (
        RawServer(answer) as server,
        SessionPool(server.url, observers=[paused]) as pool,
        pool.stream(["a"]),
    ):
        await paused.all.wait()
        (counted,) = pool.statistics().values()
        assert 400 < counted.paused_for <= 500
        assert counted.down_for is None
        assert re.search(r", paused for [45][0-9]{2}\.[0-9] s>", repr(pool))


async def test_a_pool_that_is_not_open_has_no_statistics() -> None:
    pool = SessionPool({"east": "http://gateway.example", "west": "http://other.example"})
    assert repr(pool) == "<SessionPool of 'east', 'west': not open>"
    async with pool:
        assert "not open" not in repr(pool)
    assert repr(pool) == "<SessionPool of 'east', 'west': not open>"
    with pytest.raises(PoolClosedError):
        pool.statistics()
