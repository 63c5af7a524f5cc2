"""The decode queue: who decodes, and how much in one tick."""

import asyncio
from time import perf_counter

from anyio.lowlevel import checkpoint

from wxcontacts_async import Contact
from wxcontacts_async._decoding.queue import DecodeQueue
from wxcontacts_async._decoding.reply import ReplyDecoder
from wxcontacts_async._decoding.verdict import Refused
from wxcontacts_async._messages import says_initializing


class Reply:
    """A reply that takes a while to decode, whose decoder notes in which tick it was."""

    def __init__(self, log: list[str], name: str) -> None:
        self._log = log
        self._name = name
        self.pieces: list[bytes | memoryview] = [name.encode()]
        self.content_type = ""
        self.content_encoding = ""
        self.max_bytes = 2**40
        self.w_id = "w"
        self.recognition = None

    def decoded(self, reply: object, reply_bytes: int) -> None:
        assert isinstance(reply, Refused)
        assert reply_bytes == len(self._name)
        self._log.append(reply.message)

    def wake_reader(self) -> None:
        self._log.append(f"wake for {self._name}")


class SlowDecoder(ReplyDecoder[Contact]):
    """Decodes nothing, for so many seconds a reply."""

    def __init__(self, seconds: float) -> None:
        super().__init__(Contact, says_initializing)
        self._seconds = seconds

    def decode(self, body: bytes | memoryview, content_type: str = "") -> Refused:
        begun = perf_counter()
        while perf_counter() - begun < self._seconds:
            pass
        return Refused(content_type, bytes(body).decode())


def decode_queue(*, seconds: float = 0.0, **settings: float) -> DecodeQueue[Contact]:
    return DecodeQueue(SlowDecoder(seconds), **settings)


async def test_a_reader_is_woken_and_decodes_before_the_tick_ends() -> None:
    log: list[str] = []
    queue = decode_queue(budget=60)
    queue.add(Reply(log, "a"))
    assert log == ["wake for a"]
    assert queue.decode_next()
    assert not queue.decode_next()
    assert log == ["wake for a", "a"]


async def test_what_no_reader_comes_for_is_decoded_in_the_next_tick_in_the_order_of_arrival() -> (
    None
):
    log: list[str] = []
    queue = decode_queue(budget=60)  # which no machine is busy enough to use up
    for name in "abc":
        queue.add(Reply(log, name))
    del log[:]
    await checkpoint()
    await checkpoint()
    assert log == ["a", "b", "c"]


async def test_who_reads_decodes_no_more_than_a_tick_may() -> None:
    log: list[str] = []
    queue = decode_queue(budget=0.001, seconds=0.0006)
    for name in "abcd":
        queue.add(Reply(log, name))
    del log[:]
    while queue.decode_next():
        pass
    assert log in (["a", "b"], ["a"])  # the other one on a machine that is busy elsewhere


async def test_readers_and_the_end_of_the_tick_share_one_ticks_time() -> None:
    loop = asyncio.get_running_loop()
    log: list[str] = []
    queue = decode_queue(budget=0.001, seconds=0.002)
    ticks = 0

    def read() -> None:
        while queue.decode_next():
            pass

    def begin_tick() -> None:
        # It was the first to be scheduled and schedules itself first, so it begins every tick.
        nonlocal ticks
        ticks += 1
        log.append("tick")
        if ticks < 60:
            loop.call_soon(begin_tick)
            loop.call_soon(read)
        read()

    loop.call_soon(begin_tick)
    for number in range(10):
        queue.add(Reply(log, f"{number}"))
    while ticks < 60:
        loop.call_soon(read)
        await checkpoint()
    in_ticks = "".join(entry[0] for entry in log).split("t")
    decoded = [sum(letter.isdigit() for letter in letters) for letters in in_ticks]
    assert sum(decoded) == 10
    assert max(decoded) == 1


async def test_what_still_waits_when_it_is_cleared_is_not_decoded() -> None:
    log: list[str] = []
    queue = decode_queue(budget=60)
    queue.add(Reply(log, "a"))
    queue.clear()
    for _ in range(5):
        await checkpoint()
    assert log == ["wake for a"]
    queue.add(Reply(log, "b"))
    await checkpoint()
    await checkpoint()
    assert log[-1] == "b"
