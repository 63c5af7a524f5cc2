"""Those who are compared, one small file each.

Each file has two functions. `opened(base_url, slots)` is an async context manager that opens the
client once, as a service does, and gives a `FetchAll`: it fetches the contacts of all wIds, never
more than `slots` at a time, and hands each reply over as soon as it is decoded. `user_names(reply)`
lists whom such a reply has, so that it can be checked. Where a client asks for gzip only if it is
told to, there is `opened_for_gzip` as well.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal, Protocol, TypeAlias, cast

import msgspec

OnFetched: TypeAlias = Callable[[Any], object]
FetchAll: TypeAlias = Callable[[Iterable[str], OnFetched], Awaitable[None]]
Opened: TypeAlias = AbstractAsyncContextManager[FetchAll]


class Client(Protocol):
    """What a contender's module has."""

    def opened(self, base_url: str, slots: int) -> Opened:
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

    """

    name: str
    module: str
    role: Literal["floor", "library", "limit", "usual", "msgspec", "retry loop"]
    packages: tuple[str, ...]
    loop: Literal["asyncio", "uvloop"] = "asyncio"

    def client(self) -> Client:
        """Import it."""
        return cast("Client", import_module(f"{__name__}.{self.module}"))

    def opened(self, base_url: str, slots: int, *, gzip: bool = False) -> Opened:
        """Open the client; with `gzip` it asks for that, in its usual way."""
        client = self.client()
        if gzip and hasattr(client, "opened_for_gzip"):
            return cast("Opened", client.opened_for_gzip(base_url, slots))
        return client.opened(base_url, slots)

    def new_loop(self) -> Callable[[], asyncio.AbstractEventLoop]:
        """Return what makes its event loop."""
        module = asyncio if self.loop == "asyncio" else import_module("uvloop")
        return cast("Callable[[], asyncio.AbstractEventLoop]", module.new_event_loop)

    def on_uvloop(self) -> "Contender":
        """Return the same on the other loop."""
        return msgspec.structs.replace(
            self,
            name=f"{self.name}-uvloop",
            packages=(*self.packages, "uvloop"),
            loop="uvloop",
        )

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
LIBRARY = Contender("wxcontacts_async", "library", "library", ("wxcontacts_async",))
LIBRARY_UVLOOP = LIBRARY.on_uvloop()
AIOHTTP_BARE = Contender("aiohttp-bare", "aiohttp_bare", "limit", ("aiohttp", "msgspec"))
RETRY_LOOP = Contender("retry-loop", "retry_loop", "retry loop", ("aiohttp", "msgspec"))
USUAL_PEERS = (
    Contender("aiohttp-json", "aiohttp_json", "usual", ("aiohttp",)),
    Contender("httpx-json", "httpx_json", "usual", ("httpx",)),
    Contender("httpx-pydantic", "httpx_pydantic", "usual", ("httpx", "pydantic")),
)
MSGSPEC_PEERS = tuple(
    Contender(f"{client}-msgspec", f"{client}_msgspec", "msgspec", (client, "msgspec"))
    for client in ("aiohttp", "niquests", "httpx", "httpx2", "wreq", "pyreqwest")
)
CONTENDERS = (
    FLOOR,
    LIBRARY,
    AIOHTTP_BARE,
    *USUAL_PEERS,
    *MSGSPEC_PEERS,
    FLOOR.on_uvloop(),
    LIBRARY_UVLOOP,
    *(peer.on_uvloop() for peer in MSGSPEC_PEERS),
)
BY_NAME = {contender.name: contender for contender in (*CONTENDERS, RETRY_LOOP)}


def on_loop_of(contender: Contender, *roles: str) -> list[Contender]:
    """Return those of these roles that run on the same loop as a contender."""
    return [other for other in CONTENDERS if other.role in roles and other.loop == contender.loop]
