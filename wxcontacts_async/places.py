"""An instance's place in a lane, and the lines in which it stands when it is ready to be called.

These are records: only the lane (lane.py) and its workers (workers.py) change them.
"""

import asyncio
from asyncio import Event
from collections import OrderedDict
from collections.abc import Callable
from enum import Enum, auto
from typing import Generic, Protocol

from anyio import CancelScope

from wxcontacts_async._http.reply_body import ReplyBody
from wxcontacts_async.contacts import ContactT
from wxcontacts_async.instance import InstanceProgress
from wxcontacts_async.outcomes import Failed, Fetched


class Line(Generic[ContactT]):
    """Those of a lane's instances that are ready to be called, for one stream or for all fetches.

    The lines of a lane take turns, so that one long line does not hold up the others.

    Arguments:
        limit: How many of its calls may be under way, replies not decoded and outcomes unread,
            together; None is no limit.

    """

    __slots__ = ("held", "limit", "ready")

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        # How many of its calls are under way, replies not decoded and outcomes unread.
        self.held = 0
        # Places in state READY, longest ready first. A place stands in the line of each asker.
        self.ready: OrderedDict[str, Place[ContactT]] = OrderedDict()

    @property
    def may_call(self) -> bool:
        """Whether it has somebody to call, and may."""
        return bool(self.ready) and (self.limit is None or self.held < self.limit)


class Asker(Protocol[ContactT]):
    """Whoever wants an instance's outcome: a caller of `fetch`, or a stream.

    Attributes:
        line: Where what it asks for stands when it is ready.

    """

    line: Line[ContactT]

    def offer(self, outcome: Fetched[ContactT] | Failed) -> None:
        """Take the outcome, once for each time that it was asked for."""

    def wake_reader(self) -> None:
        """Take note that a reply came, which a reader that idles may decode."""


class State(Enum):
    """Where an instance is on its way through a lane."""

    READY = auto()  # in the line of each asker, waiting for a slot
    CALLING = auto()  # a worker sends its call; `scope` cancels it
    RECEIVED = auto()  # its reply waits to be decoded
    WAITING = auto()  # `timer` makes it ready again; it holds nothing
    ENDED = auto()  # no longer in the lane


class Place(Generic[ContactT]):
    """One instance's place in a lane, shared by all who ask for it."""

    __slots__ = ("askers", "gone", "is_told", "progress", "scope", "shut_before", "state", "timer")

    def __init__(self, progress: InstanceProgress[ContactT]) -> None:
        self.progress = progress
        # How often each asker asked. There may be none while CALLING, when the call is being
        # cancelled, and while RECEIVED; `gone` is set when either is over.
        self.askers: dict[Asker[ContactT], int] = {}
        self.state = State.READY
        # For how long the gate had been shut when it became READY: since then, it waits for it.
        self.shut_before = 0.0
        # Whether anybody wanted what is routine when its call was sent.
        self.is_told = False
        self.scope: CancelScope | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.gone: Event | None = None

    def tell_gone(self) -> None:
        """Tell whoever waits for it that its call is gone, or its reply decoded."""
        if self.gone is not None:
            self.gone.set()
            self.gone = None


class ReceivedReply(Generic[ContactT]):
    """A reply that waits at the turnstile to be decoded."""

    __slots__ = ("_decode", "body", "line", "place", "sent_at")

    def __init__(
        self,
        line: Line[ContactT],
        place: Place[ContactT],
        body: ReplyBody,
        sent_at: float,
        decode: "Callable[[ReceivedReply[ContactT]], None]",
    ) -> None:
        self.line = line
        self.place = place
        self.body = body
        self.sent_at = sent_at
        self._decode = decode

    def decode(self) -> None:
        """Decode it, and do what follows from it."""
        self._decode(self)

    def wake_reader(self) -> None:
        """Tell whoever asked for it that it may be decoded."""
        for asker in self.place.askers:
            asker.wake_reader()
