"""What the server and those who call it both know of its instances.

It imports nothing of the library, as the peers' start and memory are measured.
"""

import zlib
from collections.abc import Iterable
from typing import Literal, TypeAlias

import msgspec

# Plain and gzip say their length; what is chunked does not.
Form: TypeAlias = Literal["plain", "chunked", "gzip"]


class Setup(msgspec.Struct, frozen=True):
    """What a server is told on its command line, as JSON.

    Attributes:
        contacts: How many contacts each instance has.
        latency: Seconds before each answer.
        initializing_calls: How many calls an instance of odd number is first told 初始化中.
        bodies: How many different replies there are; the instances take turns with them.
        changed: The share of the contacts that differ from what a server without it says: of ten,
            eight have another name, one is gone and one is replaced by somebody else.
        form: How a reply is sent. Calls that do not ask for gzip are then answered with 406.
        core: The core to run on; None is any.

    """

    contacts: int
    latency: float = 0.0
    initializing_calls: int = 0
    bodies: int = 4
    changed: float = 0.0
    form: Form = "plain"
    core: int | None = None


def w_id_of(number: int) -> str:
    """Return the wId of the instance of that number, of which the server reads the number only."""
    return f"{number:08x}-63eb-f319-0001-ed01076abf1f"


def reply_of(number: int, bodies: int) -> int:
    """Return which reply the instance of that number gets, odd or even."""
    return number // 2 % bodies


def fingerprint(user_names: Iterable[str]) -> int:
    """Return a checksum of all user names, in whatever order they come."""
    return zlib.crc32("\n".join(sorted(user_names)).encode())
