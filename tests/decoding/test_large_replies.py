"""Large replies in the decode queue: a piece at a time, in memory that is given back."""

import gc
from collections.abc import Callable, Sequence
from mmap import mmap
from time import perf_counter
from typing import Any

import msgspec
import pytest
from anyio.lowlevel import checkpoint

from tests.support.decoding import written
from tests.support.loops import on_asyncio
from wxcontacts_async import Contact
from wxcontacts_async._decoding.queue import DecodeQueue
from wxcontacts_async._decoding.reply import ReplyDecoder
from wxcontacts_async._decoding.verdict import DecodedReply, Ready
from wxcontacts_async._messages import says_initializing

pytestmark = on_asyncio
MEBIBYTE = 1024 * 1024


class WithRaw(Contact, frozen=True):
    """Its extra field is a part of the reply's body and no copy."""

    label: msgspec.Raw = msgspec.Raw(b"null")


class Reply:
    """A reply that keeps what becomes of it."""

    def __init__(self, *pieces: bytes | memoryview) -> None:
        self.pieces: list[bytes | memoryview] = list(pieces)
        self.content_type = ""
        self.content_encoding = ""
        self.max_bytes = 2**40
        self.w_id = "w"
        self.recognition = None
        self.results: list[DecodedReply[Any] | Exception] = []
        self.reply_bytes = 0
        self.wakes = 0

    def decoded(self, reply: DecodedReply[Any] | Exception, reply_bytes: int) -> None:
        self.results.append(reply)
        self.reply_bytes = reply_bytes

    def wake_reader(self) -> None:
        self.wakes += 1


def body_of(contacts: int, name: str = "a") -> bytes:
    friends = [
        {"userName": f"{name}{n}", "nickName": name * 300, "label": [name]} for n in range(contacts)
    ]
    return written({"code": 1000, "message": "成功", "data": {"friend": friends, "group": friends}})


def queue_of(contact_type: type[Contact] = Contact, budget: float = 60) -> DecodeQueue[Any]:
    return DecodeQueue(ReplyDecoder(contact_type, says_initializing), budget=budget)


def cut(body: bytes, size: int) -> list[bytes]:
    return [body[begin : begin + size] for begin in range(0, len(body), size)]


LARGE = body_of(4_000)
FORMS: dict[str, Callable[[], Sequence[bytes | memoryview]]] = {
    "in one piece": lambda: [LARGE],
    "in several": lambda: cut(LARGE, 100_000),
    "in memory that is lent": lambda: [memoryview(bytearray(LARGE))],
    "in memory that cannot be written": lambda: [memoryview(LARGE)],
    "in several views": lambda: [memoryview(bytearray(piece)) for piece in cut(LARGE, 999_999)],
}


@pytest.mark.parametrize("contact_type", [Contact, WithRaw])
@pytest.mark.parametrize("form", FORMS)
async def test_a_large_reply_is_decoded_a_piece_a_call_however_it_came(
    form: str,
    contact_type: type[Contact],
) -> None:
    queue = queue_of(contact_type)
    pieces = FORMS[form]()
    for _ in range(2):
        reply = Reply(*pieces)
        queue.add(reply)
        calls = 0
        while queue.decode_next():
            calls += 1
        assert calls > len(LARGE) / MEBIBYTE * 8
        assert reply.results == [ReplyDecoder(contact_type, says_initializing).decode(LARGE)]
        assert reply.reply_bytes == len(LARGE)
        assert reply.pieces == []


async def test_memory_that_is_lent_is_decoded_in_place_and_free_again_when_it_is_done() -> None:
    class Lent(Reply):
        def decoded(self, reply: DecodedReply[Any] | Exception, reply_bytes: int) -> None:
            super().decoded(reply, reply_bytes)
            self.pieces.clear()
            view.release()
            memory.append(0)  # which nothing forbids that still looks at it

    memory = bytearray(LARGE)
    view = memoryview(memory)
    reply = Lent(view)
    queue = queue_of()
    queue.add(reply)
    while queue.decode_next():
        pass
    assert len(reply.results) == 1
    assert memory[:-1] == LARGE


@pytest.mark.parametrize("contact_type", [Contact, WithRaw])
async def test_contacts_are_what_they_were_when_the_memory_is_used_again(
    contact_type: type[Contact],
) -> None:
    queue = queue_of(contact_type)
    memory = bytearray(body_of(4_000, "x"))
    replies = [Reply(*cut(LARGE, 100_000)), Reply(memoryview(memory)), Reply(body_of(4_000, "z"))]
    for reply in replies:
        queue.add(reply)
    while queue.decode_next():
        pass
    memory[:] = bytes(len(memory))
    for reply, name in zip(replies, "axz", strict=True):
        (result,) = reply.results
        assert isinstance(result, Ready)
        for contact in (*result.friends, *result.groups):
            assert contact.nick_name == name * 300
            if isinstance(contact, WithRaw):
                assert bytes(contact.label) == b'["%b"]' % name.encode()


