"""Many instances in, their outcomes out as they are ready."""

import asyncio
from asyncio import Event
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from types import TracebackType
from typing import Generic, Self, TypeAlias

from anyio import CancelScope, create_task_group
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from wxcontacts_async.contacts import ContactT
from wxcontacts_async.errors import (
    InvalidArgumentError,
    PoolClosedError,
    UnknownGatewayError,
    WxContactsError,
)
from wxcontacts_async.events import Announcer, InstanceEnded
from wxcontacts_async.instance import Instance
from wxcontacts_async.lane import Lane
from wxcontacts_async.outcomes import Failed, Fetched
from wxcontacts_async.places import Place

Instances: TypeAlias = (  # `type` needs Python 3.12
    Iterable[str | Instance] | AsyncIterable[str | Instance]
)

_NOT_OPEN = "the stream is not open; read it within `async with pool.stream(...)`"
_INSTANCES_A_TICK = 64  # asking for one takes some microseconds


class _LaneAsker(Generic[ContactT]):
    """One stream in one lane: what it still waits for there."""

    def __init__(self, stream: "OutcomeStream[ContactT]", lane: Lane[ContactT]) -> None:
        self.line = lane.line()
        self._stream = stream
        self._lane = lane
        self._places: dict[str, Place[ContactT]] = {}

    def ask(self, w_id: str) -> None:
        self._places[w_id] = self._lane.ask(w_id, self)

    def offer(self, outcome: Fetched[ContactT] | Failed) -> None:
        self._places.pop(outcome.w_id, None)
        self._stream.arrived(outcome, self)

    def wake_reader(self) -> None:
        self._stream.wake_reader()

    def hold(self) -> None:
        self.line.held += 1

    def read(self) -> None:
        self._lane.outcome_read(self.line)

    def leave(self) -> list[Event]:
        """Ask for nothing any more; return what is set when cancelled calls are gone."""
        places, self._places = self._places, {}
        events = [self._lane.leave(place, self) for place in places.values()]
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
        lane_of: Callable[[str | Instance], tuple[Lane[ContactT], str]],
        decode_next: Callable[[], bool],
        announce: Announcer,
        left_with_pool: set[Callable[[], None]],
    ) -> None:
        self._instances = instances
        self._max_pending = max_pending
        self._lane_of = lane_of
        self._decode_next = decode_next
        self._announce = announce
        self._left_with_pool = left_with_pool
        self._tasks: TaskGroup | None = None
        self._feeding = CancelScope()
        self._taken = 0
        # How many instances have been taken from the source and their outcomes not yet read.
        self._pending = 0
        self._askers: dict[str, _LaneAsker[ContactT]] = {}
        # Outcomes to be read, each with the asker that it counts against; None: it counts no more.
        self._inbox: deque[tuple[Fetched[ContactT] | Failed, _LaneAsker[ContactT] | None]] = deque()
        self._idle_readers = 0
        self._exhausted = False
        self._closed_because: str | None = _NOT_OPEN
        self._error: Exception | None = None  # the source's, raised once the inbox is empty
        # Set when there is something new for the readers, or room for the feeder. None where
        # nobody waits.
        self._news: Event | None = None
        self._room: Event | None = None

    async def __aenter__(self) -> Self:
        if self._tasks is not None:
            msg = "a stream is entered once; call pool.stream again"
            raise PoolClosedError(msg)
        self._tasks = create_task_group()
        await self._tasks.__aenter__()
        self._closed_because = None
        self._left_with_pool.add(self._pool_left)
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
        self._left_with_pool.discard(self._pool_left)
        gone = self._leave_places()
        self._inbox.clear()
        self._stop(_NOT_OPEN)
        # A task of the group, since a group waits for its tasks however it is cancelled itself.
        self._tasks.start_soon(_wait_for_all, gone)
        # Not given the body's exception, which it would wrap in a group; it goes out as it is.
        await self._tasks.__aexit__(None, None, None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Fetched[ContactT] | Failed:
        """Return the next outcome. Cancelled, it leaves what has arrived to the next reader.

        Raises:
            PoolClosedError: The stream was not entered, or it or its pool was left.
            InvalidArgumentError: The source gave something that is no instance.
            Exception: Whatever the source raised, after what was under way has been cancelled.

        """
        while not self._inbox:
            if self._closed_because is not None:
                raise PoolClosedError(self._closed_because)
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            if self._exhausted and not self._pending:
                raise StopAsyncIteration
            # Whoever reads decodes what has come, its own or another's, and need not be woken then.
            if not self._decode_next():
                await self._wait_for_news()
        outcome, asker = self._inbox.popleft()
        self._pending -= 1
        if asker is not None:
            asker.read()
        if self._room is not None:
            self._room.set()
        return outcome

    def arrived(
        self,
        outcome: Fetched[ContactT] | Failed,
        asker: _LaneAsker[ContactT] | None,
    ) -> None:
        """Take note of an outcome that arrived, to be read in its turn."""
        if asker is not None:
            if self._idle_readers > len(self._inbox):
                asker = None  # as good as read, so the next call need not wait for it
            else:
                asker.hold()
        self._inbox.append((outcome, asker))
        self.wake_reader()

    def wake_reader(self) -> None:
        """Let those who wait for news look again."""
        if self._news is not None:
            self._news.set()
            self._news = None

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
                # Nobody cancelled us: it is the source's own, which awaited something cancelled.
                self._error = WxContactsError("the source of instances raised CancelledError")
            if self._error is not None:
                await _wait_for_all(self._leave_places())
        self._exhausted = True
        self.wake_reader()

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
            lane, w_id = self._lane_of(instance)
        except (InvalidArgumentError, UnknownGatewayError) as error:
            w_id = instance if isinstance(instance, str) else instance.w_id
            failed = Failed(w_id, "", error)
            self._announce(InstanceEnded(failed))
            self.arrived(failed, None)
        else:
            asker = self._askers.get(lane.name)
            if asker is None:
                asker = self._askers[lane.name] = _LaneAsker(self, lane)
            asker.ask(w_id)
        self._taken += 1
        return not self._taken % _INSTANCES_A_TICK or self._pending >= self._max_pending

    async def _wait_for_room(self) -> None:
        if self._closed_because is not None or not self._taken % _INSTANCES_A_TICK:
            await checkpoint()
        while self._pending >= self._max_pending:
            self._room = Event()
            await self._room.wait()
            self._room = None

    async def _wait_for_news(self) -> None:
        if self._news is None:
            self._news = Event()
        self._idle_readers += 1
        try:
            await self._news.wait()
        finally:
            self._idle_readers -= 1

    def _pool_left(self) -> None:
        self._stop("the pool was left while the stream was open")

    def _stop(self, because: str) -> None:
        self._closed_because = because
        self._feeding.cancel()
        self.wake_reader()

    def _leave_places(self) -> list[Event]:
        """Ask for nothing any more; return what is set when the cancelled calls are gone."""
        gone = [event for asker in self._askers.values() for event in asker.leave()]
        self._pending = len(self._inbox)
        return gone


async def _wait_for_all(events: list[Event]) -> None:
    # Shielded, as nothing may be left behind; a cancelled call is gone within a tick or two.
    with CancelScope(shield=True):
        for event in events:
            await event.wait()
