"""The circuit breaker: when it opens, when it lets a probe through, when the gateway is gone."""

import pytest

from wxcontacts_async import RetryPolicy
from wxcontacts_async._dispatch.circuit_breaker import FAILURES_IN_A_ROW, Circuit, CircuitBreaker


def breaker(*, answered: bool = True, attempts: int = 5) -> CircuitBreaker:
    made = CircuitBreaker(
        outage_timeout=120.0,
        retry=RetryPolicy(attempts, initial_delay=0.5, max_delay=30.0),
    )
    if answered:
        made.answered(0.0)
    return made


def fail(
    made: CircuitBreaker,
    times: int,
    *,
    now: float = 0.0,
    w_id: str | None = None,
) -> list[bool]:
    return [made.failed(w_id or f"w{n}", probe=False, now=now, jitter=0.5) for n in range(times)]


def probe(made: CircuitBreaker, now: float) -> None:
    made.probe_sent()
    assert not made.failed("w", probe=True, now=now, jitter=0.5)


def test_it_opens_with_the_fifth_failure_in_a_row_and_says_so_once() -> None:
    made = breaker()
    assert fail(made, FAILURES_IN_A_ROW - 1) == [False] * (FAILURES_IN_A_ROW - 1)
    assert fail(made, 3) == [True, False, False]
    assert made.circuit is Circuit.OPEN


def test_an_answer_in_between_starts_the_count_again() -> None:
    made = breaker()
    fail(made, FAILURES_IN_A_ROW - 1)
    assert made.answered(1.0) is None
    fail(made, FAILURES_IN_A_ROW - 1)
    assert made.circuit is Circuit.CLOSED


def test_one_instance_that_gets_no_connection_opens_it() -> None:
    made = breaker()
    fail(made, FAILURES_IN_A_ROW, w_id="only")
    assert made.circuit is Circuit.OPEN


def test_one_instance_of_a_gateway_that_never_answered_is_left_to_its_retries() -> None:
    made = breaker(answered=False)
    assert not any(fail(made, 20, w_id="only"))
    assert fail(made, 1, w_id="another") == [True]


def test_probes_come_at_growing_and_bounded_intervals() -> None:
    made = breaker()
    fail(made, FAILURES_IN_A_ROW)
    now, intervals = 0.0, []
    for _ in range(7):
        intervals.append(made.probe_at - now)
        now = made.probe_at
        probe(made, now)
    assert intervals == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_probes_are_never_closer_than_a_fifth_of_a_second() -> None:
    made = CircuitBreaker(outage_timeout=9.0, retry=RetryPolicy(initial_delay=0, max_delay=0))
    fail(made, FAILURES_IN_A_ROW, now=3.0)
    assert made.probe_at == pytest.approx(3.2)


def test_one_probe_at_a_time() -> None:
    made = breaker()
    fail(made, FAILURES_IN_A_ROW)
    made.probe_sent()
    assert made.circuit is Circuit.HALF_OPEN
    fail(made, 3, now=1.0)  # calls that were under way before
    assert made.circuit is Circuit.HALF_OPEN


def test_a_probe_that_was_cancelled_may_be_followed_at_once() -> None:
    made = breaker()
    fail(made, FAILURES_IN_A_ROW)
    made.probe_sent()
    made.probe_given_up(7.0)
    assert (made.circuit, made.probe_at) == (Circuit.OPEN, 7.0)


def test_an_answer_ends_the_outage_and_says_how_long_it_was() -> None:
    made = breaker()
    fail(made, FAILURES_IN_A_ROW, now=10.0)
    made.probe_sent()
    assert made.answered(14.0) == 4.0
    assert made.circuit is Circuit.CLOSED
    assert made.answered(15.0) is None


def test_the_gateway_is_gone_when_the_outage_has_lasted_too_long() -> None:
    made = breaker()
    fail(made, 2, now=10.0)
    fail(made, FAILURES_IN_A_ROW, now=11.0)
    for _ in range(50):
        probe(made, 12.0)
    assert made.lost_at == 130.0
    assert made.away_for(15.0) == 5.0


def test_one_that_never_answered_is_gone_after_as_many_probes_as_there_are_attempts() -> None:
    made = breaker(answered=False, attempts=3)
    fail(made, FAILURES_IN_A_ROW, now=10.0)
    probe(made, 11.0)
    probe(made, 12.0)
    assert made.lost_at == 130.0
    probe(made, 13.0)
    assert made.lost_at == 10.0
