"""One gateway's lane: who is called next, on which slot, and who waits holding nothing.

The few synchronous methods of Lane are the only ones that move an instance from one state to
another, and there is no await in them, so each sees and leaves the lane in order.
"""

import asyncio
import logging
from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from time import monotonic, perf_counter
from typing import Generic, Literal, Protocol, TypeVar

from anyio import CancelScope, Event
from anyio.abc import TaskGroup

from wxcontacts_async._typing import ContactT
from wxcontacts_async.backoff import InitializationWait, RetryPolicy
from wxcontacts_async.errors import WxContactsError
from wxcontacts_async.events import (
    Announcer,
    CallSent,
    InstanceEnded,
    InstanceWaiting,
    ReplyReceived,
    RetryScheduled,
)
from wxcontacts_async.gateway import Gateway, GatewaySession
from wxcontacts_async.instance import CallAgain, InstanceProgress
from wxcontacts_async.outcomes import Failed, Fetched
from wxcontacts_async.turnstile import DecodeTurnstile
from wxcontacts_async.wire import Initializing, Ready, Refused

_OutcomeT_contra = TypeVar("_OutcomeT_contra", contravariant=True)

_logger = logging.getLogger("wxcontacts_async")
_SHORTEST_TIMER = 0.001
_REPLY_NAMES: dict[type, Literal["ready", "initializing", "refused"]] = {
    Ready: "ready",
    Initializing: "initializing",
    Refused: "refused",
}


class Delivery:
    """An outcome on its way to its askers; the slot is free when all have taken it."""

    def __init__(self, takers: int) -> None:
        self._to_take = takers
        self._all_taken: Event | None = None

    def taken(self) -> None:
        """Say that one of the takers has taken the outcome, or will never."""
        self._to_take -= 1
        if not self._to_take and self._all_taken is not None:
            self._all_taken.set()

    async def wait(self) -> None:
        """Wait until all have taken it."""
        if self._to_take:
            self._all_taken = Event()
            await self._all_taken.wait()


class Asker(Protocol[_OutcomeT_contra]):
    """Whoever wants an instance's outcome: a caller of `fetch`, or a stream."""

    def offer(self, outcome: _OutcomeT_contra, delivery: Delivery) -> None:
        """Take note of an outcome, and call `delivery.taken` when it is taken."""

    def pool_left(self) -> None:
        """Take note that no outcome will come any more."""


class _State(Enum):
    READY = auto()  # in Lane._ready, waiting for a slot
    CALLING = auto()  # a worker sends its call; `scope` cancels it
    WAITING = auto()  # `timer` makes it ready again; it holds nothing
    ENDED = auto()  # no longer in the lane


class Place(Generic[ContactT]):
    """One instance's place in a lane, shared by all who ask for it."""

    __slots__ = ("askers", "gone", "progress", "scope", "state", "timer")

    def __init__(self, progress: InstanceProgress[ContactT]) -> None:
        self.progress = progress
        # How often each asker asked. While a call is under way there may be none: then the call
        # is being cancelled, and `gone` is set when it is gone.
        self.askers: dict[Asker[Fetched[ContactT] | Failed], int] = {}
        self.state = _State.READY
        self.scope: CancelScope | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.gone: Event | None = None


