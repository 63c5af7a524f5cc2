"""One gateway's lane: who is called next, who waits holding nothing, and what a reply leads to.

The few methods of Lane are the only ones that move an instance from one state to another, and
there is no await in them, so each sees and leaves the lane in order. The calls themselves are
its workers' (workers.py).
"""

import asyncio
import random
from asyncio import Event
from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from itertools import islice
from time import perf_counter
from typing import Generic, Literal

from anyio.abc import TaskGroup

from wxcontacts_async._http.reply_body import ReplyBody
from wxcontacts_async.answers import REQUEUE, Answers, Requeue, Step
from wxcontacts_async.arenas import ArenaKeeper
from wxcontacts_async.backoff import InitializationWait, RetryPolicy
from wxcontacts_async.contacts import ContactT
from wxcontacts_async.errors import own_error
from wxcontacts_async.events import (
    Announcer,
    CallSent,
    InstanceEnded,
    InstanceWaiting,
    ReplyReceived,
    RetryScheduled,
)
from wxcontacts_async.gate import GatewayGate
from wxcontacts_async.gateway import Gateway
from wxcontacts_async.instance import CallAgain, InstanceProgress
from wxcontacts_async.joining import JoinBuffer
from wxcontacts_async.outcomes import Failed
from wxcontacts_async.places import Asker, Line, Place, ReceivedReply, State
from wxcontacts_async.turnstile import DecodeTurnstile
from wxcontacts_async.waits import UnfinishedWaits
from wxcontacts_async.wire import Initializing, Ready, Refused, ReplyDecoder, Throttled
from wxcontacts_async.workers import Workers

_SHORTEST_TIMER = 0.001
_SHARE_OF_ANY = 0.5
_GIVEN_UP_A_TICK = 64  # each takes some 20 microseconds
_REPLY_NAMES: dict[type, Literal["ready", "initializing", "refused"]] = {
    Ready: "ready",
    Initializing: "initializing",
    Refused: "refused",
    Throttled: "refused",
}


