"""One gateway's slots: each lets one call be under way. What a call brings goes to the dispatcher.

Which instance is called, and what follows from its reply, is the dispatcher's to say, which awaits
nothing.
"""

from collections.abc import Callable, Mapping
from contextvars import copy_context
from functools import partial
from time import perf_counter
from typing import Generic, Protocol

from aiolimiter import AsyncLimiter
from anyio import CancelScope
from anyio.abc import TaskGroup

from wxcontacts_async._decoding.verdict import DecodedReply
from wxcontacts_async._dispatch.answers import REQUEUE, Step
from wxcontacts_async._dispatch.jobs import ConsumerQueue, Job
from wxcontacts_async._http.buffers import ReceiveBuffers
from wxcontacts_async._http.calls import Transfer
from wxcontacts_async._http.client import client_of
from wxcontacts_async._http.reply_body import ReplyBody
from wxcontacts_async._recognition import Recognition
from wxcontacts_async.contacts import ContactT
from wxcontacts_async.settings import Gateway


class JobSource(Protocol[ContactT]):
    """The dispatcher, as its slots see it."""

    def next_job(self) -> tuple[ConsumerQueue[ContactT], Job[ContactT]] | None:
        """Take the job that is to be called next; None if there is none."""

    def sending(self, call: "SlotCall[ContactT]") -> bool:
        """Take note that the call is sent, unless it should not be any more."""

    def received(self, call: "SlotCall[ContactT]", body: ReplyBody) -> Step[ContactT] | None:
        """Take the reply; decide what comes after it, or let it wait to be decoded."""

    def after_failed_call(self, call: "SlotCall[ContactT]", error: Exception) -> Step[ContactT]:
        """Decide what comes after a call without an answer."""

    def follow(
        self,
        queue: ConsumerQueue[ContactT],
        job: Job[ContactT],
        step: Step[ContactT],
    ) -> None:
        """Do what follows from a call that is not to be decoded."""

    def call_cancelled(self, call: "SlotCall[ContactT]") -> None:
        """Take note that the call was cancelled."""

    def decoded(
        self,
        call: "SlotCall[ContactT]",
        reply: DecodedReply[ContactT] | Exception,
        reply_bytes: int,
    ) -> None:
        """Do what follows from a reply that has been decoded, or could not be."""


class Slots(Generic[ContactT]):
    """The slots of one gateway, and the client that sends what is called in them.

    Arguments:
        source: Gives them jobs.
        gateway: Its settings; `max_concurrency` is the number of slots.
        tasks: Where calls are paced and connections made.
        buffers: What replies are read into.

    Attributes:
        calling: How many calls are under way, those included that are being paced.
        source: Gives them jobs.
        max_reply_bytes: How large a reply may be.

    """

    def __init__(
        self,
        source: JobSource[ContactT],
        gateway: Gateway,
        *,
        tasks: TaskGroup,
        buffers: ReceiveBuffers,
    ) -> None:
        self.source = source
        self.max_reply_bytes = gateway.max_reply_bytes
        self._client = client_of(gateway, tasks=tasks, buffers=buffers)
        self._limiter = None if gateway.max_rate is None else _even_limiter(gateway.max_rate)
        self._tasks = tasks
        self._context = copy_context()
        self._slots = gateway.max_concurrency
        self._is_open = True
        # Whether the pool's tasks are being cancelled, by a scope around the pool. Whatever is
        # called would be cancelled at once, and be next again, until the pool is left.
        self._is_cancelled = False
        self.calling = 0

    @property
    def is_free(self) -> bool:
        """Whether one more call may be under way."""
        return self.calling < self._slots

    def start(self) -> None:
        """Call the instance that is next, if a slot is free for it."""
        if self.calling >= self._slots or self._is_cancelled:
            return
        assignment = self.source.next_job()
        if assignment is None:
            return
        self.calling += 1
        queue, job = assignment
        job.call = call = SlotCall(self, queue, job)
        if self._limiter is None:
            self._send(call)
        else:
            call.transfer = scope = CancelScope()
            # In the pool's context rather than that of the task that asks.
            _ = self._context.run(self._tasks.start_soon, self._pace, self._limiter, scope, call)

    async def _pace(
        self, limiter: AsyncLimiter, scope: CancelScope, call: "SlotCall[ContactT]"
    ) -> None:
        """Send a call when `max_rate` allows it. Cancelled, it has used up nothing."""
        end: Callable[[], None] = call.cancelled  # be it together with all that the pool does
        try:
            with scope:
                await limiter.acquire()
                if not scope.cancel_called:
                    end = partial(self._send, call)
        finally:
            call.transfer = None
            if self._is_open:
                end()

    def _send(self, call: "SlotCall[ContactT]") -> None:
        call.sent_at = perf_counter()
        if self.source.sending(call):
            self._client.send(call)
        else:
            self._ended(call, REQUEUE)

    def answered(self, call: "SlotCall[ContactT]", body: ReplyBody) -> None:
        """Pass on a reply, and call the next instance."""
        self._ended(call, self.source.received(call, body))

    def failed(self, call: "SlotCall[ContactT]", error: Exception) -> None:
        """Pass on what became of a call without a reply, and call the next instance."""
        self._ended(call, self.source.after_failed_call(call, error))

    def cancelled(self, call: "SlotCall[ContactT]") -> None:
        """Pass on that a call was cancelled, and call the next instance."""
        self._is_cancelled = self._is_cancelled or not call.is_cancelled
        self.source.call_cancelled(call)
        self._ended(call, REQUEUE)

    def _ended(self, call: "SlotCall[ContactT]", step: Step[ContactT] | None) -> None:
        """Free the slot of a call, have what follows from it done, and call the next instance."""
        self.calling -= 1
        call.job.call = None
        if step is not None:
            self.source.follow(call.queue, call.job, step)
        self.start()

    def abandon(self) -> None:
        """End all calls, and tell of them no more, as the pool is left."""
        self._is_open = False
        self._client.abandon()

    async def close(self) -> None:
        """Close the connections, once no task of the pool runs any more."""
        await self._client.close()