class Lane(Generic[ContactT]):
    """The instances of one gateway, its slots and its session.

    A worker is a task that holds one of the gateway's slots; it goes on to the next instance
    until none is ready. An instance that waits is a timer and nothing else.

    Arguments:
        name: The gateway's name.
        gateway: Its settings.
        initialization: How initializing instances are waited for.
        retry: How what may pass is tried again.
        turnstile: Where replies are decoded, one after another.
        announce: Told what happens.
        tasks: Where the workers run.

    """

    def __init__(
        self,
        name: str,
        gateway: Gateway,
        *,
        initialization: InitializationWait,
        retry: RetryPolicy,
        turnstile: DecodeTurnstile[Ready[ContactT] | Initializing | Refused],
        announce: Announcer,
        tasks: TaskGroup,
    ) -> None:
        self.name = name
        self._initialization = initialization
        self._retry = retry
        self._turnstile = turnstile
        self._announce = announce
        self._tasks = tasks
        self._session = GatewaySession(gateway)
        # Every place that is not ENDED, by wId: one call at a time for each.
        self._places: dict[str, Place[ContactT]] = {}
        # Those in state READY, longest ready first. While it is not empty all slots have workers.
        self._ready: OrderedDict[str, Place[ContactT]] = OrderedDict()
        self._free_slots = gateway.max_concurrency
        # The waits of instances that nobody asks for any more, so that one who asks again before
        # they are over does not call too soon.
        self._unfinished_waits: dict[str, float] = {}
        self._sweep_waits_at = 1024

    def ask(self, w_id: str, asker: Asker[Fetched[ContactT] | Failed]) -> Place[ContactT]:
        """Ask for one instance; share its place with whoever asks for it already."""
        place = self._places.get(w_id)
        if place is None:
            now = monotonic()
            progress = InstanceProgress[ContactT](
                w_id,
                self.name,
                asked_at=now,
                initialization=self._initialization,
                retry=self._retry,
            )
            place = self._places[w_id] = Place(progress)
            wait_until = self._unfinished_waits.pop(w_id, now)
            if wait_until > now:
                progress.waited = wait_until - now
                progress.not_before = wait_until
                self._wait(place)
            else:
                self._make_ready(place)
        place.askers[asker] = place.askers.get(asker, 0) + 1
        return place

    def leave(
        self,
        place: Place[ContactT],
        asker: Asker[Fetched[ContactT] | Failed],
    ) -> Event | None:
        """Ask no more. When the last one goes, so does the call.

        Returns:
            An event that is set when the call that is being cancelled is gone; None if there
            is none.

        """
        place.askers.pop(asker, None)
        if place.askers or place.state is _State.ENDED:
            return None
        if place.scope is None:
            self._end(place)
            return None
        place.scope.cancel()
        place.gone = place.gone or Event()
        return place.gone

    def abandon(self) -> None:
        """Tell all askers that the pool is left; its workers are the pool's to cancel."""
        for place in list(self._places.values()):
            askers = list(place.askers)
            place.askers.clear()
            self._end(place)
            for asker in askers:
                asker.pool_left()

    async def close(self) -> None:
        """Close the gateway's connections, once no worker runs any more."""
        await self._session.close()

    def _make_ready(self, place: Place[ContactT]) -> None:
        place.state = _State.READY
        place.timer = None
        self._ready[place.progress.w_id] = place
        if self._free_slots:
            self._free_slots -= 1
            self._tasks.start_soon(self._work_on_slot)

    def _wait(self, place: Place[ContactT]) -> None:
        place.state = _State.WAITING
        left = place.progress.not_before - monotonic()
        if left <= 0:
            self._make_ready(place)
            return
        # A loop's clock may be coarse and its timers early (uvloop counts milliseconds), so the
        # timer comes back here rather than trust it.
        loop = asyncio.get_running_loop()
        place.timer = loop.call_later(max(left, _SHORTEST_TIMER), self._wait, place)

    def _end(self, place: Place[ContactT]) -> None:
        w_id = place.progress.w_id
        place.state = _State.ENDED
        del self._places[w_id]
        self._ready.pop(w_id, None)
        if place.timer is not None:
            place.timer.cancel()
        if place.progress.not_before > monotonic():
            self._remember_wait(w_id, place.progress.not_before)

    def _remember_wait(self, w_id: str, not_before: float) -> None:
        if len(self._unfinished_waits) >= self._sweep_waits_at:
            now = monotonic()
            self._unfinished_waits = {
                other: until for other, until in self._unfinished_waits.items() if until > now
            }
            # Twice what is left, so that the sweeps cost a constant time each wait.
            self._sweep_waits_at = max(1024, 2 * len(self._unfinished_waits))
        self._unfinished_waits[w_id] = not_before

    async def _work_on_slot(self) -> None:
        """Hold one slot and call one ready instance after another until there is none."""
        while self._ready:
            _, place = self._ready.popitem(last=False)
            await self._advance(place)
        self._free_slots += 1

    async def _advance(self, place: Place[ContactT]) -> None:
        """Send one call for an instance, and do what follows from its answer."""
        place.state = _State.CALLING
        step: CallAgain | Fetched[ContactT] | Failed | None = None
        try:
            with CancelScope() as place.scope:
                step = await self._call(place.progress)
        finally:
            place.scope = None
            if place.gone is not None:
                place.gone.set()
                place.gone = None
        if place.state is _State.ENDED:  # the pool was left
            return
        if not place.askers:
            self._end(place)
        elif step is None:  # cancelled, and then somebody asked again
            self._make_ready(place)
        elif isinstance(step, CallAgain):
            self._announce_wait(place.progress, step)
            self._wait(place)
        else:
            await self._deliver(place, step)

    async def _call(
        self,
        progress: InstanceProgress[ContactT],
    ) -> CallAgain | Fetched[ContactT] | Failed:
        try:
            await self._session.pace()
            progress.calls += 1
            self._announce(CallSent(progress.w_id, self.name, progress.calls))
            sent_at = perf_counter()
            body = await self._session.call(progress.w_id)
            reply = await self._turnstile.decode(body)
        except WxContactsError as error:
            return progress.after_error(error, now=monotonic())
        except Exception as error:  # noqa: BLE001
            # A fault of this library, or of code that it was given, such as is_initializing. One
            # instance's failure is never another's.
            # Only its type is logged: its message may show what was being decoded.
            _logger.error("a call ended in an unexpected %s", type(error).__name__)  # noqa: TRY400
            unexpected = WxContactsError(f"unexpected {type(error).__name__}; see its cause")
            unexpected.__cause__ = error
            return progress.after_error(unexpected, now=monotonic())
        self._announce(
            ReplyReceived(
                progress.w_id,
                self.name,
                progress.calls,
                _REPLY_NAMES[type(reply)],
                perf_counter() - sent_at,
                len(body),
            ),
        )
        return progress.after_reply(reply, reply_bytes=len(body), now=monotonic())

    def _announce_wait(self, progress: InstanceProgress[ContactT], step: CallAgain) -> None:
        until = datetime.now(UTC) + timedelta(seconds=step.delay)
        where = (progress.w_id, self.name, progress.calls, step.delay, until)
        if step.error is None:
            self._announce(InstanceWaiting(*where))
        else:
            self._announce(RetryScheduled(*where, step.error))

    async def _deliver(
        self,
        place: Place[ContactT],
        outcome: Fetched[ContactT] | Failed,
    ) -> None:
        """Hand the outcome over and keep the slot until all have taken it.

        Cancelled, which it is only when the pool is left, it leaves it with those who have it.
        """
        self._end(place)
        self._announce(InstanceEnded(outcome))
        delivery = Delivery(sum(place.askers.values()))
        for asker, times in place.askers.items():
            for _ in range(times):
                asker.offer(outcome, delivery)
        await delivery.wait()
