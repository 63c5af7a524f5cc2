"""The memory that replies are joined in is kept, bounded, and nothing of it is kept by contacts."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.loops import on_asyncio
from tests.support.raw_server import RawServer
from tests.support.scripted import Script
from wxcontacts_async import Contact, SessionPool
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
            for n in range(5_000)
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
        assert [contact.user_name for contact in contacts] == [f"{w_id}{n}" for n in range(5_000)]
        assert {contact.nick_name for contact in contacts} == {w_id * 100}
        if contact_type is WithRaw:
            labels = {bytes(contact.label) for contact in contacts}  # type: ignore[attr-defined]
            assert labels == {json.dumps([w_id]).encode()}