class SlotCall(Generic[ContactT]):
    """One call of an instance, which holds a slot until it has ended, and then its reply.

    Attributes:
        queue: Whose prefetch window it counts against.
        job: The instance's.
        w_id: The instance.
        may_resend: Whether its client may send it once more, uncounted.
        headers: What it is sent with beside the gateway's headers, if anything.
        sent_at: When it was sent, in seconds of `time.perf_counter`.
        is_cancelled: Whether it has been cancelled as nothing asks for the instance any more.
        transfer: What cancels it.
        pieces: Its reply, while that waits to be decoded.
        content_type: The Content-Type of that.
        content_encoding: How it is compressed.

    """

    __slots__ = (
        "_body",
        "_slots",
        "content_encoding",
        "content_type",
        "headers",
        "is_cancelled",
        "job",
        "may_resend",
        "pieces",
        "queue",
        "sent_at",
        "transfer",
        "w_id",
    )

    def __init__(
        self, slots: Slots[ContactT], queue: ConsumerQueue[ContactT], job: Job[ContactT]
    ) -> None:
        self._slots = slots
        self.queue = queue
        self.job = job
        progress = job.progress
        self.w_id = progress.w_id
        self.may_resend = not progress.is_failing
        self.headers: Mapping[str, str] | None = None
        self.sent_at = 0.0
        self.is_cancelled = False
        self.transfer: Transfer | None = None

    def cancel(self) -> None:
        """End it, as nothing asks for the instance any more; its slot is freed later."""
        self.is_cancelled = True
        if self.transfer is not None:
            self.transfer.cancel()

    def answered(self, body: ReplyBody) -> None:
        """Take the reply."""
        self._slots.answered(self, body)

    def failed(self, error: Exception) -> None:
        """Take why there is none."""
        self._slots.failed(self, error)

    def cancelled(self) -> None:
        """Take note that it has ended as it was cancelled."""
        self._slots.cancelled(self)

    # The decode queue's view of it.

    @property
    def max_bytes(self) -> int:
        """How large its reply may be."""
        return self._slots.max_reply_bytes

    @property
    def recognition(self) -> Recognition | None:
        """What recognises its reply, if anything."""
        return self.job.recognition

    def hold(self, body: ReplyBody) -> None:
        """Hold its reply until it is decoded."""
        self._body = body
        self.pieces = body.pieces
        self.content_type = body.content_type
        self.content_encoding = body.encoding

    def decoded(self, reply: DecodedReply[ContactT] | Exception, reply_bytes: int) -> None:
        """Let go of its reply, and have done what follows from it."""
        self._body.release()
        self._slots.source.decoded(self, reply, reply_bytes)

    def wake_reader(self) -> None:
        """Let an idle reader decode it."""
        for consumer in self.job.consumers:
            consumer.wake_reader()


def _even_limiter(max_rate: float) -> AsyncLimiter:
    """Make a leaky bucket that spreads calls evenly; a second's worth must not go at once.

    It holds one call, or a fiftieth of a second's worth where that is more, since timers are not
    finer than that.
    """
    burst = max(1.0, max_rate / 50)
    return AsyncLimiter(burst, burst / max_rate)
