"""What the contenders have to do: how large the replies are, how many, and how they come."""

from collections.abc import Iterator

import msgspec

from benchmarks.contenders import CONTENDERS
from benchmarks.instances import Form, Setup

SLOTS = 32
# The API document asks for 5 s. It is the same for all, and the longer it is, the worse for whoever
# holds a slot meanwhile.
INITIALIZATION_INTERVAL = 0.2
INITIALIZING_CALLS = 2
MANY, FEW = 100_000, 1_000
LARGEST = 150_000  # the largest account in the public trackers, wechaty #1450

_LATENCY, _INITIALIZATION_LATENCY = 0.05, 0.02
_FORMS: dict[Form, str] = {
    "plain": "",
    "chunked": ", in chunks of 8 KB without a length",
    "gzip": ", compressed with gzip",
}
_LIBRARY = ("wxcontacts_async", "wxcontacts_async-uvloop")
NEAREST = ("aiohttp-msgspec", "wreq-msgspec", "pyreqwest-msgspec")
_FEW = ("floor", *_LIBRARY, "floor-uvloop", *NEAREST)


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of work.

    Attributes:
        name: How it is called in `--only`.
        title: How it is called in the report.
        setup: The server.
        slots: How many calls are under way at once.
        seconds: How long the timed part is to last. As many instances are fetched as a contender
            gets done in that time, judged by its warm-up, so that a slow one does not take
            longer; rates are compared.
        instances: How many instances are fetched, whatever the contender.
        rounds: It has no more rounds than that.
        contenders: Who takes part.
        lag_seconds: How long the event loop's lag is watched, apart from the timed part; 0 is
            not at all.
        bursts: Meanwhile as many replies as there are slots come together, and again when the last
            one is decoded.
        kept: What came of a burst is kept until the burst is over, and dropped while nobody
            watches.
        at_few: They also fetch FEW, to compare the cost of an instance.
        initializing: Instances of odd number are told to wait.
        settled_heap: The process begins with the heap of one that has been up for a while.

    """

    name: str
    title: str
    setup: Setup
    slots: int = SLOTS
    seconds: float = 0.3
    instances: int | None = None
    rounds: int | None = None
    contenders: tuple[str, ...] = _LIBRARY
    lag_seconds: float = 0.0
    bursts: bool = False
    kept: bool = False
    at_few: bool = False
    initializing: bool = False
    settled_heap: bool = False


def workloads(*, quick: bool) -> list[Workload]:
    """Return all of them; `quick` ones are shorter, fewer take part, and some are smaller."""
    found = [*_sizes(), *_forms(), *_lags(), *_services(quick=quick)]
    return list(map(_shortened, found)) if quick else found


def _shortened(workload: Workload) -> Workload:
    return msgspec.structs.replace(
        workload,
        seconds=workload.seconds / 4,
        lag_seconds=workload.lag_seconds / 4,
        contenders=tuple(
            name for name in workload.contenders if name in _FEW or name == "retry-loop"
        ),
    )


def _of_roles(*roles: str) -> tuple[str, ...]:
    return tuple(contender.name for contender in CONTENDERS if contender.role in roles)


def _sizes() -> Iterator[Workload]:
    everybody = _of_roles("floor", "library", "limit", "usual", "msgspec")
    with_msgspec = _of_roles("floor", "library", "limit", "msgspec")
    for contacts in (5, 200, 2_000, 10_000):
        yield Workload(
            name=str(contacts),
            title=f"replies of {contacts:,} contacts",
            setup=Setup(contacts),
            contenders=with_msgspec if contacts == 5 else everybody,  # noqa: PLR2004
        )
    yield Workload(
        name="10000-settled",
        title="replies of 10,000 contacts, in a process that has been up long",
        setup=Setup(10_000),
        contenders=with_msgspec,
        settled_heap=True,
    )


def _forms() -> Iterator[Workload]:
    """Yield what real gateways send; the floor reads none of it."""
    for contacts in (200, 10_000):
        for form in ("chunked", "gzip"):
            yield Workload(
                name=f"{contacts}-{form}",
                title=f"replies of {contacts:,} contacts{_FORMS[form]}",
                setup=Setup(contacts, form=form),
                contenders=_of_roles("library", "msgspec"),
            )


def _lags() -> Iterator[Workload]:
    """Yield those in which the loop's lag is watched; what they time is a warm-up."""
    yield Workload(
        name="lag-200",
        title="the loop's lag with replies of 200 contacts",
        setup=Setup(200),
        seconds=0.1,
        rounds=3,
        lag_seconds=0.5,
    )
    for form, title in _FORMS.items():
        yield Workload(
            name="lag-10000" if form == "plain" else f"lag-10000-{form}",
            title=f"the loop's lag with {SLOTS} replies of 10,000 contacts together{title}",
            setup=Setup(10_000, form=form),
            seconds=0.1,
            contenders=_of_roles("library", "usual") + NEAREST if form == "plain" else _LIBRARY,
            lag_seconds=0.7,
            bursts=True,
        )
    yield Workload(
        name=f"lag-{LARGEST}",
        title=f"the loop's lag with replies of {LARGEST:,} contacts, two together",
        setup=Setup(LARGEST, bodies=1),
        slots=2,
        seconds=0.1,
        lag_seconds=1.0,
        bursts=True,
        kept=True,
    )


def _services(*, quick: bool) -> Iterator[Workload]:
    """Yield what a service meets beside many replies at once."""
    yield Workload(
        name="latency",
        title=f"replies of 200 contacts, a gateway with {_LATENCY * 1000:.0f} ms of latency",
        setup=Setup(200, latency=_LATENCY),
        rounds=3,
        contenders=("floor", "wxcontacts_async", *NEAREST),
        lag_seconds=0.3,
    )
    many = 5_000 if quick else MANY
    yield Workload(
        name="many",
        title=f"{many:,} instances of 5 contacts",
        setup=Setup(5),
        instances=many,
        rounds=2,
        contenders=("wxcontacts_async",),
        at_few=True,
    )
    initialized = 250 if quick else 2_000
    yield Workload(
        name="initialization",
        title=(
            f"{initialized:,} instances of 5 contacts, half of them told to wait "
            f"{INITIALIZATION_INTERVAL:g} s twice, a gateway with "
            f"{_INITIALIZATION_LATENCY * 1000:.0f} ms of latency"
        ),
        setup=Setup(
            5,
            latency=_INITIALIZATION_LATENCY,
            initializing_calls=INITIALIZING_CALLS,
        ),
        instances=initialized,
        rounds=2,
        contenders=("wxcontacts_async", "retry-loop"),
        initializing=True,
    )
    for instances in (200, 500 if quick else 2_000):
        yield Workload(
            name=f"memory-{instances}",
            title=f"{instances:,} instances of 2,000 contacts",
            setup=Setup(2_000),
            instances=instances,
            rounds=2,
            contenders=("wxcontacts_async",),
        )
