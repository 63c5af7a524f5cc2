"""Replies as those who use msgspec describe them, and their decoder."""

from collections.abc import Iterable

import msgspec


class Contact(msgspec.Struct, rename="camel", gc=False):
    """One contact."""

    user_name: str
    alias_name: str | None = None
    nick_name: str | None = None
    big_head: str | None = None
    small_head: str | None = None
    sex: int | None = None
    signature: str | None = None
    country: str | None = None
    province: str | None = None
    city: str | None = None


class Lists(msgspec.Struct, gc=False):
    """The three lists."""

    public: list[Contact] = []
    friend: list[Contact] = []
    group: list[Contact] = []


class Reply(msgspec.Struct, gc=False):
    """One reply; `data` is null while initializing."""

    code: str
    message: str
    data: Lists | None = None


decode = msgspec.json.Decoder(Reply).decode


def user_names(reply: Reply) -> Iterable[str]:
    """List the user names of one reply."""
    lists = reply.data or Lists()
    return [c.user_name for c in (*lists.public, *lists.friend, *lists.group)]
