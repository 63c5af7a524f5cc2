"""One gateway's workers: each is a task that holds a slot, and calls one instance after another.

Which one, and what follows from its reply, is the dispatcher's to say, which awaits nothing.
"""

import asyncio
from contextvars import copy_context
from time import perf_counter
from typing import Generic, Protocol

from anyio import CancelScope
from anyio.abc import TaskGroup

from wxcontacts_async._dispatch.answers import Step
from wxcontacts_async._dispatch.jobs import ConsumerQueue, Job, JobState
from wxcontacts_async._http.reply_body import ReplyBody
from wxcontacts_async._http.session import GatewaySession
from wxcontacts_async.contacts import ContactT
from wxcontacts_async.settings import Gateway


class JobSource(Protocol[ContactT]):
    """The dispatcher, as its workers see it.

    Attributes:
        jobs: The instances that are asked for. When there are none, workers end.

    """

    jobs: dict[str, Job[ContactT]]

    def next_job(self) -> tuple[ConsumerQueue[ContactT], Job[ContactT]] | None:
        """Take the job that is to be called next; None if there is none."""

    def sending(self, queue: ConsumerQueue[ContactT], job: Job[ContactT], sent_at: float) -> bool:
        """Take note that the call is sent, unless it should not be any more."""

    def received(
        self,
        queue: ConsumerQueue[ContactT],
        job: Job[ContactT],
        body: ReplyBody,
        sent_at: float,
    ) -> None:
        """Take the reply."""

    def after_failed_call(
        self,
        job: Job[ContactT],
        error: Exception,
        sent_at: float,
    ) -> Step[ContactT]:
        """Decide what comes after a call without an answer."""

    def follow(
        self,
        queue: ConsumerQueue[ContactT],
        job: Job[ContactT],
        step: Step[ContactT],
    ) -> None:
        """Do what follows from a call without a reply."""

    def call_cancelled(self, queue: ConsumerQueue[ContactT], job: Job[ContactT]) -> None:
        """Take note that the call was cancelled."""


class Workers(Generic[ContactT]):
    """The tasks that hold a gateway's slots, and the session that they share.

    A worker starts or wakes when a job is ready, idles while there is none to call, and ends when
    there are no jobs.

    Arguments:
        source: Gives them jobs.
        gateway: Its settings; `max_concurrency` is the number of slots.
        tasks: Where they run.

    Attributes:
        calling: How many of them have an instance to call, and no answer yet.

    """

    def __init__(
        self,
        source: JobSource[ContactT],
        gateway: Gateway,
        *,
        tasks: TaskGroup,
    ) -> None:
        self._source = source
        self._session = GatewaySession(gateway)
        self._tasks = tasks
        self.calling = 0
        self._context = copy_context()
        self._free_slots = gateway.max_concurrency
        # Workers that hold a slot and have no job; each idles until its future is done.
        self._idle: list[asyncio.Future[None]] = []

    @property
    def may_start(self) -> bool:
        """Whether a worker idles or a slot is free."""
        return bool(self._idle or self._free_slots)

    def start(self) -> None:
        """Have one more worker look for a job, if there is a slot for it."""
        if self._idle:
            self._wake()
        elif self._free_slots:
            self._free_slots -= 1
            # In the pool's context rather than that of the task that asks.
            _ = self._context.run(self._tasks.start_soon, self._work)

    def end_idle(self) -> None:
        """Let idle workers end, as there are no jobs."""
        while self._idle:
            self._wake()

    async def close(self) -> None:
        """Close the connections, once no worker runs any more."""
        # Shielded, as no socket may be left behind; it takes a tick or two.
        with CancelScope(shield=True):
            await self._session.close()

    def _wake(self) -> None:
        needed = self._idle.pop()
        if not needed.done():
            needed.set_result(None)

    async def _work(self) -> None:
        """Hold one slot and call one ready instance after another until none is asked for."""
        source = self._source
        while source.jobs:
            # One scope serves until it is cancelled, as entering one costs a twentieth of a call.
            with CancelScope() as scope:
                while source.jobs and not scope.cancel_called:
                    assignment = source.next_job()
                    if assignment is None:
                        await self._until_needed()
                    else:
                        queue, job = assignment
                        await self._call(queue, job, scope)
            if scope.cancelled_caught:
                source.call_cancelled(queue, job)
        self._free_slots += 1

    async def _until_needed(self) -> None:
        """Idle, ready to be woken; starting another worker would cost more."""
        needed = asyncio.get_running_loop().create_future()
        self._idle.append(needed)
        # Cancelled only as the pool is left, when the list of idle workers does not matter.
        await needed

    async def _call(
        self,
        queue: ConsumerQueue[ContactT],
        job: Job[ContactT],
        scope: CancelScope,
    ) -> None:
        """Send one call. Cancelled, it closes the connection."""
        job.scope = scope
        self.calling += 1
        sent_at = perf_counter()
        try:
            await self._session.pace()
            sent_at = perf_counter()
            if not self._source.sending(queue, job, sent_at):
                return
            progress = job.progress
            body = await self._session.call(progress.w_id, may_resend=not progress.is_failing)
        except Exception as error:  # noqa: BLE001
            step = self._source.after_failed_call(job, error, sent_at)
        else:
            self._source.received(queue, job, body, sent_at)
            return
        finally:
            job.scope = None
            self.calling -= 1
            if job.state is not JobState.RECEIVED:
                job.release()
        self._source.follow(queue, job, step)
