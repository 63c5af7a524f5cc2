"""The session pool: where callers ask, and where each instance finds its gateway's lane."""

import asyncio
from asyncio import Event
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from copy import copy
from types import TracebackType
from typing import Generic, Self, overload

from anyio import create_task_group
from anyio.abc import TaskGroup

from wxcontacts_async._http.session import check_environment
from wxcontacts_async.arenas import ArenaKeeper
from wxcontacts_async.arguments import check_number, check_w_id
from wxcontacts_async.backoff import InitializationWait, RetryPolicy
from wxcontacts_async.contacts import Contact, ContactSet, ContactT
from wxcontacts_async.errors import InvalidArgumentError, PoolClosedError, UnknownGatewayError
from wxcontacts_async.event_log import log_event, logs_routine
from wxcontacts_async.event_loop import running_loop
from wxcontacts_async.events import Announcer, Observer
from wxcontacts_async.gateway import Gateway
from wxcontacts_async.instance import Instance
from wxcontacts_async.lane import Lane
from wxcontacts_async.outcomes import Failed, Fetched, FetchReport
from wxcontacts_async.places import Line
from wxcontacts_async.stream import Instances, OutcomeStream
from wxcontacts_async.turnstile import DecodeTurnstile
from wxcontacts_async.wire import ReplyDecoder


