"""The pace of a gateway that refuses for load: cuts, growth and spacing, with no clock."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxcontacts_async._dispatch.pace import CubicLimit, Pace

SECOND = 1.0


def pace(*, slots: int = 32, first: float = 0.5, longest: float = 30.0) -> Pace:
    return Pace(slots=slots, first_delay=first, longest_delay=longest)


def burst(made: Pace, calls: int, now: float = 10.0) -> None:
    """Send calls at once, of which the gateway refuses all but the first."""
    for _ in range(calls):
        made.sent_at.append(now)
    made.served(now)
    for under_way in range(calls - 1, 0, -1):
        made.refused(now + 0.001, sent_at=now, under_way=under_way)


def sent_within(made: Pace, begin: float, seconds: float, *, is_served: bool = True) -> list[float]:
    """Send a call whenever that is allowed; return when."""
    sent = []
    now = begin
    while now < begin + seconds:
        if made.allows(now, 0):
            made.begun(now)
            made.sent_at.append(now)
            sent.append(now)
            if is_served:
                made.served(now)
            else:
                made.refused(now + 1e-4, sent_at=now, under_way=1)
        now += 0.0005
    return sent


def test_until_a_call_is_refused_there_is_no_limit() -> None:
    made = pace()
    assert not made.is_limited
    assert made.allows(0.0, 10_000)


def test_a_refused_burst_is_one_cut() -> None:
    made = pace()
    burst(made, 32)
    assert made.is_limited
    # Half of what was sent in that second, evenly spread.
    sent = sent_within(made, 10.0, 0.5, is_served=False)
    assert 1 <= len(sent) <= 8
    assert not made.allows(sent[-1] + 1e-3, 0)


def test_calls_are_evenly_spread_and_grow_in_number_while_they_are_served() -> None:
    made = pace()
    burst(made, 32)
    first, second = (sent_within(made, 10.0 + n, SECOND) for n in range(2))
    assert 8 <= len(first) < len(second)
    gaps = [after - before for before, after in pairwise(first)]
    assert all(0.8 * before < after <= before + 0.001 for before, after in pairwise(gaps))


def test_while_none_is_served_the_gap_doubles_up_to_a_bound() -> None:
    made = pace(first=0.5)
    made.sent_at.append(0.0)
    made.refused(0.01, sent_at=0.0, under_way=1)
    sent = sent_within(made, 0.02, 40, is_served=False)
    gaps = [after - before for before, after in pairwise(sent)]
    assert gaps[:3] == pytest.approx([1, 2, 4], abs=0.01)
    assert gaps[3:] == pytest.approx([5] * len(gaps[3:]), abs=0.01)


def test_the_bound_is_the_longest_delay_where_that_is_shorter() -> None:
    made = pace(first=0.01, longest=0.1)
    made.sent_at.append(0.0)
    made.refused(0.001, sent_at=0.0, under_way=1)
    assert len(sent_within(made, 0.002, 2, is_served=False)) > 15


def test_a_refusal_now_and_then_is_no_reason_for_a_cut() -> None:
    made = pace()
    for n in range(200):
        made.sent_at.append(n * 0.001)
    made.refused(0.2, sent_at=0.199, under_way=3)
    assert not made.is_limited
    for n in range(30):  # of a thousand a second
        made.refused(0.2 + n * 0.001, sent_at=0.199, under_way=3)
    assert made.is_limited


def test_calls_under_way_are_cut_and_grow_back_until_there_is_no_limit() -> None:
    made = pace(slots=8)
    burst(made, 8)
    assert not made.allows(100.0, 8)
    assert made.allows(100.0, 1)
    for n in range(100):
        made.served(100.0 + n)
    assert made.allows(1_000.0, 7)


def test_after_a_pause_there_is_one_call_first() -> None:
    made = pace()
    made.paused()
    assert made.allows(0.0, 0)
    assert not made.allows(0.0, 1)
    made.served(0.1)
    assert made.allows(0.1, 1)
    assert not made.allows(0.1, 2)


def test_a_limit_is_lifted_in_the_end() -> None:
    made = pace()
    burst(made, 32)
    for n in range(20_000):
        made.served(11.0 + n * 0.001)
    assert not made.is_limited


numbers = st.floats(0.01, 10_000)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("cut"), numbers, st.sampled_from([0.0, 2.0])),
            st.tuples(st.just("served"), st.floats(0, 100), st.just(0.0)),
            st.tuples(st.just("slowly"), st.just(0.0), st.just(0.0)),
        ),
        max_size=30,
    ),
)
def test_a_limit_is_never_below_its_lowest_and_never_shrinks_by_itself(
    steps: list[tuple[str, float, float]],
) -> None:
    limit = CubicLimit(lowest=1.0, lifted_at=1_000.0)
    now = 0.0
    for what, amount, pause in steps:
        if what == "cut":
            before = max(amount, 1.0)
            limit.cut(amount, pause=pause)
            assert limit.at(now) <= before
        elif what == "served":
            now += amount
            if limit.is_set:
                limit.served(now)
        else:
            limit.start_slowly()
        if limit.is_set:
            later = [limit.at(now + seconds) for seconds in (0, 0.1, 1, 5, 50)]
            assert all(value >= 1.0 for value in later)
            assert all(after >= before - 1e-9 for before, after in pairwise(later))
