"""One gateway's dispatcher: which instance is called next, and what a reply leads to.

Only its methods move a job from one state to another. None of them awaits, so each sees and leaves
the dispatcher in order. The calls are sent in its slots.
"""

import asyncio
import math
from asyncio import Event
from collections import Counter
from collections.abc import Callable
from time import perf_counter
from typing import Generic

from anyio.abc import TaskGroup

from wxcontacts_async._decoding.queue import DecodeQueue
from wxcontacts_async._decoding.verdict import (
    DecodedReply,
    Unready,
)
from wxcontacts_async._dispatch.announcing import JobAnnouncer
from wxcontacts_async._dispatch.answers import Answers, Requeue, Step
from wxcontacts_async._dispatch.availability import Availability
from wxcontacts_async._dispatch.jobs import (
    CALLING,
    ENDED,
    READY,
    RECEIVED,
    WAITING,
    Consumer,
    ConsumerQueue,
    Cooldowns,
    Job,
)
from wxcontacts_async._dispatch.progress import CallAgain, InstanceProgress
from wxcontacts_async._dispatch.rotation import QueueRotation
from wxcontacts_async._dispatch.slots import SlotCall, Slots
from wxcontacts_async._http.buffers import ReceiveBuffers
from wxcontacts_async._http.reply_body import ReplyBody
from wxcontacts_async._observing import Announcer
from wxcontacts_async.contacts import ContactT
from wxcontacts_async.errors import GatewayConnectionError, own_error
from wxcontacts_async.outcomes import Failed
from wxcontacts_async.settings import Gateway, InitializationWait, RetryPolicy
from wxcontacts_async.statistics import GatewayStatistics

_SHORTEST_TIMER = 0.001
_GIVEN_UP_A_TICK = 64  # each takes some 20 microseconds


