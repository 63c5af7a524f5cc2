"""Tells observers how one gateway's instances and their calls get on."""

from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Generic, Literal

from yarl import URL

from wxcontacts_async._decoding.verdict import (
    DecodedReply,
    Initializing,
    Ready,
    Recognized,
    Refused,
    Throttled,
)
from wxcontacts_async._dispatch.jobs import Job
from wxcontacts_async._dispatch.progress import CallAgain
from wxcontacts_async._dispatch.slots import SlotCall
from wxcontacts_async._observing import Announcer
from wxcontacts_async.contacts import ContactT
from wxcontacts_async.events import (
    CallEnded,
    CallSent,
    InstanceEnded,
    InstanceRequested,
    InstanceWaiting,
    InstanceWithdrawn,
    ReplyReceived,
    RetryScheduled,
)
from wxcontacts_async.outcomes import Failed, Fetched
from wxcontacts_async.settings import Gateway

_REPLY_NAMES: dict[type, Literal["ready", "initializing", "refused"]] = {
    Ready: "ready",
    Recognized: "ready",
    Initializing: "initializing",
    Refused: "refused",
    Throttled: "refused",
}


class JobAnnouncer(Generic[ContactT]):
    """Makes the events of one gateway's jobs, in the context of the caller that asked first.

    What is routine is for the dispatcher to leave out where a job is not observed.

    Arguments:
        name: The gateway's name.
        gateway: Its settings.
        announce: Told of each event.

    """

    def __init__(self, name: str, gateway: Gateway, announce: Announcer) -> None:
        self._name = name
        self._announce = announce
        url = URL(gateway.base_url)
        self._host, self._port = url.raw_host or "", url.port or 0

    @property
    def tells_routine(self) -> bool:
        """Whether an observer wants routine events."""
        return self._announce.tells_routine

    def requested(self, job: Job[ContactT]) -> None:
        """Tell that the instance is asked for, and keep the context of who asks."""
        job.is_observed, job.context = True, copy_context()
        self._announce(InstanceRequested(job.progress.w_id, self._name), job.context)

    def sent(self, call: SlotCall[ContactT]) -> None:
        """Tell that a call is about to go out, and give it the headers of what follows it."""
        job = call.job
        event = CallSent(job.progress.w_id, self._name, job.progress.calls)
        self._announce(event, job.context)
        call.headers = self._announce.headers(event, job.context)

    def call_ended(
        self,
        call: SlotCall[ContactT],
        error_type: str | None,
        status: int | None = None,
        reply_bytes: int = 0,
    ) -> None:
        """Tell that a call has its answer or failed; `error_type` is None if it did not."""
        progress = call.job.progress
        was_resent = not (call.may_resend or progress.is_failing)  # by its client, uncounted
        event = CallEnded(
            progress.w_id,
            self._name,
            progress.calls,
            perf_counter() - call.sent_at,
            status,
            reply_bytes,
            progress.resend_count + was_resent,
            error_type,
            self._host,
            self._port,
        )
        self._announce(event, call.job.context)

    def decoded(
        self,
        call: SlotCall[ContactT],
        reply: DecodedReply[ContactT] | Exception,
        reply_bytes: int,
    ) -> None:
        """Tell what a reply says."""
        progress = call.job.progress
        event = ReplyReceived(
            progress.w_id,
            self._name,
            progress.calls,
            _REPLY_NAMES.get(type(reply), "undecodable"),
            perf_counter() - call.sent_at,
            reply_bytes,
        )
        self._announce(event, call.job.context)

    def waiting(self, job: Job[ContactT], step: CallAgain) -> None:
        """Tell that the instance waits, and why."""
        progress = job.progress
        until = datetime.now(UTC) + timedelta(seconds=step.delay)
        where = (progress.w_id, self._name, progress.calls, step.delay, until)
        if step.error is None:
            self._announce(InstanceWaiting(*where), job.context)
        else:
            self._announce(RetryScheduled(*where, step.error), job.context)

    def ended(self, job: Job[ContactT], outcome: Fetched[ContactT] | Failed) -> None:
        """Tell the outcome."""
        self._announce(InstanceEnded(outcome), job.context)

    def withdrawn(self, job: Job[ContactT]) -> None:
        """Tell that there will be no outcome."""
        self._announce(InstanceWithdrawn(job.progress.w_id, self._name), job.context)
