"""The memory that replies are joined in is kept, bounded, and nothing of it is kept by contacts."""

import json
from collections.abc import Generator
from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.loops import on_asyncio
from tests.support.raw_server import RawServer
from tests.support.scripted import Script
from wxcontacts_async import Contact, SessionPool
from wxcontacts_async._decoding.contact import holds_raw
from wxcontacts_async._decoding.memory import JoinBuffer

MEBIBYTE = 1024 * 1024


@given(
    st.lists(
        st.lists(
            st.builds(
                lambda part, times: part * times, st.binary(max_size=300), st.integers(1, 900)
            ),
            min_size=1,
            max_size=5,
        ),
        max_size=10,
    ),
)
def test_pieces_are_joined_whatever_was_joined_before(replies: list[list[bytes]]) -> None:
    joiner = JoinBuffer()
    for pieces in replies:
        assert bytes(joiner.joined(pieces)) == b"".join(pieces)


@given(st.lists(st.lists(st.binary(max_size=900), max_size=9), max_size=9))
def test_pieces_are_joined_in_steps_whatever_was_joined_before(replies: list[list[bytes]]) -> None:
    joiner = JoinBuffer()
    for number, pieces in enumerate(replies):
        joined = all_of(joiner.joining([piece * 997 for piece in pieces]))
        assert joined == b"".join(piece * 997 for piece in pieces)
        joined.release()
        if number % 2:
            assert bytes(joiner.joined(pieces)) == b"".join(pieces)


def all_of(steps: Generator[None, None, memoryview]) -> memoryview:
    while True:
        try:
            next(steps)
        except StopIteration as done:
            joined: memoryview = done.value
            return joined


def test_of_a_very_large_reply_no_more_memory_is_kept_than_of_a_large_one() -> None:
    joiner = JoinBuffer()
    for size in (40, 90):
        joined = all_of(joiner.joining([b"a" * MEBIBYTE for _ in range(size)]))
        assert joined == b"a" * MEBIBYTE * size
        assert len(list(joiner.shrinking())) == (size - 16 + 3) // 4
        assert joined[16 * MEBIBYTE - 1 :].tobytes().strip(b"\0") == b"a"
        assert list(joiner.shrinking()) == []


def test_one_piece_is_not_copied() -> None:
    piece = b"a" * 1_000
    assert JoinBuffer().joined([piece]) is piece


def test_the_memory_is_used_again_unless_a_reply_is_very_large() -> None:
    joiner = JoinBuffer()
    first = joiner.joined([b"a" * MEBIBYTE, b"b"])
    second = joiner.joined([b"c" * MEBIBYTE, b"d"])
    assert isinstance(first, memoryview)
    assert isinstance(second, memoryview)
    assert first.obj is second.obj
    assert isinstance(joiner.joined([b"e" * 16 * MEBIBYTE, b"f"]), bytes)


class Deep(msgspec.Struct):
    """It has itself in it, and what is of no other interest."""

    more: "dict[str, Deep] | None"
    raw: list[tuple[int, msgspec.Raw]]


class Flat(Contact, frozen=True):
    """It has all sorts of fields, all of which are copies."""

    members: list[dict[str, Any]] = []  # noqa: RUF012  # msgspec copies it
    at: datetime | None = None
    same: "Flat | None" = None
    data: bytes = b""


class HoldsDeep(Contact, frozen=True):
    """It may hold parts of the body somewhere in it."""

    deep: dict[str, Deep] | None = None


def test_only_contacts_that_may_hold_parts_of_the_body_need_one_of_their_own() -> None:
    assert not any(holds_raw(one) for one in (Contact, Flat))
    assert all(holds_raw(one) for one in (WithRaw, HoldsDeep))


class WithRaw(Contact, frozen=True):
    """Its extra field is a part of the reply's body and no copy."""

    label: msgspec.Raw = msgspec.Raw(b"null")


@on_asyncio
@pytest.mark.parametrize("contact_type", [Contact, WithRaw])
async def test_contacts_are_what_they_were_after_the_next_reply(
    contact_type: type[Contact],
) -> None:
    """Both replies are large, so that they come in pieces."""

    def answer(w_id: str, number: int) -> bytes:  # noqa: ARG001
        friends = [
            {"userName": f"{w_id}{n}", "nickName": w_id * 100, "label": [w_id]}
            for n in range(10_000)
        ]
        body = json.dumps({"code": 1000, "data": {"friend": friends}}).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    async with (
        RawServer(Script(answer)) as server,
        SessionPool(server.url, contact_type=contact_type) as pool,
    ):
        first = await pool.fetch("a")
        again = await pool.fetch("b")
    for contacts, w_id in ((first, "a"), (again, "b")):
        assert [contact.user_name for contact in contacts] == [f"{w_id}{n}" for n in range(10_000)]
        assert {contact.nick_name for contact in contacts} == {w_id * 100}
        if contact_type is WithRaw:
            labels = {bytes(contact.label) for contact in contacts}  # type: ignore[attr-defined]
            assert labels == {json.dumps([w_id]).encode()}
