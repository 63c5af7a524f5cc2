"""How a store gets slower, and how large it gets, as it grows; the last tenth beside the first."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import msgspec

from benchmarks.instances import Setup
from benchmarks.pinning import cores
from benchmarks.processes import serving
from benchmarks.store.postgresql import Cluster
from benchmarks.store.process import stored_w_ids
from benchmarks.store.run import CHANGED, StoreSize
from benchmarks.workloads import SLOTS
from wxcontacts_async import Failed, Gateway, SessionPool
from wxcontacts_async.store import ContactStore
from wxcontacts_async.store._database.connection import Connection
from wxcontacts_async.store._database.url import read_address

GROWN = StoreSize(instances=5_000)
QUICK_GROWN = StoreSize(instances=500, contacts=1_000)  # of which 20,000 share a transaction

_TENTHS = 10
_SIZE_OF_POSTGRESQL = "SELECT pg_database_size(current_database())"


class Growth(msgspec.Struct, frozen=True):
    """What one database came to.

    Attributes:
        database: Which one.
        contacts: How many contacts there are.
        tenths: Contacts a second in each tenth of the first sync.
        changed: Contacts a second of a sync in which some changed.
        bytes_a_contact: On disk, after the first sync.
        reads: Seconds of what should not notice the size, by name.

    """

    database: str
    contacts: int
    tenths: list[float]
    changed: float
    bytes_a_contact: float
    reads: dict[str, float]

    @property
    def ratio(self) -> float:
        """The last tenth's contacts a second beside those of the first."""
        return self.tenths[-1] / self.tenths[0]


def measure_growth(size: StoreSize, tell: Callable[[str], object]) -> list[Growth]:
    """Grow a SQLite database and one of PostgreSQL, one after the other."""
    setup = Setup(size.contacts, bodies=size.bodies, core=cores()[0])
    changed = msgspec.structs.replace(setup, changed=CHANGED)
    found = []
    with ExitStack() as stack:
        gateways = [stack.enter_context(serving(each)).url for each in (setup, changed)]
        for name, database in (("SQLite", _sqlite), ("PostgreSQL", _postgresql)):
            with database() as url:
                found.append(asyncio.run(_grown(name, url, gateways, size)))
            tell(f"{name}: {found[-1].ratio:.2f}, {found[-1].bytes_a_contact:.0f} bytes a contact")
    return found


@contextmanager
def _sqlite() -> Iterator[str]:
    with TemporaryDirectory(prefix="growth-") as folder:
        yield f"sqlite:///{Path(folder) / 'contacts.db'}"


@contextmanager
def _postgresql() -> Iterator[str]:
    with Cluster().running() as cluster:
        yield cluster.create("growth")


async def _grown(name: str, url: str, gateways: list[str], size: StoreSize) -> Growth:
    w_ids = [*stored_w_ids(size.instances)]
    contacts = size.instances * size.contacts
    async with ContactStore(url) as store:
        times = await _synced(store, gateways[0], w_ids)
        marks = [times[size.instances * tenth // _TENTHS] for tenth in range(_TENTHS + 1)]
        on_disk = await asyncio.to_thread(_bytes_on_disk, url)
        again = await _synced(store, gateways[1], w_ids)
        reads = await _reads(store, w_ids[len(w_ids) // 2])
    return Growth(
        name,
        contacts,
        [contacts / _TENTHS / max(late - early, 1e-6) for early, late in pairwise(marks)],
        contacts / (again[-1] - again[0]),
        on_disk / contacts,
        reads,
    )


async def _synced(store: ContactStore, gateway: str, w_ids: Iterable[str]) -> list[float]:
    """Sync all; return when it began, and when each instance was in the database."""
    times = [perf_counter()]
    async with (
        SessionPool(Gateway(gateway, max_concurrency=SLOTS)) as pool,
        store.sync(pool, w_ids, contacts=False) as results,
    ):
        async for result in results:
            if isinstance(result, Failed):
                raise result.error
            times.append(perf_counter())
            del result  # else it would live while the next batch is written
    return times


async def _reads(store: ContactStore, w_id: str) -> dict[str, float]:
    last = await store.last_change()
    began = perf_counter()
    async for _ in store.changes(after=max(0, (last.id if last else 0) - 100)):
        pass
    changes = perf_counter()
    async for _ in store.instances():
        pass
    instances = perf_counter()
    await store.load(w_id)
    loaded = perf_counter()
    return {
        "changes --after, the last 100": changes - began,
        "instances": instances - changes,
        "an export of one instance": loaded - instances,
    }


def _bytes_on_disk(url: str) -> int:
    address = read_address(url)
    if address.path is None:
        connection = Connection(address, 10)
        ((size,),) = connection.rows(_SIZE_OF_POSTGRESQL)
        connection.close()
        return int(size)
    return sum(path.stat().st_size for path in address.path.parent.iterdir())


def render_growth(found: list[Growth]) -> str:
    """Write what was found as Markdown."""
    lines = [
        "# How the store grows",
        "",
        "Contacts a second in the first sync, tenth by tenth; the goals are 0.7 of the first tenth",
        "in the last one, and 600 bytes a contact.",
        "",
        "| | " + " | ".join(each.database for each in found) + " |",
        "| --- |" + " --- |" * len(found),
    ]
    rows: dict[str, list[str]] = {
        "contacts": [f"{each.contacts:,}" for each in found],
        **{
            f"tenth {number + 1}": [f"{each.tenths[number]:,.0f}" for each in found]
            for number in range(_TENTHS)
        },
        "last tenth beside the first": [f"{each.ratio:.2f}" for each in found],
        "bytes a contact": [f"{each.bytes_a_contact:,.0f}" for each in found],
        f"{CHANGED:.0%} changed, contacts a second": [f"{each.changed:,.0f}" for each in found],
        **{
            name: [f"{each.reads[name] * 1000:.0f} ms" for each in found] for name in found[0].reads
        },
    }
    lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()]
    return "\n".join([*lines, ""])
