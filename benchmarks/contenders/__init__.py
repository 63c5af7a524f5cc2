"""Those who are compared, one small file each.

Each file has two functions. `opened(base_url, slots)` is an async context manager that opens the
client once, as a service does, and gives a `FetchAll`: it fetches the contacts of all wIds, never
more than `slots` at a time, and hands each reply over as soon as it is decoded. `user_names(reply)`
lists whom such a reply has, so that it can be checked.
"""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal, Protocol, TypeAlias, cast

import msgspec

OnFetched: TypeAlias = Callable[[Any], object]
FetchAll: TypeAlias = Callable[[Iterable[str], OnFetched], Awaitable[None]]


class Client(Protocol):
    """What a contender's module has."""

    def opened(self, base_url: str, slots: int) -> AbstractAsyncContextManager[FetchAll]:
        """Open the client."""

    def user_names(self, reply: Any) -> Iterable[str]:  # noqa: ANN401  # each has its own
        """List the user names of one reply, once each."""


class Contender(msgspec.Struct, frozen=True):
    """One row of the tables.

    Attributes:
        name: How it is called in the report and in `--only`.
        module: Its module in this package.
        role: The floor, the library, what the library could be at best with the HTTP client that
            it has (`limit`), a peer with the decode that most use with it (`usual`), a peer with
            msgspec, or the retry loop that is measured in initialization alone.
        packages: What must be installed for it.
        loop: The event loop that it runs on.
        pure_python: Whether its HTTP client is written in Python, if perhaps with a C parser.

    """

    name: str
    module: str
    role: Literal["floor", "library", "limit", "usual", "msgspec", "retry loop"]
    packages: tuple[str, ...]
    loop: Literal["asyncio", "uvloop"] = "asyncio"
    pure_python: bool = True

    def client(self) -> Client:
        """Import it."""
        return cast("Client", import_module(f"{__name__}.{self.module}"))

    def missing(self) -> list[str]:
        """Return which of its packages are not installed."""
        return [package for package in self.packages if version_of(package) is None]


def version_of(package: str) -> str | None:
    """Return the installed version of a package; None if there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


FLOOR = Contender("floor", "floor", "floor", ("msgspec",))
FLOOR_UVLOOP = Contender("floor-uvloop", "floor", "floor", ("msgspec", "uvloop"), "uvloop")
LIBRARY = Contender("wxcontacts_async", "library", "library", ("wxcontacts_async",))
LIBRARY_UVLOOP = Contender(
    "wxcontacts_async-uvloop",
    "library",
    "library",
    ("wxcontacts_async", "uvloop"),
    "uvloop",
)
AIOHTTP_BARE = Contender("aiohttp-bare", "aiohttp_bare", "limit", ("aiohttp", "msgspec"))
AIOHTTP_MSGSPEC = Contender("aiohttp-msgspec", "aiohttp_msgspec", "msgspec", ("aiohttp", "msgspec"))
RETRY_LOOP = Contender("retry-loop", "retry_loop", "retry loop", ("aiohttp", "msgspec"))
CONTENDERS = (
    FLOOR,
    LIBRARY,
    FLOOR_UVLOOP,
    LIBRARY_UVLOOP,
    AIOHTTP_BARE,
    Contender("aiohttp-json", "aiohttp_json", "usual", ("aiohttp",)),
    AIOHTTP_MSGSPEC,
    Contender("httpx-json", "httpx_json", "usual", ("httpx",)),
    Contender("httpx-pydantic", "httpx_pydantic", "usual", ("httpx", "pydantic")),
    Contender("httpx2-msgspec", "httpx2_msgspec", "msgspec", ("httpx2", "msgspec")),
    Contender("niquests-msgspec", "niquests_msgspec", "msgspec", ("niquests", "msgspec")),
    Contender("wreq-msgspec", "wreq_msgspec", "msgspec", ("wreq", "msgspec"), pure_python=False),
)
BY_NAME = {contender.name: contender for contender in (*CONTENDERS, RETRY_LOOP)}
