"""Many instances in, their outcomes out as they are ready."""

import asyncio
from asyncio import Event
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextvars import copy_context
from math import inf
from types import TracebackType
from typing import Generic, Self, TypeAlias

from anyio import CancelScope
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from wxcontacts_async._concurrency import Signal, enter_task_group, leave_task_group
from wxcontacts_async._dispatch.dispatcher import Dispatcher
from wxcontacts_async._dispatch.jobs import Job
from wxcontacts_async._dispatch.router import Router
from wxcontacts_async._recognition import Recognition
from wxcontacts_async.contacts import ContactT
from wxcontacts_async.errors import (
    InvalidArgumentError,
    PoolClosedError,
    UnknownGatewayError,
    WxContactsError,
)
from wxcontacts_async.events import InstanceEnded
from wxcontacts_async.instance import Instance
from wxcontacts_async.outcomes import Failed, Fetched

Instances: TypeAlias = (  # `type` needs Python 3.12
    Iterable[str | Instance] | AsyncIterable[str | Instance]
)

_NOT_OPEN = "the stream is not open; read it within `async with pool.stream(...)`"
_INSTANCES_A_TICK = 64  # asking for one takes some microseconds


class _Inbox(Generic[ContactT]):
    """Outcomes that have arrived and are not read yet.

    Attributes:
        outcomes: Each with the consumer that it counts against; None if it counts no more.
        has_news: Given when an outcome or a reply that may be decoded has come, or none will.

    """

    def __init__(self) -> None:
        self.has_news = Signal()
        self.outcomes: deque[
            tuple[Fetched[ContactT] | Failed, _StreamConsumer[ContactT] | None]
        ] = deque()
        self._idle_readers = 0

    def put(
        self,
        outcome: Fetched[ContactT] | Failed,
        consumer: "_StreamConsumer[ContactT] | None" = None,
    ) -> None:
        """Keep an outcome to be read in its turn."""
        if consumer is not None:
            if self._idle_readers > len(self.outcomes):
                consumer = None  # as good as read, so the next call need not wait for it
            else:
                consumer.hold()
        self.outcomes.append((outcome, consumer))
        self.has_news.notify()

    def take(self) -> Fetched[ContactT] | Failed:
        """Take out the outcome that has been there longest."""
        outcome, consumer = self.outcomes.popleft()
        if consumer is not None:
            consumer.read()
        return outcome

    def clear(self) -> None:
        """Let go of all."""
        self.outcomes.clear()

    async def wait(self) -> None:
        """Wait for news, as a reader that has nothing to do."""
        self._idle_readers += 1
        try:
            await self.has_news.wait()
        finally:
            self._idle_readers -= 1


class _StreamConsumer(Generic[ContactT]):
    """One stream in one dispatcher: what it still waits for there."""

    def __init__(
        self,
        inbox: _Inbox[ContactT],
        dispatcher: Dispatcher[ContactT],
        recognition: Recognition | None,
    ) -> None:
        self.queue = dispatcher.queue()
        self.recognition = recognition
        self._inbox = inbox
        self._dispatcher = dispatcher
        self._jobs: dict[str, Job[ContactT]] = {}

    def request(self, w_id: str) -> None:
        if self.recognition is not None:
            self.recognition.expect(w_id)
        self._jobs[w_id] = self._dispatcher.request(w_id, self)

    def deliver(self, outcome: Fetched[ContactT] | Failed) -> None:
        self._jobs.pop(outcome.w_id, None)
        self._inbox.put(outcome, self)

    def wake_reader(self) -> None:
        self._inbox.has_news.notify()

    def limit(self, window: float) -> None:
        self._dispatcher.limit(self.queue, window)

    def hold(self) -> None:
        self.queue.unacknowledged += 1

    def read(self) -> None:
        self._dispatcher.acknowledge(self.queue)

    def withdraw(self) -> list[Event]:
        """Ask for nothing any more; return what is set when cancelled calls are gone."""
        jobs, self._jobs = self._jobs, {}
        events = [self._dispatcher.withdraw(job, self) for job in jobs.values()]
        return [event for event in events if event is not None]