@pytest.mark.parametrize(
    "damaged",
    [
        LARGE[:-1],
        LARGE.replace(b'"a3999"', b'"a\\ud83d"'),
        LARGE.replace(b'"a3999"', b'" "'),
        LARGE.replace(b'"a3999"', b"7"),
        LARGE.replace(b"1000", b"1001"),
        b"<" * len(LARGE),
    ],
    ids=["cut off", "surrogate", "blank", "wrong", "refused", "page"],
)
async def test_a_large_reply_that_is_damaged_is_what_it_would_be_if_it_were_small(
    damaged: bytes,
) -> None:
    def said(reply: DecodedReply[Any] | Exception) -> object:
        return str(reply) if isinstance(reply, Exception) else reply

    queue = queue_of()
    for pieces in ([damaged], cut(damaged, 100_000), [memoryview(bytearray(damaged))]):
        reply = Reply(*pieces)
        queue.add(reply)
        while queue.decode_next():
            pass
        try:
            expected: object = ReplyDecoder(Contact, says_initializing).decode(damaged)
        except Exception as error:  # noqa: BLE001
            expected = str(error)
        assert [said(result) for result in reply.results] == [expected]


async def test_a_tick_ends_when_its_time_is_up_and_the_next_goes_on_with_the_same_reply() -> None:
    queue = queue_of(budget=0.000_001)
    replies = [Reply(LARGE), Reply(LARGE), Reply(b'{"code":1001}')]
    for reply in replies:
        queue.add(reply)
    ticks = 0
    while not replies[-1].results:
        ticks += 1
        await checkpoint()
        done = [bool(reply.results) for reply in replies]
        assert done == sorted(done, reverse=True)
    assert ticks > 2 * len(LARGE) / MEBIBYTE * 8
    assert min(reply.wakes for reply in replies[:2]) > 10  # so that a reader may go on, too


async def test_a_large_reply_is_handed_out_by_a_tick_that_has_decoded_little_else() -> None:
    queue = queue_of()
    took = []
    for _ in range(5):
        queue.add(Reply(LARGE))
        begun = perf_counter()
        pieces = 0
        while queue.decode_next():
            pieces += 1
        took.append(perf_counter() - begun)

    queue = queue_of(budget=2 * min(took))  # enough for all of it
    queue.add(reply := Reply(LARGE))
    in_this_tick = 0
    while not reply.results:
        if queue.decode_next():
            in_this_tick += 1
        else:
            in_this_tick = 0
            await checkpoint()
    assert in_this_tick < pieces / 2


async def test_what_is_half_done_when_it_is_cleared_is_given_up() -> None:
    queue = queue_of()
    memory = bytearray(LARGE)
    half_done, waiting = Reply(memoryview(memory)), Reply(LARGE)
    queue.add(half_done)
    queue.add(waiting)
    for _ in range(10):
        assert queue.decode_next()
    queue.clear()
    assert not queue.decode_next()
    for _ in range(5):
        await checkpoint()
    assert half_done.results == waiting.results == []
    assert memory == LARGE
    after = Reply(LARGE)
    queue.add(after)
    while queue.decode_next():
        pass
    assert len(after.results) == 1


async def test_a_queue_that_is_cleared_keeps_no_memory() -> None:
    queue = queue_of()
    queue.add(Reply(*cut(body_of(20_000), 100_000)))
    while queue.decode_next():
        pass
    kept = _bytes_kept_by(queue)
    assert kept > 10 * MEBIBYTE
    queue.clear()
    assert _bytes_kept_by(queue) == 0


def _bytes_kept_by(queue: DecodeQueue[Any]) -> int:
    """Add up the buffers that it refers to, by whatever way."""
    seen: set[int] = set()
    left: list[object] = [queue]
    kept = 0
    while left:
        one = left.pop()
        if id(one) in seen or isinstance(one, type | ReplyDecoder):
            continue
        seen.add(id(one))
        if isinstance(one, bytes | bytearray | mmap):
            kept += len(one)
        elif isinstance(one, list | dict | tuple) or type(one).__module__.startswith("wxcontacts"):
            left += gc.get_referents(one)
    return kept
