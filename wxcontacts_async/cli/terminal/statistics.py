"""The statistics of a fetch, which a job counts and progress and summary show."""

from collections import Counter
from time import monotonic

from wxcontacts_async import (
    CallSent,
    ContactKind,
    ContactSet,
    Event,
    Failed,
    GatewayConnectionError,
    GatewayDown,
    GatewayHTTPError,
    GatewayTimeoutError,
    GatewayUp,
    InstanceEnded,
    InstanceWaiting,
    ReplyDecodeError,
    RetryScheduled,
    WxContactsError,
)
from wxcontacts_async.cli.runtime.running import RunResult
from wxcontacts_async.cli.runtime.signals import exit_code_of
from wxcontacts_async.contacts import merged_lists


class FetchStatistics:
    """Counts instances and contacts; an instance is counted once its lines are written.

    Arguments:
        total: How many instances there are to fetch.

    Attributes:
        fetched: How many instances are fetched and written.
        errors: How many instances failed, by kind of error.
        examples: The first instance that failed with each kind of error.
        contacts: How many contacts are written, by kind.
        rejected: How many contacts could not be decoded.
        flawed: How many contacts lack a value that could not be decoded.
        waited: Seconds that the finished instances waited, summed.
        down: The gateways that do not answer at present.
        stalled: Why the database is waited for at present; "" if it is not.

    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.fetched = 0
        self.errors: Counter[str] = Counter()
        self.examples: dict[str, Failed] = {}
        self.contacts: Counter[ContactKind] = Counter()
        self.rejected = 0
        self.flawed = 0
        self.waited = 0.0
        self.down: set[str] = set()
        self.stalled = ""
        # Why each waiting instance waits, and until when at least.
        self._waiting: dict[str, tuple[str, float]] = {}
        self._began = monotonic()
        self._ended: float | None = None

    def observe(self, event: Event) -> None:
        """Record which instances wait and which gateways are down; an observer of the pool."""
        match event:
            case InstanceWaiting(w_id=w_id, delay=delay):
                self._waiting[w_id] = ("initializing", monotonic() + delay)
            case RetryScheduled(w_id=w_id, delay=delay, error=error):
                self._waiting[w_id] = (_reason(error), monotonic() + delay)
            case CallSent(w_id=w_id):
                self._waiting.pop(w_id, None)
            case GatewayDown(gateway=gateway):
                self.down.add(gateway)
            case GatewayUp(gateway=gateway):
                self.down.discard(gateway)
            case InstanceEnded(outcome=outcome):
                self._waiting.pop(outcome.w_id, None)

    def add_fetched(self, contacts: ContactSet, waited: float) -> None:
        """Count an instance whose contacts are written, and the seconds that it waited."""
        self.fetched += 1
        self.waited += waited
        for kind, of_kind in merged_lists(contacts):
            if of_kind:
                self.contacts[kind] += len(of_kind)
        self.rejected += len(contacts.rejected)
        self.flawed += len(contacts.flawed)

    def add_failed(self, outcome: Failed) -> None:
        """Count an instance that failed."""
        kind = _kind(outcome.error)
        self.errors[kind] += 1
        self.examples.setdefault(kind, outcome)
        self.waited += outcome.waited

    def stop_clock(self) -> None:
        """Stop the clock."""
        self._ended = monotonic()

    @property
    def failed(self) -> int:
        """How many instances failed."""
        return self.errors.total()

    @property
    def missing(self) -> int:
        """How many instances are neither written nor failed."""
        return self.total - self.fetched - self.failed

    @property
    def waiting(self) -> Counter[str]:
        """How many instances wait, by reason."""
        return Counter(reason for reason, _ in self._waiting.values())

    @property
    def seconds(self) -> float:
        """Seconds from the start to the end, or to now."""
        return (self._ended or monotonic()) - self._began

    @property
    def contacts_a_second(self) -> float:
        """Contacts written a second, from the start."""
        return self.contacts.total() / max(self.seconds, 1e-6)

    @property
    def seconds_left(self) -> float | None:
        """Estimated seconds to the end; None before the first instance has ended."""
        done = self.total - self.missing
        if not done:
            return None
        longest_wait = max((until for _, until in self._waiting.values()), default=0.0)
        return max(self.seconds / done * self.missing, longest_wait - monotonic())


class FetchResult(RunResult, frozen=True):
    """How a fetch ended.

    Attributes:
        stats: Its statistics.

    """

    stats: FetchStatistics

    @property
    def exit_code(self) -> int:
        """0 if all are fetched, 1 if not, 128 and the signal's number if it was stopped."""
        if self.error is None and self.stopped_by is not None and self.stats.missing:
            return exit_code_of(self.stopped_by)
        return 1 if self.error is not None or self.stats.failed else 0


def _reason(error: WxContactsError) -> str:
    match error:
        case GatewayConnectionError():
            return "no connection"
        case GatewayTimeoutError():
            return "timed out"
        case GatewayHTTPError(status=status):
            return f"HTTP {status}"
        case ReplyDecodeError():
            return "unreadable reply"
        case _:
            return "other errors"


def _kind(error: WxContactsError) -> str:
    name = type(error).__name__
    return f"{name} {error.status}" if isinstance(error, GatewayHTTPError) else name
