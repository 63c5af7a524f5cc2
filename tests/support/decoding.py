"""Decoding with no gateway: replies, the contacts to put into them, the time that it takes."""

import json
from time import perf_counter

from hypothesis import strategies as st

from wxcontacts_async import Contact
from wxcontacts_async._decoding.reply import ReplyDecoder
from wxcontacts_async._decoding.verdict import Ready
from wxcontacts_async._messages import says_initializing

decoder = ReplyDecoder(Contact, says_initializing)
populations = st.lists(
    st.fixed_dictionaries(
        {"userName": st.uuids().map(lambda it: f"wxid_{it.hex}"), "nickName": st.text()},
        optional={"signature": st.none() | st.text(), "sex": st.sampled_from([0, 1, "2"])},
    ),
    max_size=12,
)


def be_busy(seconds: float) -> None:
    """Keep the event loop from all else, as a large reply does."""
    begun = perf_counter()
    while perf_counter() - begun < seconds:
        pass


def ready(body: bytes, content_type: str = "") -> Ready[Contact]:
    reply = decoder.decode(body, content_type)
    assert isinstance(reply, Ready)
    return reply


def written(value: object, *, ascii_only: bool = False) -> bytes:
    return json.dumps(value, ensure_ascii=ascii_only).encode()


def reply_of(*friends: bytes) -> bytes:
    return b'{"code":"1000","data":{"friend":[%b],"group":[]},"message":"ok"}' % b", ".join(friends)
