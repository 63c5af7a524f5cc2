"""The session pool, which is asked for the contacts of instances."""

from asyncio import Event
from collections.abc import AsyncIterable, Iterable, Mapping
from copy import copy
from types import TracebackType
from typing import Generic, Self, overload

from anyio.abc import TaskGroup

from wxcontacts_async._concurrency import enter_task_group, leave_task_group
from wxcontacts_async._decoding.reply import ReplyDecoder
from wxcontacts_async._dispatch.jobs import ConsumerQueue
from wxcontacts_async._dispatch.router import NOT_OPEN, Router
from wxcontacts_async._event_loop import running_loop
from wxcontacts_async._http.client import check_environment
from wxcontacts_async._observing import Announcer
from wxcontacts_async._recognition import Recognition
from wxcontacts_async.contacts import Contact, ContactSet, ContactT
from wxcontacts_async.errors import InvalidArgumentError, PoolClosedError
from wxcontacts_async.events import Observer
from wxcontacts_async.instance import Instance
from wxcontacts_async.outcomes import Failed, Fetched, FetchReport
from wxcontacts_async.settings import Gateway, InitializationWait, RetryPolicy
from wxcontacts_async.statistics import GatewayStatistics
from wxcontacts_async.stream import Instances, OutcomeStream
from wxcontacts_async.validation import check_number


class SessionPool(Generic[ContactT]):
    """Fetches the contacts of many instances from one or more gateways.

    Enter it with `async with`, in asyncio's event loop, and leave it in the same task; any number
    of tasks of that loop may share it. Leaving it cancels what is under way: waiting callers get
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
        self._contact_type = contact_type
        self._initialization = initialization
        self._retry = retry
        self._decoder = ReplyDecoder(
            contact_type, initialization.is_initializing, retry.is_throttled
        )
        self._announce = Announcer(observers)
        self._tasks: TaskGroup | None = None
        self._router: Router[ContactT] | None = None  # unless the pool is open

    async def __aenter__(self) -> Self:
        if self._tasks is not None:
            msg = "a pool is entered once; make a new SessionPool"
            raise PoolClosedError(msg)
        running_loop("a SessionPool")
        for gateway in self._gateways.values():
            check_environment(gateway)  # before anything is begun that would have to be ended
        self._tasks = await enter_task_group()
        self._router = Router(
            self._gateways,
            initialization=self._initialization,
            retry=self._retry,
            decoder=self._decoder,
            announce=self._announce,
            tasks=self._tasks,
        )
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        router, self._router = self._router, None
        if self._tasks is None or router is None:
            return
        router.abandon()
        self._tasks.cancel_scope.cancel()
        try:
            await leave_task_group(self._tasks)
        finally:
            await router.close()

    def __repr__(self) -> str:
        """Show how far the instances of each gateway are."""
        if self._router is None:
            return f"<SessionPool of {', '.join(map(repr, self._gateways))}: not open>"
        counts = (f"{name!r}: {each}" for name, each in self.statistics().items())
        return f"<SessionPool of {'; '.join(counts)}>"

    @property
    def contact_type(self) -> type[ContactT]:
        """The type of the contacts that it fetches."""
        return self._contact_type

    def statistics(self) -> dict[str, GatewayStatistics]:
        """Count the instances of each gateway by what they wait for, at this moment.

        It looks at each instance that has no outcome yet, some 50 ns for each.

        Raises:
            PoolClosedError: The pool is not open.

        """
        return self._opened().statistics()

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
        router = self._opened()
        dispatcher, w_id = router.route(instance)
        caller = _FetchCaller(dispatcher.fetch_queue)
        router.add_close_callback(caller.answered.set)
        job = dispatcher.request(w_id, caller)
        try:
            await caller.answered.wait()
        finally:
            dispatcher.withdraw(job, caller)
            router.remove_close_callback(caller.answered.set)
        match caller.outcome:
            case Fetched(contacts=contacts):
                return contacts
            case Failed(error=error):
                # A copy, as one error may go to several callers, each with a traceback of its own.
                raise copy(error) from error.__cause__
            case None:
                msg = "the pool was left before the instance had its outcome"
                raise PoolClosedError(msg).located(w_id=w_id, gateway=dispatcher.name, calls=0)

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
        return self._stream(instances, max_pending, None)

    def _stream(
        self,
        instances: Instances,
        max_pending: int,
        recognition: Recognition | None,
    ) -> OutcomeStream[ContactT]:
        if isinstance(instances, str | bytes | Instance) or not isinstance(
            instances,
            Iterable | AsyncIterable,
        ):
            msg = f"instances must be an iterable of wIds, not one {type(instances).__name__}"
            raise InvalidArgumentError(msg, argument="instances")
        check_number("max_pending", max_pending, at_least=1, whole=True)
        return OutcomeStream(
            instances,
            max_pending=max_pending,
            router=self._opened(),
            recognition=recognition,
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

    def _opened(self) -> Router[ContactT]:
        if self._router is None:
            raise PoolClosedError(NOT_OPEN)
        self._router.check_open()
        return self._router


def recognizing_stream(
    pool: SessionPool[ContactT],
    instances: Instances,
    *,
    max_pending: int,
    recognition: Recognition,
) -> OutcomeStream[ContactT]:
    """Stream as `SessionPool.stream` does, and leave recognised replies undecoded."""
    return pool._stream(instances, max_pending, recognition)  # noqa: SLF001  # it is ours


def decoding_signature(pool: SessionPool[ContactT]) -> str | None:
    """Return what is equal for pools that decode alike; None if that cannot be told."""
    return pool._decoder.signature  # noqa: SLF001


class _FetchCaller(Generic[ContactT]):
    """One caller of `fetch`."""

    def __init__(self, queue: ConsumerQueue[ContactT]) -> None:
        self.queue = queue
        self.recognition: Recognition | None = None
        self.answered = Event()
        self.outcome: Fetched[ContactT] | Failed | None = None

    def deliver(self, outcome: Fetched[ContactT] | Failed) -> None:
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
