"""How long to wait, and when to give up: the arithmetic alone, with no clock and no I/O."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from wxcontacts_async.arguments import check_number
from wxcontacts_async.errors import InvalidArgumentError
from wxcontacts_async.messages import says_initializing, says_throttled

_LONGEST_WAIT = 365 * 86_400.0


# The settings are dataclasses rather than structs because of their keyword-only arguments.
@dataclass(frozen=True, slots=True)
class InitializationWait:
    """How an instance that answers 初始化中 is waited for.

    The API document asks to wait 5 seconds and to call again until it succeeds.

    Arguments:
        interval: Seconds between two calls, at least 0 and at most a year.
        timeout: Seconds from the first "initializing" until the instance is given up with
            InitializationTimeoutError, at least 0; None waits for ever, as the document says.
            No wait is begun that would end after it.
        is_initializing: Tells from a reply's code and message, both text, whether it means
            "initializing"; by default 初始化中 and its like in the message do.

    Raises:
        InvalidArgumentError: An argument is out of its bounds.

    """

    interval: float = 5.0
    _: KW_ONLY
    timeout: float | None = 600.0
    is_initializing: Callable[[str, str], bool] = says_initializing

    def __post_init__(self) -> None:
        check_number("interval", self.interval, at_least=0, at_most=_LONGEST_WAIT)
        check_number("timeout", self.timeout, at_least=0, optional=True)
        _check_callable("is_initializing", self.is_initializing)

    def gives_up_after(self, elapsed: float) -> bool:
        """Tell whether another wait, begun `elapsed` seconds after the first, ends too late."""
        return self.timeout is not None and elapsed + self.interval > self.timeout


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How what may pass is tried again: exponential backoff with full jitter.

    What may pass: connection errors, timeouts, cut or undecodable bodies, HTTP 429 and 5xx.
    See https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.

    Arguments:
        attempts: Calls in all, the first one included, at least 1. An "initializing" reply is
            no failure: it starts the count again.
        initial_delay: Seconds, at least 0: the most that is waited after the first failure.
            Each further failure doubles it.
        max_delay: Seconds, at least `initial_delay` and at most a year: the most that is ever
            waited, on top of what a Retry-After header asks for.
        is_throttled: Tells from a refusal's code and message, both text, whether it means that
            the instance was called too often and may be called again later.

    Raises:
        InvalidArgumentError: An argument is out of its bounds.

    """

    attempts: int = 5
    _: KW_ONLY
    initial_delay: float = 0.5
    max_delay: float = 30.0
    is_throttled: Callable[[str, str], bool] = says_throttled

    def __post_init__(self) -> None:
        check_number("attempts", self.attempts, at_least=1, whole=True)
        check_number("initial_delay", self.initial_delay, at_least=0, at_most=_LONGEST_WAIT)
        check_number(
            "max_delay",
            self.max_delay,
            at_least=self.initial_delay,
            at_most=_LONGEST_WAIT,
        )
        _check_callable("is_throttled", self.is_throttled)

    def delay(self, failures: int, *, jitter: float, retry_after: float | None = None) -> float:
        """Return the seconds to wait after so many failures in a row.

        Arguments:
            failures: Failed calls since the last reply, at least 1.
            jitter: A random number in [0, 1): the share of the full delay that is waited.
            retry_after: Seconds that the gateway asked for. They are waited in full, and the
                delay after them, so that not all come back at once.

        """
        # 2 ** 64 doublings of any delay are past any max_delay; floats overflow beyond 2 ** 1023.
        full = min(self.max_delay, self.initial_delay * 2.0 ** min(failures - 1, 64))
        return full * jitter + (retry_after or 0.0)


def _check_callable(name: str, value: object) -> None:
    if not callable(value):
        msg = f"{name} must be callable, not {value!r}"
        raise InvalidArgumentError(msg, argument=name)


def parse_retry_after(value: str | None, *, now: datetime) -> float | None:
    """Read a Retry-After header (RFC 9110, 10.2.3): whole seconds, or an HTTP date.

    Arguments:
        value: The header's value, or None.
        now: The present time, aware.

    Returns:
        Seconds from `now`, at least 0; None if there is no header or it cannot be read.

    """
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:12])
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
