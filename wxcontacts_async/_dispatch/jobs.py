"""Jobs, one an instance, and the queues in which they stand when they are ready to be called.

These are records: only the dispatcher and its slots change them.
"""

import asyncio
from asyncio import Event
from collections import OrderedDict
from contextvars import Context
from enum import Enum, auto
from time import perf_counter
from typing import Generic, Protocol

from wxcontacts_async._dispatch.progress import InstanceProgress
from wxcontacts_async._recognition import Recognition
from wxcontacts_async.contacts import ContactT
from wxcontacts_async.outcomes import Failed, Fetched

_SWEPT_FROM = 1024


class ConsumerQueue(Generic[ContactT]):
    """The jobs of one stream, or of all fetches, that are ready to be called at one gateway.

    A dispatcher serves its queues in turn, so that a long one does not hold up the others.

    Arguments:
        prefetch: How many of its calls may be under way, replies not decoded and outcomes unread,
            together; infinity is no limit.

    """

    __slots__ = ("prefetch", "ready", "unacknowledged")

    def __init__(self, prefetch: float) -> None:
        self.prefetch = prefetch
        # How many of its calls are under way, replies not decoded and outcomes unread.
        self.unacknowledged = 0
        # Jobs in state READY, longest ready first. A job stands in the queue of each consumer.
        self.ready: OrderedDict[str, Job[ContactT]] = OrderedDict()


class Consumer(Protocol[ContactT]):
    """What wants an instance's outcome: a caller of `fetch`, or a stream.

    Attributes:
        queue: Where its jobs stand when they are ready.
        recognition: What recognises replies whose contacts it need not have decoded, if anything.

    """

    queue: ConsumerQueue[ContactT]
    recognition: Recognition | None

    def deliver(self, outcome: Fetched[ContactT] | Failed) -> None:
        """Take the outcome, once for each time that it was asked for."""

    def wake_reader(self) -> None:
        """Let an idle reader of the stream decode a reply that came."""


class CancellableCall(Protocol):
    """A call of an instance that is under way."""

    def cancel(self) -> None:
        """End it; the dispatcher is told so later."""


class JobState(Enum):
    """Where an instance is on its way through a dispatcher."""

    READY = auto()  # in the queue of each consumer, waiting for a slot
    CALLING = auto()  # `call` is under way, and holds a slot
    RECEIVED = auto()  # its reply waits to be decoded
    WAITING = auto()  # `timer` makes it ready again; it holds nothing
    ENDED = auto()  # no longer in the dispatcher


# As an enumeration's own are looked up slowly, by Python 3.11, and there are some for each call.
READY, CALLING, RECEIVED, WAITING, ENDED = JobState


class Job(Generic[ContactT]):
    """One instance's job, shared by all consumers that ask for it."""

    __slots__ = (
        "blocked_before",
        "call",
        "consumers",
        "context",
        "is_observed",
        "progress",
        "released",
        "state",
        "timer",
    )

    def __init__(self, progress: InstanceProgress[ContactT]) -> None:
        self.progress = progress
        # How often each consumer asked. There may be none while CALLING, when the call is being
        # cancelled, and while RECEIVED; `released` is set when either is over.
        self.consumers: dict[Consumer[ContactT], int] = {}
        self.state = READY
        # For how long the gateway had been blocked when it became READY.
        self.blocked_before = 0.0
        # Whether an observer wanted routine events when it was asked for or its call was sent, and
        # the context of the caller that asked first, in which observers are told; None if none is.
        self.is_observed = False
        self.context: Context | None = None
        self.call: CancellableCall | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.released: Event | None = None

    @property
    def recognition(self) -> Recognition | None:
        """What recognises its reply, if just one consumer asks for it."""
        if len(self.consumers) != 1:
            return None
        (consumer,) = self.consumers
        return consumer.recognition

    def release(self) -> None:
        """Wake what waits for its call to have ended, or its reply to be decoded."""
        if self.released is not None:
            self.released.set()
            self.released = None


class Cooldowns:
    """The waits that outlive their jobs, by wId; those that are over are forgotten."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._sweep_at = _SWEPT_FROM

    def remember(self, w_id: str, until: float) -> None:
        """Remember a wait that ends at a time of `time.perf_counter`."""
        now = perf_counter()
        if until <= now:
            return
        if len(self._until) >= self._sweep_at:
            self._until = {other: end for other, end in self._until.items() if end > now}
            # Twice what is left, so that the sweeps cost a constant time each wait.
            self._sweep_at = max(_SWEPT_FROM, 2 * len(self._until))
        self._until[w_id] = until

    def take(self, w_id: str) -> float:
        """Return until when the instance must not be called, and forget it; 0 if it may be."""
        return self._until.pop(w_id, 0.0)
