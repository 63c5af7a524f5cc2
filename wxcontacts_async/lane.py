"""One gateway's lane: who is called next, on which slot, and who waits holding nothing.

The few synchronous methods of Lane are the only ones that move an instance from one state to
another, and there is no await in them, so each sees and leaves the lane in order.
"""

import asyncio
from asyncio import Event
from collections import OrderedDict
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from time import monotonic, perf_counter
from typing import Generic, Literal

from anyio import CancelScope
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

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
from wxcontacts_async.places import Asker, Line, Place, State
from wxcontacts_async.turnstile import DecodeTurnstile
from wxcontacts_async.wire import Initializing, Ready, Refused

_SHORTEST_TIMER = 0.001
_REPLY_NAMES: dict[type, Literal["ready", "initializing", "refused"]] = {
    Ready: "ready",
    Initializing: "initializing",
    Refused: "refused",
}


class Lane(Generic[ContactT]):
    """The instances of one gateway, its slots and its session.

    A worker is a task that holds one of the gateway's slots; it goes on to the next instance
    until none may be called. An instance that waits is a timer and nothing else. An outcome that
    its stream has not read counts against that stream's line, not against the slots: a consumer
    that stops reading stops its own stream, and may still `fetch`.

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
        self._context = copy_context()
        # Every place that is not ENDED, by wId: one call at a time for each.
        self._places: dict[str, Place[ContactT]] = {}
        # Lines whose turn it is, in order; every line that may call is here. One that may not
        # any more is passed over. While a line here may call, every slot has its worker.
        self._turns: OrderedDict[Line[ContactT], None] = OrderedDict()
        self._slots = self._free_slots = gateway.max_concurrency
        # Workers that look once more before they end, and how many of them are needed already.
        self._lingering = 0
        self._promised = 0
        # Callers of `fetch` take their outcomes at once, so they hold none.
        self.fetches: Line[ContactT] = Line(None)
        # The waits of instances that nobody asks for any more, so that one who asks again before
        # they are over does not call too soon.
        self._unfinished_waits: dict[str, float] = {}
        self._sweep_waits_at = 1024

    def line(self) -> Line[ContactT]:
        """Make a line for one stream. It holds no more than the gateway has slots."""
        return Line(self._slots)

    def ask(self, w_id: str, asker: Asker[ContactT]) -> Place[ContactT]:
        """Ask for one instance; share its place with whoever asks for it already."""
        place = self._places.get(w_id)
        if place is not None:
            place.askers[asker] = place.askers.get(asker, 0) + 1
            if place.state is State.READY:
                self._join(asker.line, place)
            return place
        now = monotonic()
        progress: InstanceProgress[ContactT] = InstanceProgress(
            w_id,
            self.name,
            asked_at=now,
            initialization=self._initialization,
            retry=self._retry,
        )
        place = self._places[w_id] = Place(progress)
        place.askers[asker] = 1
        wait_until = self._unfinished_waits.pop(w_id, now)
        if wait_until > now:
            progress.resume_wait(wait_until, now=now)
            self._announce_wait(progress, CallAgain(wait_until - now))
            self._wait(place)
        else:
            self._make_ready(place)
        return place

    def leave(self, place: Place[ContactT], asker: Asker[ContactT]) -> Event | None:
        """Ask no more. When the last one goes, so does the call.

        Returns:
            An event that is set when the call that is being cancelled is gone; None if there
            is none.

        """
        if place.state is State.ENDED:
            return None
        place.askers.pop(asker, None)
        if all(other.line is not asker.line for other in place.askers):
            asker.line.ready.pop(place.progress.w_id, None)
        if place.askers:
            return None
        if place.scope is None:
            self._end(place)
            return None
        place.scope.cancel()
        place.gone = place.gone or Event()
        return place.gone

    def outcome_read(self, line: Line[ContactT]) -> None:
        """Take note that an outcome that counted as held by `line` has been read."""
        line.held -= 1
        self._take_turn(line)

    def abandon(self) -> None:
        """End all places, as the pool is left. Its workers are the pool's to cancel."""
        for place in list(self._places.values()):
            self._end(place)

    async def close(self) -> None:
        """Close the gateway's connections, once no worker runs any more."""
        # Shielded, as no socket may be left behind; it takes a tick or two.
        with CancelScope(shield=True):
            await self._session.close()

    def _make_ready(self, place: Place[ContactT]) -> None:
        place.state = State.READY
        place.timer = None
        for asker in place.askers:
            self._join(asker.line, place)

    def _join(self, line: Line[ContactT], place: Place[ContactT]) -> None:
        line.ready[place.progress.w_id] = place
        self._take_turn(line)

    def _take_turn(self, line: Line[ContactT]) -> None:
        if not line.may_call:
            return
        self._turns[line] = None
        if self._promised < self._lingering:
            self._promised += 1
        elif self._free_slots:
            self._free_slots -= 1
            # In the pool's context rather than that of whoever happens to ask.
            _ = self._context.run(self._tasks.start_soon, self._work_on_slot)

    def _next_place(self) -> tuple[Line[ContactT], Place[ContactT]] | None:
        """Take the next place of the next line out of all lines; None if there is none."""
        while self._turns:
            line, _ = self._turns.popitem(last=False)
            if not line.may_call:
                continue
            w_id, place = line.ready.popitem(last=False)
            for asker in place.askers:
                asker.line.ready.pop(w_id, None)
            line.held += 1
            if line.may_call:
                self._turns[line] = None
            return line, place
        return None

    def _wait(self, place: Place[ContactT]) -> None:
        place.state = State.WAITING
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
        place.state = State.ENDED
        del self._places[w_id]
        for asker in place.askers:
            asker.line.ready.pop(w_id, None)
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
        turn = self._next_place()
        while turn is not None:
            # One scope serves until it is cancelled, as entering one costs a twentieth of a call.
            with CancelScope() as scope:
                while turn is not None and not scope.cancel_called:
                    line, place = turn
                    step = await self._call_for(line, place, scope)
                    self._follow(line, place, step)
                    turn = self._next_place() or await self._linger()
            if scope.cancelled_caught:
                self._follow(line, place, None)
                turn = self._next_place()
        self._free_slots += 1

    async def _linger(self) -> tuple[Line[ContactT], Place[ContactT]] | None:
        """Look again after a tick: who just got an outcome often asks for the next at once."""
        self._lingering += 1
        try:
            await checkpoint()
        finally:
            self._lingering -= 1
            self._promised = max(0, self._promised - 1)
        return self._next_place()

    async def _call_for(
        self,
        line: Line[ContactT],
        place: Place[ContactT],
        scope: CancelScope,
    ) -> CallAgain | Fetched[ContactT] | Failed:
        """Send one call. Cancelled, by whoever asked for it last, it closes the connection."""
        place.state = State.CALLING
        place.scope = scope
        try:
            return await self._call(place.progress)
        finally:
            line.held -= 1
            place.scope = None
            if place.gone is not None:
                place.gone.set()
                place.gone = None

    def _follow(
        self,
        line: Line[ContactT],
        place: Place[ContactT],
        step: CallAgain | Fetched[ContactT] | Failed | None,
    ) -> None:
        """Do what follows from a call; None is a cancelled one."""
        if place.state is State.ENDED:
            return  # the pool was left
        if not place.askers:
            self._end(place)
        elif step is None:  # cancelled, and then somebody asked again
            self._make_ready(place)
        elif isinstance(step, CallAgain):
            self._announce_wait(place.progress, step)
            self._wait(place)
        else:
            self._end(place)
            self._announce(InstanceEnded(step))
            for asker, times in place.askers.items():
                for _ in range(times):
                    asker.offer(step)
        self._take_turn(line)

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
            # A fault of this library, or of code that it was given. One instance's failure is
            # never another's.
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
