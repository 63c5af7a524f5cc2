"""Fetches, streams, cancellations, replies and outages, in any order: what holds always, holds."""

import random
from collections.abc import Callable

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.program import Ending, Step, play
from tests.support.properties import examples
from tests.support.world import ALWAYS_READY, INSTANCES, REPLIES, SOUND_REPLIES, TROUBLED

TROUBLED_ONES = [name for name in INSTANCES if name.startswith(TROUBLED)]
SOUND_ONES = [name for name in INSTANCES if name not in {*TROUBLED_ONES, ALWAYS_READY}]


def answer(name: str, rng: random.Random) -> Step:
    replies = SOUND_REPLIES if name in SOUND_ONES else REPLIES
    return ("answer", name, rng.choice(list(replies)))


def which(rng: random.Random) -> int:
    return rng.randrange(4)


# Each step with how many there are to be of it.
STEPS: list[tuple[float, Callable[[random.Random], Step]]] = [
    (2, lambda rng: answer(rng.choice(TROUBLED_ONES + SOUND_ONES), rng)),
    (4, lambda rng: ("fetch", rng.choice(INSTANCES))),
    (1, lambda _: ("fetch_from_the_well",)),
    (2, lambda rng: ("stream", tuple(rng.choices(INSTANCES, k=rng.randint(1, 6))))),
    (2, lambda rng: ("read", which(rng), rng.randint(1, 6))),
    (1, lambda rng: ("cancel_fetch", which(rng))),
    (1, lambda rng: ("cancel_read", which(rng))),
    (0.5, lambda rng: ("leave_stream", which(rng))),
    (0.5, lambda rng: ("cancel_stream", which(rng))),
    (1, lambda rng: ("go_down", rng.choice(["listening", "closed"]))),
    (0.5, lambda _: ("come_back",)),
    (2, lambda rng: ("pass_ticks", rng.randint(1, 12))),
    (3, lambda rng: ("pass_events", rng.randint(1, 4))),
]


def program(seed: int, length: int) -> list[Step]:
    """Draw a program; a shorter one with the same seed is its beginning."""
    # By a generator of our own: Hypothesis likes a program that is much like the one before.
    rng = random.Random(seed)  # noqa: S311  # guards nothing
    weights, kinds = zip(*STEPS, strict=True)
    # Each instance has its answer first, as most programs would go well else.
    steps = [answer(name, rng) for name in TROUBLED_ONES + SOUND_ONES]
    return steps + [rng.choices(kinds, weights)[0](rng) for _ in range(length)]


programs = st.builds(program, st.integers(0, 2**32 - 1), st.integers(10, 40))


@settings(
    max_examples=examples(40),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(programs, st.sampled_from(["read on", "leave", "cancel"]))
@example(
    [
        ("answer", "troubled w0", "initializing"),
        ("fetch", "troubled w0"),
        ("pass_events", 2),
        ("cancel_fetch", 0),
        ("pass_ticks", 3),
        ("stream", ("troubled w0", "troubled w0")),
        ("pass_ticks", 9),
    ],
    "read on",
)
@example(
    [
        ("answer", "troubled w0", "silent"),
        ("answer", "troubled w1", "silent"),
        ("stream", ("troubled w0", "troubled w1", "troubled w2")),
        ("fetch", "troubled w0"),
        ("pass_events", 2),
        ("leave_stream", 0),
        ("cancel_fetch", 0),
        ("fetch", "troubled w1"),
        ("pass_ticks", 12),
    ],
    "leave",
)
@example(  # asked again in the tick in which the call is cancelled
    [
        ("answer", "troubled w0", "slow"),
        ("fetch", "troubled w0"),
        ("pass_events", 1),
        ("pass_ticks", 2),
        ("cancel_fetch", 0),
        ("fetch", "troubled w0"),
    ],
    "read on",
)
@example(  # more callers than slots
    [
        *[("answer", name, "silent") for name in TROUBLED_ONES],
        *[("fetch", name) for name in TROUBLED_ONES],
        ("pass_events", 2),
        ("pass_ticks", 12),
        ("pass_events", 1),
    ],
    "read on",
)
@example(  # a read that is cancelled as its outcome is there
    [
        ("stream", ("troubled w0", "troubled w1", "troubled w2")),
        ("read", 0, 1),
        ("pass_events", 3),
        *[("read", 0, 1), ("pass_ticks", 1), ("cancel_read", 0)] * 6,
    ],
    "read on",
)
@example(  # the port is closed, and then it listens in vain; the other gateway serves all the time
    [
        ("fetch", "troubled w0"),
        ("pass_events", 3),
        ("go_down", "closed"),
        ("stream", tuple(TROUBLED_ONES)),
        *[("fetch", name) for name in INSTANCES],
        *[("pass_events", 4), ("fetch_from_the_well",)] * 4,
        ("go_down", "listening"),
        ("cancel_fetch", 1),
        ("pass_events", 4),
    ],
    "read on",
)
@example(  # asked to pause, and away when the pause is over
    [
        ("answer", "troubled w0", "status-429 and a pause of 1"),
        *[("answer", name, "slow") for name in TROUBLED_ONES[1:]],
        ("stream", tuple(TROUBLED_ONES)),
        ("fetch", "troubled w0"),
        ("pass_events", 4),
        ("fetch_from_the_well",),
        ("cancel_fetch", 0),
        ("go_down", "closed"),
        *[("fetch", name) for name in INSTANCES],
        ("pass_events", 4),
        ("fetch_from_the_well",),
    ],
    "read on",
)
async def test_what_always_holds_holds_in_every_program(steps: list[Step], ending: Ending) -> None:
    await play(steps, ending)