class Dispatcher(Generic[ContactT]):
    """The instances of one gateway, from when they are asked for to their outcomes.

    An instance that waits is a timer and nothing else. Calls and unread outcomes count against
    their stream's prefetch window: a stream that is not read stops, and `fetch` goes on.

    Arguments:
        name: The gateway's name.
        gateway: Its settings.
        initialization: How initializing instances are waited for.
        retry: How what may pass is tried again.
        decode_queue: Where replies wait to be decoded, one after another.
        verdict: Tells what the body of an answer says that is no success.
        announce: Told what happens.
        tasks: Where its calls are paced and connections made.
        buffers: What replies are read into.

    Attributes:
        jobs: Every job that is not ENDED, by wId: one call at a time for each.
        fetch_queue: The queue of all callers of `fetch`.

    """

    def __init__(
        self,
        name: str,
        gateway: Gateway,
        *,
        initialization: InitializationWait,
        retry: RetryPolicy,
        decode_queue: DecodeQueue[ContactT],
        verdict: Callable[[bytes, str], Unready | None],
        announce: Announcer,
        tasks: TaskGroup,
        buffers: ReceiveBuffers,
    ) -> None:
        self.name = name
        self._initialization = initialization
        self._retry = retry
        self._decode_queue = decode_queue
        self._announce: JobAnnouncer[ContactT] = JobAnnouncer(name, gateway, announce)
        self._availability = Availability(
            name,
            slots=gateway.max_concurrency,
            outage_timeout=gateway.outage_timeout,
            retry=retry,
            announce=announce,
            on_admit=self._resume,
            on_lost=self._give_up,
        )
        self.jobs: dict[str, Job[ContactT]] = {}
        # Every queue that may call is in it. While one may, every slot is taken, unless the
        # gateway is blocked or as many replies as there are slots wait to be decoded.
        self._rotation: QueueRotation[ContactT] = QueueRotation()
        self._most_undecoded = gateway.max_concurrency
        self._slots: Slots[ContactT] = Slots(self, gateway, tasks=tasks, buffers=buffers)
        self._answers: Answers[ContactT] = Answers(
            self._availability,
            outage_timeout=gateway.outage_timeout,
            under_way=lambda: self._slots.calling,
            verdict=verdict,
        )
        self._undecoded = 0
        self._giving_up = False  # whether _give_up_some is due
        # Callers of `fetch` take their outcomes at once, so they need no prefetch window.
        self.fetch_queue: ConsumerQueue[ContactT] = ConsumerQueue(math.inf)
        self._cooldowns = Cooldowns()

    def queue(self) -> ConsumerQueue[ContactT]:
        """Make a queue for one stream. It holds no more than the gateway has slots."""
        return ConsumerQueue(self._most_undecoded)

    def request(self, w_id: str, consumer: Consumer[ContactT]) -> Job[ContactT]:
        """Ask for one instance; consumers of the same instance share its job."""
        job = self.jobs.get(w_id)
        if job is not None:
            job.consumers[consumer] = job.consumers.get(consumer, 0) + 1
            if job.state is READY:
                self._join(consumer.queue, job)
            return job
        now = perf_counter()
        progress: InstanceProgress[ContactT] = InstanceProgress(
            w_id,
            self.name,
            asked_at=now,
            initialization=self._initialization,
            retry=self._retry,
        )
        job = self.jobs[w_id] = Job(progress)
        job.consumers[consumer] = 1
        if self._announce.tells_routine:
            self._announce.requested(job)
        wait_until = self._cooldowns.take(w_id)
        if wait_until > now:
            progress.resume_wait(wait_until, now=now)
            self._announce.waiting(job, CallAgain(wait_until - now))
            self._wait(job)
        else:
            self._make_ready(job)
        return job

    def withdraw(self, job: Job[ContactT], consumer: Consumer[ContactT]) -> Event | None:
        """Ask no more. When the last consumer withdraws, the call is cancelled.

        A reply that has come is decoded all the same: it may say to wait, which must be heeded.

        Returns:
            An event that is set when the cancelled call has ended, or the reply is decoded;
            None if there is neither.

        """
        if job.state is ENDED:
            return None
        job.consumers.pop(consumer, None)
        if all(other.queue is not consumer.queue for other in job.consumers):
            consumer.queue.ready.pop(job.progress.w_id, None)
        if job.consumers:
            return None
        if job.call is not None:
            job.call.cancel()
        elif job.state is not RECEIVED:
            self._end_without_outcome(job)
            return None
        job.released = job.released or Event()
        return job.released

    def limit(self, queue: ConsumerQueue[ContactT], window: float) -> None:
        """Let a stream's window be so large at most; never larger than the gateway has slots."""
        queue.prefetch = min(window, self._most_undecoded)
        self._enqueue(queue)

    def acknowledge(self, queue: ConsumerQueue[ContactT]) -> None:
        """Take note that an outcome that counted as unacknowledged by `queue` has been read."""
        queue.unacknowledged -= 1
        if queue.ready:
            self._enqueue(queue)

    def statistics(self) -> GatewayStatistics:
        """Count its jobs by state."""
        # Copied at once, as metrics are exported by other threads.
        states = Counter(job.state for job in list(self.jobs.values()))
        return GatewayStatistics(
            ready=states[READY],
            calling=states[CALLING],
            waiting=states[WAITING],
            undecoded=states[RECEIVED],
            down_for=self._availability.down_for(),
            paused_for=self._availability.paused_for(),
        )

    def abandon(self) -> None:
        """End all jobs, as the pool is left."""
        self._availability.close()
        self._slots.abandon()
        for job in list(self.jobs.values()):
            job.release()  # its call is no more, and its reply will not be decoded
            self._end_without_outcome(job)

    async def close(self) -> None:
        """Close the gateway's connections, once no task of the pool runs any more."""
        await self._slots.close()

    def _make_ready(self, job: Job[ContactT]) -> None:
        job.state = READY
        job.blocked_before = self._availability.blocked_for()
        job.timer = None
        w_id = job.progress.w_id
        queues = [consumer.queue for consumer in job.consumers]
        # In all of them before one has its turn, as that may take it out of them at once.
        for queue in queues:
            queue.ready[w_id] = job
        for queue in queues:
            self._enqueue(queue)

    def _join(self, queue: ConsumerQueue[ContactT], job: Job[ContactT]) -> None:
        queue.ready[job.progress.w_id] = job
        self._enqueue(queue)

    def _enqueue(self, queue: ConsumerQueue[ContactT]) -> None:
        if queue.ready and queue.unacknowledged < queue.prefetch:
            self._rotation.add(queue)
            self._start_call()

    def _start_call(self) -> None:
        if self._availability.is_unlimited or self._admits():
            self._slots.start()
        else:
            self._give_up()

    def next_job(self) -> tuple[ConsumerQueue[ContactT], Job[ContactT]] | None:
        """Take the job that is to be called next; None if there is none."""
        if not self._rotation.queues:
            return None
        # Callers of `fetch` may be many more than the slots; so may not be their replies.
        if self._undecoded >= self._most_undecoded:
            return None
        if not (self._availability.is_unlimited or self._admits()):
            return None
        assignment = self._take_job()
        if assignment is not None:
            _, job = assignment
            job.state = CALLING
            if not self._availability.is_unlimited:
                self._availability.call_begins(job.progress.w_id)
        return assignment

    def _take_job(self) -> tuple[ConsumerQueue[ContactT], Job[ContactT]] | None:
        """Take the next job out of its queues; None if no queue has one that may be called."""
        assignment = self._rotation.take(any_job=self._availability.is_blocked)
        if assignment is not None:
            queue, job = assignment
            queue.unacknowledged += 1
            if queue.ready and queue.unacknowledged < queue.prefetch:
                self._rotation.add(queue)
            job.progress.waited += self._availability.blocked_for() - job.blocked_before
        return assignment

    def _resume(self) -> None:
        """Begin one call a tick, as the gateway may be called again."""
        if self.jobs and self._rotation.queues and self._slots.is_free and self._admits():
            self._start_call()
            asyncio.get_running_loop().call_soon(self._resume)

    def _admits(self) -> bool:
        return self._availability.is_unlimited or self._availability.admits(self._slots.calling)

    def _give_up(self) -> None:
        """Fail the instances that wait for a lost gateway, some of them a tick."""
        if not self._giving_up and self._gives_up():
            self._giving_up = True
            asyncio.get_running_loop().call_soon(self._give_up_some)

    def _gives_up(self) -> bool:
        # Whether it still is lost is for the next call to see, or for the one under way.
        return (
            self._availability.is_lost and not self._availability.is_probed and not self._admits()
        )

    def _give_up_some(self) -> None:
        self._giving_up = False
        for _ in range(_GIVEN_UP_A_TICK):
            assignment = self._take_job() if self._gives_up() else None
            if assignment is None:
                return
            queue, job = assignment
            error = self._availability.lost_error()
            self.follow(queue, job, job.progress.give_up(error, now=perf_counter()))
        self._give_up()

    def _wait(self, job: Job[ContactT]) -> None:
        job.state = WAITING
        left = job.progress.not_before - perf_counter()
        if left <= 0:
            self._make_ready(job)
            return
        # A loop's clock may be coarse and its timers early (uvloop counts milliseconds), so the
        # timer comes back here rather than trust it.
        loop = asyncio.get_running_loop()
        job.timer = loop.call_later(max(left, _SHORTEST_TIMER), self._wait, job)

    def _end(self, job: Job[ContactT]) -> None:
        w_id = job.progress.w_id
        job.state = ENDED
        del self.jobs[w_id]
        for consumer in job.consumers:
            consumer.queue.ready.pop(w_id, None)
        if job.timer is not None:
            job.timer.cancel()
        if job.progress.not_before:
            self._cooldowns.remember(w_id, job.progress.not_before)

    def _end_without_outcome(self, job: Job[ContactT]) -> None:
        """End a job that nothing asks for any more."""
        self._end(job)
        if job.is_observed:
            self._announce.withdrawn(job)

    def sending(self, call: SlotCall[ContactT]) -> bool:
        """Take note that a call is sent; False if the gateway was blocked meanwhile."""
        job = call.job
        progress = job.progress
        if not self._availability.call_is_sent(progress.w_id, call.sent_at):
            return False
        progress.calls += 1
        job.is_observed = self._announce.tells_routine
        if job.is_observed:
            self._announce.sent(call)
        return True

    def received(self, call: SlotCall[ContactT], body: ReplyBody) -> Step[ContactT] | None:
        """Let a reply wait for its turn to be decoded; or tell what follows from a problem."""
        job = call.job
        if job.is_observed:
            error_type = None if body.is_success else str(body.status)
            self._announce.call_ended(call, error_type, body.status, sum(map(len, body.pieces)))
        if not body.is_success:
            # At once, as it may say not to send another call. It is short.
            return self._step_after_problem(job.progress, body, call.sent_at)
        self._availability.call_answered()
        job.state = RECEIVED
        self._undecoded += 1
        call.hold(body)
        self._decode_queue.add(call)
        return None

    def _step_after_problem(
        self,
        progress: InstanceProgress[ContactT],
        body: ReplyBody,
        sent_at: float,
    ) -> Step[ContactT]:
        try:
            return self._answers.after_problem(progress, body, sent_at)
        except Exception as error:  # noqa: BLE001  # a slot must not be lost for it
            return self._answers.after_failure(progress, error, sent_at)

    def call_cancelled(self, call: SlotCall[ContactT]) -> None:
        """Take note that a call was cancelled, as its last consumer withdrew."""
        self._availability.call_cancelled(call.w_id)
        if call.job.is_observed and call.sent_at:
            self._announce.call_ended(call, "cancelled")

    def after_failed_call(self, call: SlotCall[ContactT], error: Exception) -> Step[ContactT]:
        """Decide what comes after a call without an answer."""
        if call.job.is_observed:
            self._announce.call_ended(call, type(error).__name__)
        return self._answers.after_failure(call.job.progress, error, call.sent_at)

    def decoded(
        self,
        call: SlotCall[ContactT],
        reply: DecodedReply[ContactT] | Exception,
        reply_bytes: int,
    ) -> None:
        """Do what follows from a reply that has been decoded, or could not be."""
        self._undecoded -= 1
        try:
            step = self._step_after(call, reply, reply_bytes)
        except Exception as error:  # noqa: BLE001
            step = self._step_after_undecodable(call, error)
        self.follow(call.queue, call.job, step)
        if self._rotation.queues:
            self._start_call()  # one may have ended because too much was waiting to be decoded

    def _step_after(
        self,
        call: SlotCall[ContactT],
        reply: DecodedReply[ContactT] | Exception,
        reply_bytes: int,
    ) -> Step[ContactT]:
        job, sent_at = call.job, call.sent_at
        progress = job.progress
        if job.is_observed:
            self._announce.decoded(call, reply, reply_bytes)
        if isinstance(reply, GatewayConnectionError):  # it could not be inflated
            return self._answers.after_failure(progress, reply, sent_at)
        if isinstance(reply, Exception):
            return self._step_after_undecodable(call, reply)
        return self._answers.after_reply(progress, reply, sent_at=sent_at, reply_bytes=reply_bytes)

    def _step_after_undecodable(
        self,
        call: SlotCall[ContactT],
        error: Exception,
    ) -> Step[ContactT]:
        self._availability.call_served()
        return call.job.progress.after_error(own_error(error), now=perf_counter())

    def follow(
        self,
        queue: ConsumerQueue[ContactT],
        job: Job[ContactT],
        step: Step[ContactT],
    ) -> None:
        """Do what follows from a call."""
        queue.unacknowledged -= 1
        if job.released is not None:
            job.release()
        if job.state is ENDED:
            return  # the pool was left
        if not job.consumers:
            self._end_without_outcome(job)
        elif isinstance(step, Requeue):
            self._make_ready(job)
        elif isinstance(step, CallAgain):
            self._announce.waiting(job, step)
            self._wait(job)
        else:
            self._end(job)
            if job.is_observed or isinstance(step, Failed):
                self._announce.ended(job, step)
            for consumer, times in job.consumers.items():
                for _ in range(times):
                    consumer.deliver(step)
        if queue.ready:
            self._enqueue(queue)
