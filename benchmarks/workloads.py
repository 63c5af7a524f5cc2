"""What the contenders have to do: how large the replies are, how many, and how they come."""

import msgspec

from benchmarks.server import Setup

SLOTS = 32
# The API document asks for 5 s. It is the same for all, and the longer it is, the worse for whoever
# holds a slot meanwhile.
INITIALIZATION_INTERVAL = 0.2
INITIALIZING_CALLS = 2
MANY, FEW = 100_000, 1_000


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of work.

    Attributes:
        name: How it is called in `--only`.
        title: How it is called in the report.
        setup: The server.
        seconds: How long the timed part is to last. As many instances are fetched as a contender
            gets done in that time, judged by its warm-up, so that a slow one does not take
            longer; rates are compared.
        instances: How many instances are fetched, whatever the contender.
        in_full: Only these fetch that many, the others as many as they do in `seconds`; empty is
            everybody.
        contenders: Who takes part; empty is everybody.
        lag_seconds: How long the event loop's lag is watched, apart from the timed part; 0 is
            not at all.
        bursts: Meanwhile SLOTS replies come together, and again when the last one is decoded.
        at_few: Those who fetch them in full also fetch FEW, to compare the cost of an instance.
        initializing: Instances of odd number are told to wait.
        settled_heap: The process begins with the heap of one that has been up for a while.

    """

    name: str
    title: str
    setup: Setup
    seconds: float = 1.0
    instances: int | None = None
    in_full: tuple[str, ...] = ()
    contenders: tuple[str, ...] = ()
    lag_seconds: float = 0.0
    bursts: bool = False
    at_few: bool = False
    initializing: bool = False
    settled_heap: bool = False


def workloads(*, quick: bool) -> list[Workload]:
    """Return all of them; `quick` ones are shorter, and smaller where they must be."""
    share = 0.25 if quick else 1.0
    many = 5_000 if quick else MANY
    initialized = 250 if quick else 2_000
    latency, initialization_latency = 0.05, 0.02
    few = ("floor", "wxcontacts_async", "aiohttp-bare", "aiohttp-msgspec", "wreq-msgspec")
    some = (
        few
        if quick
        else (*few, "floor-uvloop", "wxcontacts_async-uvloop", "aiohttp-json", "httpx-json")
    )
    return [
        *(
            Workload(
                name=str(contacts),
                title=f"replies of {contacts:,} contacts",
                setup=Setup(contacts),
                seconds=0.8 * share,
                lag_seconds=lag_seconds * share,
                bursts=bursts,
            )
            for contacts, lag_seconds, bursts in (
                (200, 0.8, False),
                (2_000, 0.3, False),
                (10_000, 1.0, True),
            )
        ),
        *(
            Workload(
                name=f"{contacts}-settled",
                title=f"replies of {contacts:,} contacts, in a process that has been up long",
                setup=Setup(contacts),
                seconds=0.7 * share,
                contenders=few,
                settled_heap=True,
            )
            for contacts in (2_000, 10_000)
        ),
        Workload(
            name="latency",
            title=f"replies of 200 contacts, a gateway with {latency * 1000:.0f} ms of latency",
            setup=Setup(200, latency=latency),
            seconds=0.6 * share,
            lag_seconds=0.3 * share,
            contenders=some,
        ),
        Workload(
            name="many",
            title=f"{many:,} instances of 5 contacts",
            setup=Setup(5),
            instances=many,
            in_full=("wxcontacts_async",),
            seconds=0.6 * share,
            at_few=True,
            contenders=some,
        ),
        Workload(
            name="initialization",
            title=(
                f"{initialized:,} instances of 5 contacts, half of them told to wait "
                f"{INITIALIZATION_INTERVAL:g} s twice, a gateway with "
                f"{initialization_latency * 1000:.0f} ms of latency"
            ),
            setup=Setup(
                5,
                latency=initialization_latency,
                initializing_calls=INITIALIZING_CALLS,
            ),
            instances=initialized,
            seconds=1.0,
            contenders=("wxcontacts_async", "retry-loop"),
            initializing=True,
        ),
        *(
            Workload(
                name=f"memory-{instances}",
                title=f"{instances:,} instances of 2,000 contacts",
                setup=Setup(2_000),
                instances=instances,
                contenders=("wxcontacts_async",),
            )
            for instances in (200, 500 if quick else 2_000)
        ),
    ]
