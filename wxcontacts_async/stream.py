"""Many instances in, their outcomes out as they are ready."""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from contextlib import aclosing
from types import TracebackType
from typing import Generic, Self, TypeAlias

from anyio import CancelScope, Event, create_task_group
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from wxcontacts_async._typing import ContactT
from wxcontacts_async.errors import (
    InvalidArgumentError,
    PoolClosedError,
    UnknownGatewayError,
)
from wxcontacts_async.instance import Instance
from wxcontacts_async.lane import Delivery, Lane, Place
from wxcontacts_async.outcomes import Failed, Fetched

Instances: TypeAlias = (  # `type` needs Python 3.12
    Iterable[str | Instance] | AsyncIterable[str | Instance]
)

_INSTANCES_A_TICK = 64  # asking for one takes some microseconds


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
    ) -> None:
        self._instances = instances
        self._max_pending = max_pending
        self._lane_of = lane_of
        self._tasks: TaskGroup | None = None
        self._feeding = CancelScope()
        self._taken = 0
        # How many instances have been taken from the source and their outcomes not yet read.
        self._pending = 0
        # The places where this stream still waits for an outcome, by gateway and wId.
        self._places: dict[tuple[str, str], tuple[Lane[ContactT], Place[ContactT]]] = {}
        # Outcomes to be read. The delivery is None where the slot was given back at once.
        self._inbox: deque[tuple[Fetched[ContactT] | Failed, Delivery | None]] = deque()
        self._idle_readers = 0
        self._exhausted = False
        self._left = False
        self._error: Exception | None = None  # to be raised once the inbox is empty
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
        self._tasks.start_soon(self._feed)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._left = True
        self._feeding.cancel()
        await self._cancel_calls()
        for _, delivery in self._inbox:
            if delivery is not None:
                delivery.taken()
        self._inbox.clear()
        if self._tasks is not None:
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
        if self._tasks is None or self._left:
            msg = "the stream is not open; read it within `async with pool.stream(...)`"
            raise PoolClosedError(msg)
        while not self._inbox:
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            if self._exhausted and not self._pending:
                raise StopAsyncIteration
            await self._wait_for_news()
        outcome, delivery = self._inbox.popleft()
        self._pending -= 1
        if delivery is not None:
            delivery.taken()
        if self._room is not None:
            self._room.set()
        return outcome

    def offer(self, outcome: Fetched[ContactT] | Failed, delivery: Delivery) -> None:
        """Take note of an outcome; its slot is held until it is read. Called by the lane."""
        self._places.pop((outcome.gateway, outcome.w_id), None)
        if self._idle_readers > len(self._inbox):
            # A reader waits for it, so the slot need not wait for the reader to wake up.
            self._inbox.append((outcome, None))
            delivery.taken()
        else:
            self._inbox.append((outcome, delivery))
        self._tell_readers()

    def pool_left(self) -> None:
        """Take note that no more outcomes will come. Called by the lane."""
        self._feeding.cancel()
        self._places.clear()
        self._error = PoolClosedError("the pool was left while the stream was open")
        self._stop()

    async def _feed(self) -> None:
        """Ask for one instance of the source after the other."""
        with self._feeding:
            try:
                async with aclosing(_one_by_one(self._instances)) as instances:
                    async for instance in instances:
                        self._admit(instance)
                        await self._wait_for_room()
            except Exception as error:  # noqa: BLE001  # it is the reader's
                await self._cancel_calls()
                self._error = error
        self._stop()

    def _admit(self, instance: str | Instance) -> None:
        if not isinstance(instance, str | Instance):
            msg = f"instances must be str or Instance, not {type(instance).__name__}"
            raise InvalidArgumentError(msg)
        self._pending += 1
        try:
            lane, w_id = self._lane_of(instance)
        except (InvalidArgumentError, UnknownGatewayError) as error:
            w_id = instance if isinstance(instance, str) else instance.w_id
            self._inbox.append((Failed(w_id, "", error), None))
            self._tell_readers()
        else:
            self._places[lane.name, w_id] = (lane, lane.ask(w_id, self))

    async def _wait_for_room(self) -> None:
        self._taken += 1
        if not self._taken % _INSTANCES_A_TICK:
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

    def _tell_readers(self) -> None:
        if self._news is not None:
            self._news.set()
            self._news = None

    def _stop(self) -> None:
        self._exhausted = True
        self._tell_readers()

    async def _cancel_calls(self) -> None:
        """Ask for nothing any more, and return when the calls cancelled by that are gone."""
        events = [lane.leave(place, self) for lane, place in self._places.values()]
        self._places.clear()
        self._pending = len(self._inbox)
        # Shielded, as nothing may be left behind; a cancelled call is gone within a tick or two.
        with CancelScope(shield=True):
            for gone in events:
                if gone is not None:
                    await gone.wait()


async def _one_by_one(instances: Instances) -> AsyncGenerator[str | Instance]:
    """Iterate over either kind of iterable; an async generator is closed at the end."""
    if not isinstance(instances, AsyncIterable):
        for instance in instances:
            yield instance
        return
    try:
        async for instance in instances:
            yield instance
    finally:
        if isinstance(instances, AsyncGenerator):
            with CancelScope(shield=True):  # its own cleanup may await
                await instances.aclose()