class SessionPool(Generic[ContactT]):
    """Fetches the contacts of many instances from one or more gateways.

    Enter it with `async with`, in asyncio's event loop, and leave it in the same task; any number
    of tasks of that loop may share it. Leaving it cancels what is under way: those who wait get
    PoolClosedError. In another kind of event loop, such as trio's, it is a WxContactsError.

    However many ask for one instance at a time, it is called once, and never sooner than it was
    told to wait.

    Arguments:
        gateways: A base URL or a Gateway, or a mapping of names to these.
        initialization: How initializing instances are waited for.
        retry: How what may pass is tried again.
        contact_type: `Contact`, or a subclass of it with more fields.
        observers: Callables that are told what happens, one event of `events` at a time. They
            run in the event loop, so they must be quick.

    Raises:
        InvalidArgumentError: An argument cannot be used.

    """

    @overload
    def __init__(
        self: "SessionPool[Contact]",
        gateways: str | Gateway | Mapping[str, str | Gateway],
        *,
        initialization: InitializationWait = ...,
        retry: RetryPolicy = ...,
        observers: Iterable[Observer] = ...,
    ) -> None: ...

    @overload
    def __init__(
        self,
        gateways: str | Gateway | Mapping[str, str | Gateway],
        *,
        initialization: InitializationWait = ...,
        retry: RetryPolicy = ...,
        contact_type: type[ContactT],
        observers: Iterable[Observer] = ...,
    ) -> None: ...

    def __init__(
        self,
        gateways: str | Gateway | Mapping[str, str | Gateway],
        *,
        initialization: InitializationWait = InitializationWait(),  # noqa: B008  # it is frozen
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008  # it is frozen
        contact_type: type[ContactT] = Contact,  # type: ignore[assignment]  # see the overloads
        observers: Iterable[Observer] = (),
    ) -> None:
        self._gateways = _named_gateways(gateways)
        if not isinstance(initialization, InitializationWait):
            msg = f"initialization must be an InitializationWait, not {initialization!r}"
            raise InvalidArgumentError(msg, argument="initialization")
        if not isinstance(retry, RetryPolicy):
            msg = f"retry must be a RetryPolicy, not {retry!r}"
            raise InvalidArgumentError(msg, argument="retry")
        if not (isinstance(contact_type, type) and issubclass(contact_type, Contact)):
            msg = f"contact_type must be Contact or a subclass of it, not {contact_type!r}"
            raise InvalidArgumentError(msg, argument="contact_type")
        self._initialization = initialization
        self._retry = retry
        self._decoder = ReplyDecoder(
            contact_type, initialization.is_initializing, retry.is_throttled
        )
        self._announce = Announcer(observers, log=log_event, logs_routine=logs_routine)
        self._turnstile = DecodeTurnstile()
        # Empty unless the pool is open.
        self._lanes: dict[str, Lane[ContactT]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: TaskGroup | None = None
        # Those who wait for something, to be told when the pool is left.
        self._left_with_pool: set[Callable[[], None]] = set()

    async def __aenter__(self) -> Self:
        if self._tasks is not None:
            msg = "a pool is entered once; make a new SessionPool"
            raise PoolClosedError(msg)
        loop = running_loop("a SessionPool")
        for gateway in self._gateways.values():
            check_environment(gateway)  # before anything is begun that would have to be ended
        self._loop = loop
        self._tasks = create_task_group()
        await self._tasks.__aenter__()
        arenas = ArenaKeeper()
        self._lanes = {
            name: Lane(
                name,
                gateway,
                initialization=self._initialization,
                retry=self._retry,
                decoder=self._decoder,
                arenas=arenas,
                turnstile=self._turnstile,
                announce=self._announce,
                tasks=self._tasks,
            )
            for name, gateway in self._gateways.items()
        }
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._tasks is None:
            return
        lanes, self._lanes = self._lanes, {}
        for lane in lanes.values():
            lane.abandon()
        self._turnstile.clear()
        for tell in list(self._left_with_pool):
            tell()
        self._tasks.cancel_scope.cancel()
        try:
            # Not given the body's exception, which it would wrap in a group; it goes out as it is.
            await self._tasks.__aexit__(None, None, None)
        finally:
            # In tasks of a group, which waits for them however it is cancelled itself.
            async with create_task_group() as closing:
                for lane in lanes.values():
                    closing.start_soon(lane.close)

    async def fetch(self, instance: str | Instance) -> ContactSet[ContactT]:
        """Fetch the contacts of one instance, waiting while it is initializing.

        Cancelled, it cancels the call, unless others wait for the same instance.

        Arguments:
            instance: A wId, or an Instance where the pool has several gateways.

        Raises:
            WxContactsError: Whatever kept the contacts from coming; see `errors`.
            InvalidArgumentError: `instance` is no wId and no Instance.
            UnknownGatewayError: The pool does not know which gateway is meant.
            PoolClosedError: The pool is not open, or was left meanwhile.

        """
        lane, w_id = self._lane_of(instance)
        caller = _FetchCaller(lane.fetches)
        self._left_with_pool.add(caller.answered.set)
        place = lane.ask(w_id, caller)
        try:
            await caller.answered.wait()
        finally:
            lane.leave(place, caller)
            self._left_with_pool.discard(caller.answered.set)
        match caller.outcome:
            case Fetched(contacts=contacts):
                return contacts
            case Failed(error=error):
                # A copy, as one error may go to several callers, each with a traceback of its own.
                raise copy(error) from error.__cause__
            case None:
                msg = "the pool was left before the instance had its outcome"
                raise PoolClosedError(msg).located(w_id=w_id, gateway=lane.name, calls=0)

    def stream(
        self,
        instances: Instances,
        *,
        max_pending: int = 10_000,
    ) -> OutcomeStream[ContactT]:
        """Fetch the contacts of many instances; give each outcome as soon as it is ready.

        An instance that cannot be asked for (a blank wId, an unknown gateway) fails like any
        other. The same wId twice gives two outcomes.

        Arguments:
            instances: wIds or Instances, any iterable or async iterable, read lazily; it may be
                endless. An async generator is closed when the stream is left.
            max_pending: At most that many are taken from `instances` whose outcome has not been
                read, at least 1. It bounds how many can wait at a time.

        Returns:
            What to enter with `async with` and to read with `async for`.

        Raises:
            InvalidArgumentError: `instances` cannot be iterated over, or is one str.
            PoolClosedError: The pool is not open.

        """
        if isinstance(instances, str | bytes | Instance) or not isinstance(
            instances,
            Iterable | AsyncIterable,
        ):
            msg = f"instances must be an iterable of wIds, not one {type(instances).__name__}"
            raise InvalidArgumentError(msg, argument="instances")
        check_number("max_pending", max_pending, at_least=1, whole=True)
        self._check_open()
        return OutcomeStream(
            instances,
            max_pending=max_pending,
            lane_of=self._lane_of,
            decode_next=self._turnstile.decode_next,
            announce=self._announce,
            left_with_pool=self._left_with_pool,
        )

    async def fetch_all(self, instances: Instances) -> FetchReport[ContactT]:
        """Fetch the contacts of many instances and return when the last one has ended.

        All contact sets are in memory together; `stream` has them one by one.

        Arguments:
            instances: wIds or Instances, any iterable or async iterable that ends.

        Raises:
            InvalidArgumentError: `instances` cannot be iterated over, or is one str.
            PoolClosedError: The pool is not open, or was left meanwhile.

        """
        async with self.stream(instances) as outcomes:
            return FetchReport(tuple([outcome async for outcome in outcomes]))

    def _check_open(self) -> None:
        if not self._lanes:
            msg = "the pool is not open; use it within `async with SessionPool(...) as pool`"
            raise PoolClosedError(msg)
        if running_loop("a SessionPool") is not self._loop:
            msg = "the pool was entered in another event loop; make one for each loop"
            raise PoolClosedError(msg)

    def _lane_of(self, instance: str | Instance) -> tuple[Lane[ContactT], str]:
        """Find the lane of an instance's gateway, and its checked wId."""
        self._check_open()
        if isinstance(instance, Instance):
            w_id, name = instance.w_id, instance.gateway
        else:
            check_w_id(instance)
            w_id, name = instance, None
        if name is None and len(self._lanes) == 1:
            (lane,) = self._lanes.values()
            return lane, w_id
        if name in self._lanes:
            return self._lanes[name], w_id
        known = ", ".join(repr(known) for known in self._lanes)
        asked = "no gateway is named" if name is None else f"no gateway is called {name!r}"
        what = f"{asked}; name one of {known} with Instance(w_id, gateway=...)"
        error = UnknownGatewayError(what)
        error.w_id = w_id
        raise error


class _FetchCaller(Generic[ContactT]):
    """One caller of `fetch`."""

    def __init__(self, line: Line[ContactT]) -> None:
        self.line = line
        self.answered = Event()
        self.outcome: Fetched[ContactT] | Failed | None = None

    def offer(self, outcome: Fetched[ContactT] | Failed) -> None:
        self.outcome = outcome
        self.answered.set()

    def wake_reader(self) -> None:
        """Do nothing: a caller decodes nothing, it is woken with the outcome."""


def _named_gateways(gateways: object) -> dict[str, Gateway]:
    """Name each gateway; a single one is called by its URL."""
    if isinstance(gateways, str):
        gateways = Gateway(gateways)
    if isinstance(gateways, Gateway):
        return {gateways.base_url: gateways}
    if not isinstance(gateways, Mapping) or not gateways:
        msg = "gateways must be a base URL, a Gateway, or a mapping of names to these, at least one"
        raise InvalidArgumentError(msg, argument="gateways")
    named = {}
    for name, gateway in gateways.items():
        if not isinstance(name, str) or not name:
            msg = f"gateways must have names of type str, which {name!r} is not"
            raise InvalidArgumentError(msg, argument="gateways")
        if not isinstance(gateway, str | Gateway):
            kind = type(gateway).__name__  # not itself, which may hold headers
            msg = f"gateways[{name!r}] must be a base URL or a Gateway, not {kind}"
            raise InvalidArgumentError(msg, argument="gateways")
        named[name] = Gateway(gateway) if isinstance(gateway, str) else gateway
    return named