class OutcomeStream(Generic[ContactT]):
    """What `SessionPool.stream` returns: `async with` starts it, `async for` reads it.

    Several tasks may read it; each outcome goes to one of them. Reading may be cancelled and
    taken up again; no outcome is lost by that. Leaving the `async with` cancels what is under
    way and returns when it is gone.
    """

    def __init__(
        self,
        instances: Instances,
        *,
        max_pending: int,
        router: Router[ContactT],
        recognition: Recognition | None = None,
    ) -> None:
        self._recognition = recognition
        self._instances = instances
        self._max_pending = max_pending
        self._router = router
        self._tasks: TaskGroup | None = None
        self._feeding = CancelScope()
        self._taken = 0
        # How many instances have been taken from the source and their outcomes not yet read.
        self._pending = 0
        self._window = inf  # of each consumer, at most
        self._consumers: dict[str, _StreamConsumer[ContactT]] = {}
        self._inbox: _Inbox[ContactT] = _Inbox()
        self._exhausted = False
        self._closed_because: str | None = _NOT_OPEN
        self._error: Exception | None = None  # the source's, raised once the inbox is empty
        self._has_room = Signal()  # for the feeder

    async def __aenter__(self) -> Self:
        if self._tasks is not None:
            msg = "a stream is entered once; call pool.stream again"
            raise PoolClosedError(msg)
        self._tasks = await enter_task_group()
        self._closed_because = None
        self._router.add_close_callback(self._pool_left)
        self._tasks.start_soon(self._feed)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._tasks is None:
            return
        self._router.remove_close_callback(self._pool_left)
        gone = self._withdraw_all()
        self._inbox.clear()
        self._stop(_NOT_OPEN)
        # A task of the group, since a group waits for its tasks however it is cancelled itself.
        self._tasks.start_soon(_wait_for_all, gone)
        await leave_task_group(self._tasks)

    def limit(self, window: float) -> None:
        """Let no more calls be under way and outcomes unread together, of each gateway, than that.

        Arguments:
            window: A number of at least 1; there are never more than the gateway has slots.

        """
        if window != self._window:
            self._window = window
            for consumer in self._consumers.values():
                consumer.limit(window)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Fetched[ContactT] | Failed:
        """Return the next outcome. Cancelled, it leaves what has arrived to the next reader.

        Raises:
            PoolClosedError: The stream was not entered, or it or its pool was left.
            InvalidArgumentError: The source gave something that is no instance.
            Exception: Whatever the source raised, after what was under way has been cancelled.

        """
        while not self._inbox.outcomes:
            if self._closed_because is not None:
                raise PoolClosedError(self._closed_because)
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            if self._exhausted and not self._pending:
                raise StopAsyncIteration
            # A reader decodes what has come, its own or another's, and need not be woken then.
            if not self._router.decode_next():
                await self._inbox.wait()
        outcome = self._inbox.take()
        self._pending -= 1
        self._has_room.notify()
        return outcome

    async def _feed(self) -> None:
        """Ask for one instance of the source after the other."""
        with self._feeding:
            try:
                await self._ask_for_all(self._instances)
            except Exception as error:  # noqa: BLE001  # it is the reader's
                self._error = error
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                # This task was not cancelled: the source awaited something that was.
                self._error = WxContactsError("the source of instances raised CancelledError")
            if self._error is not None:
                await _wait_for_all(self._withdraw_all())
        self._exhausted = True
        self._inbox.has_news.notify()

    async def _ask_for_all(self, instances: Instances) -> None:
        if not isinstance(instances, AsyncIterable):
            for instance in instances:
                if self._admit(instance):
                    await self._wait_for_room()
            return
        try:
            async for instance in instances:
                if self._admit(instance):
                    await self._wait_for_room()
        finally:
            if isinstance(instances, AsyncGenerator):
                with CancelScope(shield=True):  # its own cleanup may await
                    await instances.aclose()

    def _admit(self, instance: str | Instance) -> bool:
        """Ask for one instance; tell whether to wait before the next."""
        if self._closed_because is not None:
            return True  # and be cancelled there
        if not isinstance(instance, str | Instance):
            msg = f"instances must be str or Instance, not {type(instance).__name__}"
            raise InvalidArgumentError(msg, argument="instances")
        self._pending += 1
        try:
            dispatcher, w_id = self._router.route(instance)
        except (InvalidArgumentError, UnknownGatewayError) as error:
            w_id = instance if isinstance(instance, str) else instance.w_id
            failed = Failed(w_id, "", error)
            self._router.announce(InstanceEnded(failed), copy_context())
            self._inbox.put(failed)
        else:
            consumer = self._consumers.get(dispatcher.name)
            if consumer is None:
                consumer = self._consumers[dispatcher.name] = _StreamConsumer(
                    self._inbox, dispatcher, self._recognition
                )
                consumer.limit(self._window)
            consumer.request(w_id)
        self._taken += 1
        return not self._taken % _INSTANCES_A_TICK or self._pending >= self._max_pending

    async def _wait_for_room(self) -> None:
        if self._closed_because is not None or not self._taken % _INSTANCES_A_TICK:
            await checkpoint()
        while self._pending >= self._max_pending:
            await self._has_room.wait()

    def _pool_left(self) -> None:
        self._stop("the pool was left while the stream was open")

    def _stop(self, because: str) -> None:
        self._closed_because = because
        self._feeding.cancel()
        self._inbox.has_news.notify()

    def _withdraw_all(self) -> list[Event]:
        """Ask for nothing any more; return what is set when the cancelled calls are gone."""
        gone = [event for consumer in self._consumers.values() for event in consumer.withdraw()]
        self._pending = len(self._inbox.outcomes)
        return gone


async def _wait_for_all(events: list[Event]) -> None:
    # Shielded, as nothing may be left behind; a cancelled call is gone within a tick or two.
    with CancelScope(shield=True):
        for event in events:
            await event.wait()
