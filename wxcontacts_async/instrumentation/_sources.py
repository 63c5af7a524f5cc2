"""What instrumentation asks of pools and stores that is no event."""

import sys
from typing import TYPE_CHECKING, Any, TypeGuard
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary, WeakSet

import msgspec

from wxcontacts_async._observing import HeaderSource
from wxcontacts_async._recognition import Undecoded
from wxcontacts_async.errors import InvalidArgumentError
from wxcontacts_async.events import Observer
from wxcontacts_async.outcomes import Fetched
from wxcontacts_async.pool import SessionPool
from wxcontacts_async.statistics import GatewayStatistics

if TYPE_CHECKING:  # they need the extra `store`
    from wxcontacts_async.store import ContactStore
    from wxcontacts_async.store.events import StoreObserver


class ServerAddress(msgspec.Struct, frozen=True):
    """Where a gateway or a database is.

    Attributes:
        scheme: What its URL begins with.
        host: A name or an IP address; "" for a file or a local socket.
        port: Its port; None if the URL has none.
        path: What follows.

    """

    scheme: str
    host: str
    port: int | None
    path: str


class Instrumented:
    """What is instrumented already, by where its figures go; twice would count twice."""

    def __init__(self) -> None:
        self._objects: WeakKeyDictionary[Any, WeakSet[Any]] = WeakKeyDictionary()

    def add(self, destination: object, instrumented: object) -> None:
        """Take note of a pool or store.

        Raises:
            InvalidArgumentError: It was instrumented before.

        """
        objects = self._objects.setdefault(destination, WeakSet())
        if instrumented in objects:
            msg = f"pool_or_store is instrumented already: {instrumented!r}"
            raise InvalidArgumentError(msg, argument="pool_or_store")
        objects.add(instrumented)


def is_store(candidate: object) -> TypeGuard["ContactStore"]:
    """Tell whether it is a store, without importing what stores need."""
    module = sys.modules.get("wxcontacts_async.store.contact_store")
    return module is not None and isinstance(candidate, module.ContactStore)


def neither_pool_nor_store(candidate: object) -> InvalidArgumentError:
    """Make the error of an argument that is neither."""
    kind = type(candidate).__name__
    msg = f"pool_or_store must be a SessionPool or a ContactStore, not {kind}"
    return InvalidArgumentError(msg, argument="pool_or_store")


def observe_pool(
    pool: SessionPool[Any], observer: Observer, headers: HeaderSource | None = None
) -> None:
    """Tell one more observer what happens in a pool, and send calls with the headers it gives."""
    announcer = pool._announce  # noqa: SLF001
    announcer.add(observer)
    if headers is not None:
        announcer.add_headers(headers)


def observe_store(store: "ContactStore", observer: "StoreObserver") -> None:
    """Tell one more observer what happens in a store."""
    store._database.observers.add(observer)  # noqa: SLF001


def gateways_of(pool: SessionPool[Any]) -> dict[str, str]:
    """Return the URL of each gateway of a pool, by name."""
    return {name: gateway.base_url for name, gateway in pool._gateways.items()}  # noqa: SLF001


def statistics_of(pool: SessionPool[Any]) -> dict[str, GatewayStatistics]:
    """Count the instances of each gateway, in whichever thread that exports; none unless open."""
    router = pool._router  # noqa: SLF001
    return {} if router is None else router.statistics()


def database_of(store: "ContactStore") -> ServerAddress:
    """Return where a store's database is."""
    return server_of(store._address.shown)  # noqa: SLF001


def is_reached(store: "ContactStore") -> bool:
    """Tell whether a store's database could be reached the last time."""
    return store._database.is_reached  # noqa: SLF001


def server_of(url: str) -> ServerAddress:
    """Read where a URL leads to; of several hosts the first."""
    parts = urlsplit(url)
    first = parts.netloc.rpartition("@")[2].partition(",")[0]
    host, colon, port = first.rpartition(":")
    if not (colon and port.isdigit()):
        host, port = first, ""
    return ServerAddress(parts.scheme, host.strip("[]"), int(port) if port else None, parts.path)


def counts_of(outcome: Fetched[Any]) -> tuple[dict[str, int], int] | None:
    """Count an outcome's contacts by kind, and those that were rejected.

    Returns:
        None if they are not decoded, as they need not be for this.

    """
    if isinstance(outcome, Undecoded):
        return None
    contacts = outcome.contacts
    by_kind = {str(kind): len(listed) for kind, listed in contacts.lists()}
    return by_kind, len(contacts.rejected)
