"""What must hold of every run, by what the servers have recorded of it."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from time import monotonic
from typing import Any

import pytest

from tests.real.node import NodeCall, NodeGateway
from wxcontacts_async import (
    ContactSet,
    Event,
    Failed,
    Fetched,
    FetchReport,
    Gateway,
    InitializationWait,
    Observer,
    RetryPolicy,
    SessionPool,
    WxContactsError,
)

INTERVAL = 0.2
# Runs of seconds go on one event loop each: what they look for is no matter of the loop.
on_asyncio = pytest.mark.parametrize(
    "anyio_backend",
    [pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio")],
    indirect=True,
)
on_uvloop = pytest.mark.parametrize(
    "anyio_backend",
    [pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop")],
    indirect=True,
)
_CLOCK_RESOLUTION = 0.002


def w_ids(number: int) -> list[str]:
    return [f"w{n:04d}" for n in range(number)]


def open_pool(
    url: str,
    *,
    initialization: InitializationWait = InitializationWait(INTERVAL),  # noqa: B008  # frozen
    retry: RetryPolicy = RetryPolicy(initial_delay=0.05, max_delay=0.5),  # noqa: B008  # frozen
    observers: Iterable[Observer] = (),
    **settings: Any,  # noqa: ANN401  # of a Gateway
) -> SessionPool:
    return SessionPool(
        Gateway(url, **settings),
        initialization=initialization,
        retry=retry,
        observers=observers,
    )


async def failure(fetch: Awaitable[ContactSet]) -> Any:  # noqa: ANN401  # any of our errors
    """Return the error that a fetch ends in."""
    with pytest.raises(WxContactsError) as raised:
        await fetch
    return raised.value


class Reading:
    """Reads a stream to its end, and lets a test act in the middle of it.

    Attributes:
        outcomes: Those that came so far.
        seconds: How long it took from when it was begun.

    """

    def __init__(self) -> None:
        self.outcomes: list[Fetched | Failed] = []
        self.seconds = 0.0

    @property
    def report(self) -> FetchReport:
        return FetchReport(tuple(self.outcomes))

    async def read(
        self,
        pool: SessionPool,
        instances: Iterable[str],
        *,
        then: Callable[[int], Awaitable[None]] | None = None,
    ) -> FetchReport:
        """Read on; after each outcome `then` is told how many there are."""
        began = monotonic()
        async with pool.stream(instances) as outcomes:
            async for outcome in outcomes:
                self.outcomes.append(outcome)
                if then is not None:
                    await then(len(self.outcomes))
        self.seconds = monotonic() - began
        return self.report


def calls_of(report: FetchReport) -> int:
    """Return how many calls the library says there were."""
    return sum(outcome.calls for outcome in report.outcomes)


def check_all_fetched(report: FetchReport, node: NodeGateway, instances: list[str]) -> None:
    """Check that every instance was fetched once, with every contact as it was sent."""
    assert sorted(outcome.w_id for outcome in report.outcomes) == sorted(instances)
    failed = [str(error) for error in report.errors.values()]
    assert not failed, f"{len(failed)} of {len(instances)} failed, such as: {failed[0]}"
    for w_id, contacts in report.contacts.items():
        check_contacts(contacts, node, w_id)


def check_contacts(contacts: ContactSet, node: NodeGateway, w_id: str) -> None:
    """Check every contact of an instance."""
    received = {contact.user_name: (kind, contact) for kind, contact in contacts.items()}
    assert received == node.people_of(w_id)
    assert contacts.rejected == ()


def check_manners(node: NodeGateway, *, interval: float = INTERVAL) -> None:
    """Check that no instance was called twice at once, nor again within its wait."""
    calls: defaultdict[str, list[NodeCall]] = defaultdict(list)
    for call in node.calls():
        calls[call.w_id].append(call)
    for w_id, of_instance in calls.items():
        of_instance.sort(key=lambda call: call.began)
        for before, after in pairwise(of_instance):
            if before.ended is None:
                continue  # the process was killed meanwhile
            wait = interval if before.how == "initializing" else 0.0
            too_soon = before.ended + wait - after.began
            assert too_soon <= _CLOCK_RESOLUTION, f"{w_id} was called {too_soon:.3f} s too soon"


class Clocked:
    """An observer that keeps each event of some kinds, and when it came."""

    def __init__(self, *kinds: type[Event]) -> None:
        self.events: list[tuple[float, Any]] = []
        self._kinds = kinds

    def __call__(self, event: Event) -> None:
        if isinstance(event, self._kinds):
            self.events.append((monotonic(), event))


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    began = monotonic()
    yield
    assert monotonic() - began <= seconds
