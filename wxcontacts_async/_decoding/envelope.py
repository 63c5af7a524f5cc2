"""The shape of a reply: what stands around the three lists of contacts."""

from typing import Generic, TypeVar

import msgspec

_Data = TypeVar("_Data")
_List = TypeVar("_List")


class Envelope(msgspec.Struct, Generic[_Data], gc=False):
    """What stands around the lists. The document's table says `msg`, its sample `message`."""

    code: str | int | None = None
    message: str | None = None
    msg: str | None = None
    data: _Data | None = None


class Lists(msgspec.Struct, Generic[_List], gc=False):
    """The three lists of contacts; None is null or absent."""

    public: _List | None = None
    friend: _List | None = None
    group: _List | None = None
