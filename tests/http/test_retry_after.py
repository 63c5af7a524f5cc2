"""The arithmetic of waiting, without a clock."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxcontacts_async import InitializationWait, InvalidArgumentError, RetryPolicy
from wxcontacts_async._http.retry_after import parse_retry_after

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("failures", "full"),
    [(1, 0.5), (2, 1.0), (3, 2.0), (6, 16.0), (7, 30.0), (5000, 30.0)],
)
def test_the_full_delay_doubles_with_each_failure_up_to_the_maximum(
    failures: int,
    full: float,
) -> None:
    assert RetryPolicy().delay(failures, jitter=1.0) == full


@given(failures=st.integers(1, 10_000), jitter=st.floats(0, 1, exclude_max=True))
def test_full_jitter_waits_any_share_of_the_full_delay(failures: int, jitter: float) -> None:
    policy = RetryPolicy()
    full = policy.delay(failures, jitter=1.0)
    assert policy.delay(failures, jitter=jitter) == pytest.approx(full * jitter)


@given(
    failures=st.integers(1, 100),
    jitter=st.floats(0, 1, exclude_max=True),
    retry_after=st.floats(0, 1e6),
)
def test_a_wait_is_never_shorter_than_retry_after(
    failures: int,
    jitter: float,
    retry_after: float,
) -> None:
    assert RetryPolicy().delay(failures, jitter=jitter, retry_after=retry_after) >= retry_after


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        (" 0 ", 0.0),
        ("9" * 400, 999_999_999_999.0),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("Sun, 01 Mar 2026 12:00:30 -0000", 30.0),
        ("Sunday, 01-Mar-26 12:00:30 GMT", 30.0),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("", None),
        ("٣", None),
        ("Sun, 99 Mar 2026 12:00:30 GMT", None),
        ("Sun, 01 Mar 99999999999 12:00:30 GMT", None),
        ("Sun, 01 Mar 2026 12:00:30 +99999999999999999999", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(
    value: str | None,
    seconds: float | None,
) -> None:
    assert parse_retry_after(value, now=NOW) == seconds


@given(st.text())
def test_any_retry_after_is_seconds_or_nothing(value: str) -> None:
    seconds = parse_retry_after(value, now=NOW)
    assert seconds is None or seconds >= 0


@given(st.integers(0, 10**6))
def test_a_date_in_retry_after_means_the_seconds_until_then(seconds: int) -> None:
    date = (NOW + timedelta(seconds=seconds)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    assert parse_retry_after(date, now=NOW) == seconds


def test_no_wait_is_begun_that_would_end_after_the_timeout() -> None:
    wait = InitializationWait(5.0, timeout=12.0)
    assert [wait.gives_up_after(elapsed) for elapsed in (0.0, 5.0, 7.0, 7.1, 10.0)] == [
        False,
        False,
        False,
        True,
        True,
    ]


def test_without_a_timeout_an_initializing_instance_is_waited_for_for_ever() -> None:
    assert not InitializationWait(timeout=None).gives_up_after(1e9)


@pytest.mark.parametrize(
    "value", [-1, -0.001, float("nan"), float("inf"), "5", None, True, 1e9, 10**400]
)
def test_a_wrong_interval_is_refused_by_name(value: float) -> None:
    with pytest.raises(InvalidArgumentError, match="^interval must be a number of at least 0"):
        InitializationWait(value)


@pytest.mark.parametrize("value", [-1, float("nan"), "5", False])
def test_a_wrong_timeout_is_refused_by_name(value: float) -> None:
    with pytest.raises(InvalidArgumentError, match="^timeout must be a number.* or None"):
        InitializationWait(timeout=value)


def test_a_predicate_that_cannot_be_called_is_refused_by_name() -> None:
    with pytest.raises(InvalidArgumentError, match="^is_initializing must be callable"):
        InitializationWait(is_initializing="初始化中")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="^is_throttled must be callable"):
        RetryPolicy(is_throttled="频繁")  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [0, -1, 2.0, "3", None, True])
def test_wrong_attempts_are_refused_by_name(value: int) -> None:
    with pytest.raises(InvalidArgumentError, match="^attempts must be a whole number"):
        RetryPolicy(value)


def test_wrong_delays_are_refused_by_name() -> None:
    with pytest.raises(InvalidArgumentError, match="^initial_delay must be"):
        RetryPolicy(initial_delay=-0.1)
    with pytest.raises(InvalidArgumentError, match="^max_delay must be a number of at least 2"):
        RetryPolicy(initial_delay=2, max_delay=1)
