"""Fetches, streams, cancellations, replies and outages, in any order: what holds always, holds."""

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.program import REPLIES, W_IDS, Ending, Step, play

w_ids = st.sampled_from(W_IDS)
which = st.integers(0, 3)


def step(name: str, *arguments: st.SearchStrategy[object]) -> st.SearchStrategy[Step]:
    return st.tuples(st.just(name), *arguments)


fetch = step("fetch", w_ids)
pause = step("pass_ticks", st.integers(1, 12)) | step("pass_events", st.integers(1, 4))
steps = st.one_of(
    # Those that there are to be more of stand here more than once.
    step("answer", w_ids, st.sampled_from(sorted(REPLIES))),
    step("answer", w_ids, st.sampled_from(["slow", "silent", "initializing"])),
    fetch,
    fetch,
    step("stream", st.lists(w_ids, min_size=1, max_size=6).map(tuple)),
    step("read", which, st.integers(1, 6)),
    step("cancel_fetch", which),
    step("cancel_read", which),
    step("leave_stream", which),
    step("cancel_stream", which),
    step("go_down"),
    step("come_back"),
    pause,
    pause,
)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.lists(steps, min_size=5, max_size=30), st.sampled_from(["read on", "leave", "cancel"]))
@example(
    [
        ("answer", "w0", "initializing"),
        ("fetch", "w0"),
        ("pass_events", 2),
        ("cancel_fetch", 0),
        ("pass_ticks", 3),
        ("stream", ("w0", "w0")),
        ("pass_ticks", 9),
    ],
    "read on",
)
@example(
    [
        ("answer", "w0", "silent"),
        ("answer", "w1", "silent"),
        ("stream", ("w0", "w1", "w2")),
        ("fetch", "w0"),
        ("pass_events", 2),
        ("leave_stream", 0),
        ("cancel_fetch", 0),
        ("fetch", "w1"),
        ("pass_ticks", 12),
    ],
    "leave",
)
@example(  # asked again in the tick in which the call is cancelled
    [
        ("answer", "w0", "slow"),
        ("fetch", "w0"),
        ("pass_events", 1),
        ("pass_ticks", 2),
        ("cancel_fetch", 0),
        ("fetch", "w0"),
    ],
    "read on",
)
@example(  # more callers than slots
    [
        *[("answer", w_id, "silent") for w_id in W_IDS],
        *[("fetch", w_id) for w_id in W_IDS],
        ("pass_events", 2),
        ("pass_ticks", 12),
        ("pass_events", 1),
    ],
    "read on",
)
@example(  # a read that is cancelled as its outcome is there
    [
        ("stream", ("w0", "w1", "w2")),
        ("read", 0, 1),
        ("pass_events", 3),
        *[("read", 0, 1), ("pass_ticks", 1), ("cancel_read", 0)] * 6,
    ],
    "read on",
)
async def test_what_always_holds_holds_in_every_program(steps: list[Step], ending: Ending) -> None:
    await play(steps, ending)