class Lane(Generic[ContactT]):
    """The instances of one gateway, from when they are asked for to their outcomes.

    An instance that waits is a timer and nothing else. An outcome that its stream has not read
    counts against that stream's line, not against the slots: a consumer that stops reading stops
    its own stream, and may still `fetch`.

    Arguments:
        name: The gateway's name.
        gateway: Its settings.
        initialization: How initializing instances are waited for.
        retry: How what may pass is tried again.
        decoder: Decodes bodies.
        arenas: Keeps the memory for what is decoded.
        turnstile: Where replies wait to be decoded, one after another.
        announce: Told what happens.
        tasks: Where its workers run.

    Attributes:
        places: Every place that is not ENDED, by wId: one call at a time for each.
        fetches: The line of all callers of `fetch`.

    """

    def __init__(
        self,
        name: str,
        gateway: Gateway,
        *,
        initialization: InitializationWait,
        retry: RetryPolicy,
        decoder: ReplyDecoder[ContactT],
        arenas: ArenaKeeper,
        turnstile: DecodeTurnstile,
        announce: Announcer,
        tasks: TaskGroup,
    ) -> None:
        self.name = name
        self._initialization = initialization
        self._retry = retry
        self._decoder = decoder
        self._arenas = arenas
        self._turnstile = turnstile
        self._announce = announce
        self._gate = GatewayGate(
            name,
            slots=gateway.max_concurrency,
            outage_timeout=gateway.outage_timeout,
            retry=retry,
            announce=announce,
            on_open=self._go_on,
            on_gone=self._give_up,
        )
        self.places: dict[str, Place[ContactT]] = {}
        # Lines whose turn it is, in order; every line that may call is here. One that may not
        # any more is passed over. While a line here may call, every slot has its worker, unless
        # the gate is shut or as many replies as there are slots wait to be decoded.
        self._turns: OrderedDict[Line[ContactT], None] = OrderedDict()
        self._slots = gateway.max_concurrency
        self._workers: Workers[ContactT] = Workers(self, gateway, tasks=tasks)
        self._answers: Answers[ContactT] = Answers(
            self._gate,
            outage_timeout=gateway.outage_timeout,
            under_way=lambda: self._workers.calling,
            verdict=decoder.verdict,
        )
        self._joiner = JoinBuffer()
        self._undecoded = 0
        self._giving_up = False  # whether _give_up_some is due
        # Callers of `fetch` take their outcomes at once, so they hold none.
        self.fetches: Line[ContactT] = Line(None)
        self._unfinished_waits = UnfinishedWaits()

    def line(self) -> Line[ContactT]:
        """Make a line for one stream. It holds no more than the gateway has slots."""
        return Line(self._slots)

    def ask(self, w_id: str, asker: Asker[ContactT]) -> Place[ContactT]:
        """Ask for one instance; share its place with whoever asks for it already."""
        place = self.places.get(w_id)
        if place is not None:
            place.askers[asker] = place.askers.get(asker, 0) + 1
            if place.state is State.READY:
                self._join(asker.line, place)
            return place
        now = perf_counter()
        progress: InstanceProgress[ContactT] = InstanceProgress(
            w_id,
            self.name,
            asked_at=now,
            initialization=self._initialization,
            retry=self._retry,
        )
        place = self.places[w_id] = Place(progress)
        place.askers[asker] = 1
        wait_until = self._unfinished_waits.take(w_id)
        if wait_until > now:
            progress.resume_wait(wait_until, now=now)
            self._announce_wait(progress, CallAgain(wait_until - now))
            self._wait(place)
        else:
            self._make_ready(place)
        return place

    def leave(self, place: Place[ContactT], asker: Asker[ContactT]) -> Event | None:
        """Ask no more. When the last one goes, so does the call.

        A reply that is there already is decoded all the same: it may say to wait, which must be
        known even if it is not wanted any more.

        Returns:
            An event that is set when the call that is being cancelled is gone, or the reply
            decoded; None if there is neither.

        """
        if place.state is State.ENDED:
            return None
        place.askers.pop(asker, None)
        if all(other.line is not asker.line for other in place.askers):
            asker.line.ready.pop(place.progress.w_id, None)
        if place.askers:
            return None
        if place.scope is not None:
            place.scope.cancel()
        elif place.state is not State.RECEIVED:
            self._end(place)
            return None
        place.gone = place.gone or Event()
        return place.gone

    def outcome_read(self, line: Line[ContactT]) -> None:
        """Take note that an outcome that counted as held by `line` has been read."""
        line.held -= 1
        self._take_turn(line)

    def abandon(self) -> None:
        """End all places, as the pool is left. Its workers are the pool's to cancel."""
        self._gate.close()
        for place in list(self.places.values()):
            if place.state is State.RECEIVED:
                place.tell_gone()  # no one will decode it
            self._end(place)

    async def close(self) -> None:
        """Close the gateway's connections, once no worker runs any more."""
        await self._workers.close()

    def _make_ready(self, place: Place[ContactT]) -> None:
        place.state = State.READY
        place.shut_before = self._gate.shut_for()
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
        self._start_worker()

    def _start_worker(self) -> None:
        if self._gate.is_wide_open or self._lets_call():
            self._workers.start()
        else:
            self._give_up()

    def next_place(self) -> tuple[Line[ContactT], Place[ContactT]] | None:
        """Take the place that is to be called next; None if there is none."""
        # Callers of `fetch` may be many more than the slots; so may not be their replies.
        if self._undecoded >= self._slots or not (self._gate.is_wide_open or self._lets_call()):
            return None
        turn = self._take_place()
        if turn is not None:
            _, place = turn
            place.state = State.CALLING
            if not self._gate.is_wide_open:
                self._gate.call_begins(place.progress.w_id)
        return turn

    def _take_place(self) -> tuple[Line[ContactT], Place[ContactT]] | None:
        """Take the next place of the next line out of all lines; None if there is none."""
        while self._turns:
            line, _ = self._turns.popitem(last=False)
            if not line.may_call:
                continue
            if self._gate.shut:
                w_id = self._probed_of(line)
                place = line.ready.pop(w_id)
            else:
                w_id, place = line.ready.popitem(last=False)
            for asker in place.askers:
                asker.line.ready.pop(w_id, None)
            line.held += 1
            if line.may_call:
                self._turns[line] = None
            place.progress.waited += self._gate.shut_for() - place.shut_before
            return line, place
        return None

    @staticmethod
    def _probed_of(line: Line[ContactT]) -> str:
        """Return the instance that has been ready longest, or any, for a call in an outage.

        Else some that alone get no answer, and stand first, would keep it from being known that
        there is no outage.
        """
        is_any = random.random() < _SHARE_OF_ANY  # noqa: S311  # guards no secret
        which = random.randrange(len(line.ready)) if is_any else 0  # noqa: S311  # nor this
        return next(islice(line.ready, which, None))

    def _go_on(self) -> None:
        """Wake one worker a tick, as the gate is open again."""
        # With no place a worker ends at once, and lines would keep their turns for ever.
        if self.places and self._turns and self._workers.may_start and self._lets_call():
            self._start_worker()
            asyncio.get_running_loop().call_soon(self._go_on)

    def _lets_call(self) -> bool:
        return self._gate.is_wide_open or self._gate.lets_call(self._workers.calling)

    def _give_up(self) -> None:
        """Fail those who wait for a gateway that is gone, some of them a tick."""
        if not self._giving_up and self._gives_up():
            self._giving_up = True
            asyncio.get_running_loop().call_soon(self._give_up_some)

    def _gives_up(self) -> bool:
        # Whether it still is gone is for the next call to see, or the one that is under way.
        return self._gate.gone and not self._gate.is_tried and not self._lets_call()

    def _give_up_some(self) -> None:
        self._giving_up = False
        for _ in range(_GIVEN_UP_A_TICK):
            turn = self._take_place() if self._gives_up() else None
            if turn is None:
                return
            line, place = turn
            error = self._gate.gone_error()
            self.follow(line, place, place.progress.give_up(error, now=perf_counter()))
        self._give_up()

    def _wait(self, place: Place[ContactT]) -> None:
        place.state = State.WAITING
        left = place.progress.not_before - perf_counter()
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
        del self.places[w_id]
        for asker in place.askers:
            asker.line.ready.pop(w_id, None)
        if place.timer is not None:
            place.timer.cancel()
        if not self.places:
            self._workers.end_idle()
        self._unfinished_waits.remember(w_id, place.progress.not_before)

    def goes_out(self, line: Line[ContactT], place: Place[ContactT], sent_at: float) -> bool:
        """Take note that a call is sent; False if the gate was shut while it was paced."""
        progress = place.progress
        if not self._gate.call_is_sent(progress.w_id, sent_at):
            self.follow(line, place, REQUEUE)
            return False
        progress.calls += 1
        place.is_told = self._announce.tells_routine
        if place.is_told:
            self._announce(CallSent(progress.w_id, self.name, progress.calls))
        return True

    def received(
        self,
        line: Line[ContactT],
        place: Place[ContactT],
        body: ReplyBody,
        sent_at: float,
    ) -> None:
        """Let a reply wait for its turn to be decoded."""
        if place.state is State.ENDED:
            return  # the pool was left
        if not body.is_success:
            # At once, as it may say not to send another call. It is short.
            self.follow(line, place, self._step_after_problem(place.progress, body, sent_at))
            return
        self._gate.call_answered()
        place.state = State.RECEIVED
        self._undecoded += 1
        self._turnstile.add(ReceivedReply(line, place, body, sent_at, self.decode))

    def _step_after_problem(
        self,
        progress: InstanceProgress[ContactT],
        body: ReplyBody,
        sent_at: float,
    ) -> Step[ContactT]:
        try:
            return self._answers.after_problem(progress, body, sent_at)
        except Exception as error:  # noqa: BLE001  # a worker must not end of it
            return self._answers.after_failure(progress, error, sent_at)

    def call_cancelled(self, line: Line[ContactT], place: Place[ContactT]) -> None:
        """Take note that a call was cancelled, as nobody asked for it any more."""
        self._gate.call_cancelled(place.progress.w_id)
        self.follow(line, place, REQUEUE)

    def after_failed_call(
        self,
        place: Place[ContactT],
        error: Exception,
        sent_at: float,
    ) -> Step[ContactT]:
        """Decide what comes after a call without an answer."""
        return self._answers.after_failure(place.progress, error, sent_at)

    def decode(self, received: ReceivedReply[ContactT]) -> None:
        """Decode a reply whose turn has come, and do what follows from it."""
        self._undecoded -= 1
        progress = received.place.progress
        try:
            step = self._step_after(received)
        except Exception as error:  # noqa: BLE001
            self._gate.call_served()
            step = progress.after_error(own_error(error), now=perf_counter())
        self.follow(received.line, received.place, step)
        if self._turns:
            self._start_worker()  # one may have ended because too much was waiting to be decoded

    def _step_after(self, received: ReceivedReply[ContactT]) -> Step[ContactT]:
        """Decode a reply, and tell what follows from it."""
        place, sent_at = received.place, received.sent_at
        progress = place.progress
        pieces = received.body.pieces
        body = self._joiner.joined(pieces) if self._decoder.keeps_no_body else b"".join(pieces)
        pieces.clear()
        self._arenas.prepare_for(len(body))
        reply = self._decoder.decode(body, received.body.content_type)
        if place.is_told:
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
        return self._answers.after_reply(progress, reply, sent_at=sent_at, reply_bytes=len(body))

    def follow(
        self,
        line: Line[ContactT],
        place: Place[ContactT],
        step: Step[ContactT],
    ) -> None:
        """Do what follows from a call."""
        line.held -= 1
        place.tell_gone()
        if place.state is State.ENDED:
            return  # the pool was left
        if not place.askers:
            self._end(place)
        elif isinstance(step, Requeue):
            self._make_ready(place)
        elif isinstance(step, CallAgain):
            self._announce_wait(place.progress, step)
            self._wait(place)
        else:
            self._end(place)
            if place.is_told or isinstance(step, Failed):
                self._announce(InstanceEnded(step))
            for asker, times in place.askers.items():
                for _ in range(times):
                    asker.offer(step)
        self._take_turn(line)

    def _announce_wait(self, progress: InstanceProgress[ContactT], step: CallAgain) -> None:
        until = datetime.now(UTC) + timedelta(seconds=step.delay)
        where = (progress.w_id, self.name, progress.calls, step.delay, until)
        if step.error is None:
            self._announce(InstanceWaiting(*where))
        else:
            self._announce(RetryScheduled(*where, step.error))
