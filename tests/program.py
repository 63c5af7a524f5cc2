"""Plays a program of steps over one pool and one gateway, and checks what always holds.

A step is the name of a method of World with its arguments, so that a program that fails is read
as it is printed. Steps do not wait for what they begin; how far that gets until the next step is
a matter of how many ticks of the event loop the program puts between them.
"""

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Literal

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from tests.leftovers import no_tasks_left, open_sockets_to, settle
from wxcontacts_async import (
    CallSent,
    ContactSet,
    Event,
    Failed,
    Fetched,
    Gateway,
    InitializationTimeoutError,
    InitializationWait,
    InstanceEnded,
    PoolClosedError,
    ReplyReceived,
    RetryPolicy,
    RetryScheduled,
    SessionPool,
    WxContactsError,
)
from wxcontacts_async.emulator import (
    EmulatedInstance,
    Fault,
    FaultKind,
    GatewayEmulator,
    RecordedCall,
    Refusal,
)

Step = tuple[str, *tuple[object, ...]]
Ending = Literal["read on", "leave", "cancel"]

W_IDS = ("w0", "w1", "w2", "w3")
CONTACTS = 3
SLOTS = 2
INTERVAL = 0.04
SECRET = "Bearer s3cret"  # noqa: S105  # invented
# An event's `delay` counts from a moment before the event.
_SLACK = 0.005
# For what the gateway sees a moment after the client did it, which is a tick or two.
_PATIENCE = 5

REPLIES = {
    "ready": EmulatedInstance(contacts=CONTACTS),
    "slow": EmulatedInstance(contacts=CONTACTS, latency=0.01),
    "silent": EmulatedInstance(contacts=CONTACTS, latency=math.inf),
    "initializing": EmulatedInstance(contacts=CONTACTS, initializing_calls=2),
    "never initialized": EmulatedInstance(contacts=CONTACTS, initializing_calls=99),
    "refused": EmulatedInstance(contacts=CONTACTS, refusal=Refusal()),
    **{
        f"{kind} {times}": EmulatedInstance(
            contacts=CONTACTS,
            faults=(Fault(kind, first_calls=times),),
        )
        for kind, times in [
            (FaultKind.STATUS_503, 1),
            (FaultKind.RESET_BEFORE_HEADERS, 2),
            (FaultKind.RESET_AFTER_HEADERS, 99),
            (FaultKind.SHORT_BODY, 1),
            (FaultKind.HTML, 99),
            (FaultKind.STATUS_404, 1),
            (FaultKind.LONE_SURROGATE, 99),
            (FaultKind.USER_NAME_NULL, 99),
        ]
    },
}


class _Clock:
    """An observer that notes every call that is sent sooner than its instance was told."""

    def __init__(self) -> None:
        self.not_before: dict[str, float] = {}
        self.too_soon: list[str] = []
        self.news = anyio.Event()

    def __call__(self, event: Event) -> None:
        now = monotonic()
        match event:
            case CallSent(w_id=w_id):
                early = self.not_before.get(w_id, 0.0) - now
                if early > 0:
                    self.too_soon.append(f"{w_id} by {early:.4f} s")
            case ReplyReceived(w_id=w_id, reply="initializing"):
                self.not_before[w_id] = now + INTERVAL
            case RetryScheduled(w_id=w_id, delay=delay):
                self.not_before[w_id] = now + delay - _SLACK
            case InstanceEnded(outcome=Failed(w_id=w_id, error=InitializationTimeoutError())):
                self.not_before[w_id] = now + INTERVAL - _SLACK
        self.news.set()
        self.news = anyio.Event()


class _Caller:
    """Somebody who fetches one instance."""

    def __init__(self, w_id: str) -> None:
        self.w_id = w_id
        self.scope = anyio.CancelScope()
        self.contacts: ContactSet | None = None
        self.error: WxContactsError | None = None
        self.over = anyio.Event()

    def wants(self, w_id: str) -> bool:
        return w_id == self.w_id and not self.over.is_set()

    async def run(self, pool: SessionPool) -> None:
        with self.scope:
            try:
                self.contacts = await pool.fetch(self.w_id)
            except WxContactsError as error:
                self.error = error
        self.over.set()


class _Reader:
    """Somebody who streams some instances and reads when it is told to."""

    def __init__(self, w_ids: tuple[str, ...]) -> None:
        self.w_ids = w_ids
        self.scope = anyio.CancelScope()
        self.reading = anyio.CancelScope()
        self.may_read = 0.0
        self.may_stay = True
        self.was_left = False
        self.read: list[Fetched | Failed] = []
        self.exhausted = False
        self.over = anyio.Event()
        self._told = anyio.Event()

    def wants(self, w_id: str) -> bool:
        return w_id in self.w_ids and not self.over.is_set()

    def tell(self) -> None:
        self._told.set()
        self._told = anyio.Event()

    async def run(self, pool: SessionPool) -> None:
        with self.scope:
            try:
                async with pool.stream(self.w_ids) as outcomes:
                    while self.may_stay and not self.exhausted:
                        if len(self.read) >= self.may_read:
                            await self._told.wait()
                            continue
                        with anyio.CancelScope() as self.reading:
                            try:
                                self.read.append(await anext(outcomes))
                            except StopAsyncIteration:
                                self.exhausted = True
            except PoolClosedError:
                pass
        self.over.set()


class World:
    """The steps that a program is made of."""

    def __init__(
        self,
        emulator: GatewayEmulator,
        pool: SessionPool,
        tasks: TaskGroup,
        clock: _Clock,
    ) -> None:
        self._emulator = emulator
        self._pool = pool
        self._tasks = tasks
        self._clock = clock
        self.callers: list[_Caller] = []
        self.readers: list[_Reader] = []

    async def answer(self, w_id: str, how: str) -> None:
        self._emulator.set_instance(w_id, REPLIES[how])

    async def fetch(self, w_id: str) -> None:
        self.callers.append(_Caller(w_id))
        self._tasks.start_soon(self.callers[-1].run, self._pool)

    async def cancel_fetch(self, which: int) -> None:
        for caller in self.callers[which : which + 1]:
            caller.scope.cancel()

    async def stream(self, w_ids: tuple[str, ...]) -> None:
        self.readers.append(_Reader(w_ids))
        self._tasks.start_soon(self.readers[-1].run, self._pool)

    async def read(self, which: int, number: float) -> None:
        for reader in self.readers[which : which + 1]:
            reader.may_read += number
            reader.tell()

    async def cancel_read(self, which: int) -> None:
        for reader in self.readers[which : which + 1]:
            reader.reading.cancel()

    async def leave_stream(self, which: int) -> None:
        for reader in self.readers[which : which + 1]:
            reader.was_left = True
            reader.may_stay = False
            reader.reading.cancel()
            reader.tell()

    async def cancel_stream(self, which: int) -> None:
        for reader in self.readers[which : which + 1]:
            reader.scope.cancel()

    async def go_down(self) -> None:
        await self._emulator.go_down(listening=True)

    async def come_back(self) -> None:
        await self._emulator.come_back()

    async def pass_ticks(self, number: int) -> None:
        for _ in range(number):
            await checkpoint()

    async def pass_events(self, number: int) -> None:
        with anyio.move_on_after(2 * INTERVAL):
            for _ in range(number):
                await self._clock.news.wait()

    async def read_on(self) -> None:
        """Let everybody have all their outcomes, with a gateway that is well."""
        await self._emulator.come_back()
        for w_id in W_IDS:
            self._emulator.set_instance(w_id, REPLIES["ready"])
        async with self._emulator.down(listening=True):  # which ends the silent calls
            pass
        for reader in self.readers:
            reader.may_read = math.inf
            reader.tell()
        for over in [one.over for one in self.callers] + [one.over for one in self.readers]:
            await over.wait()

    def stop(self) -> None:
        """Let readers that wait to be told something know that it is over."""
        for reader in self.readers:
            reader.may_stay = False
            reader.tell()

    async def check_calls_under_way(self) -> None:
        """See that one instance has one call at most, a wanted one, and no more than the slots."""
        with anyio.move_on_after(_PATIENCE):
            while self._call_too_many():
                await checkpoint()
        assert not self._call_too_many()

    def _call_too_many(self) -> str:
        under_way = Counter(call.w_id for call in self._emulator.calls if call.ended is None)
        if under_way.total() > SLOTS:
            return f"more than {SLOTS} calls"
        for w_id, number in under_way.items():
            if number > 1:
                return f"{number} calls for {w_id}"
            wanted = [one.wants(w_id) for one in self.callers]
            wanted += [one.wants(w_id) for one in self.readers]
            if not any(wanted):
                return f"a call for {w_id} that nobody wants"
        return ""


async def play(steps: list[Step], ending: Ending) -> None:
    """Play a program; raise AssertionError if something does not hold."""
    clock = _Clock()
    uncaught: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: uncaught.append(context))
    with _logged() as log:
        async with GatewayEmulator(dict.fromkeys(W_IDS, REPLIES["ready"])) as emulator:
            with no_tasks_left(), anyio.fail_after(20):
                async with anyio.create_task_group() as tasks:
                    world = await _play(steps, ending, emulator, tasks, clock)
            await emulator.wait_until_idle()
            await settle()
            assert open_sockets_to(emulator.url) == 0
    assert not uncaught
    assert not clock.too_soon
    _check_calls(emulator.calls)
    for caller in world.callers:
        _check_caller(caller, ending, emulator)
    for reader in world.readers:
        _check_reader(reader, ending, emulator)
    _check_secrets(log, world, emulator)


async def _play(
    steps: list[Step],
    ending: Ending,
    emulator: GatewayEmulator,
    tasks: TaskGroup,
    clock: _Clock,
) -> World:
    with anyio.CancelScope() as scope:
        async with SessionPool(
            Gateway(emulator.url, max_concurrency=SLOTS, headers={"Authorization": SECRET}),
            initialization=InitializationWait(INTERVAL, timeout=4 * INTERVAL),
            retry=RetryPolicy(3, initial_delay=INTERVAL, max_delay=INTERVAL),
            observers=[clock],
        ) as pool:
            world = World(emulator, pool, tasks, clock)
            for name, *arguments in steps:
                await getattr(world, name)(*arguments)
                await world.check_calls_under_way()
            if ending == "read on":
                await world.read_on()
            elif ending == "cancel":
                scope.cancel()
    world.stop()
    return world


def _check_calls(calls: list[RecordedCall]) -> None:
    """See what was under way together, of the calls that the client saw the end of."""
    # One that it cancelled is over for the gateway a moment later than for the client.
    whole = [call for call in calls if call.reply != "gone"]
    for call in whole:
        together = [one for one in whole if one.began <= call.began < (one.ended or math.inf)]
        assert len(together) <= SLOTS
        assert len({one.w_id for one in together}) == len(together)


def _check_caller(caller: _Caller, ending: Ending, emulator: GatewayEmulator) -> None:
    assert caller.over.is_set()
    if caller.contacts is not None:
        _check_contacts(caller.contacts, caller.w_id, emulator)
    elif caller.error is not None:
        _check_error(caller.error, caller.w_id, closed=ending != "read on")
    else:
        assert caller.scope.cancel_called


def _check_reader(reader: _Reader, ending: Ending, emulator: GatewayEmulator) -> None:
    assert reader.over.is_set()
    read, asked = Counter(outcome.w_id for outcome in reader.read), Counter(reader.w_ids)
    assert read <= asked
    if ending == "read on" and not (reader.was_left or reader.scope.cancel_called):
        assert reader.exhausted
    if reader.exhausted:
        assert read == asked
    for outcome in reader.read:
        if isinstance(outcome, Fetched):
            _check_contacts(outcome.contacts, outcome.w_id, emulator)
        else:
            _check_error(outcome.error, outcome.w_id, closed=False)


def _check_contacts(contacts: ContactSet, w_id: str, emulator: GatewayEmulator) -> None:
    there = emulator.contact_set(w_id)
    damaged = {name for call in emulator.calls_of(w_id) for name in call.damaged}
    assert len(contacts) + len(contacts.rejected) == CONTACTS
    for contact in there:
        assert contact.user_name in damaged or contacts.get(contact.user_name) == contact


def _check_error(error: WxContactsError, w_id: str, *, closed: bool) -> None:
    assert type(error) is not WxContactsError, "that is a fault of the library"
    if isinstance(error, PoolClosedError):
        assert closed
    else:
        assert error.w_id == w_id


def _check_secrets(log: list[str], world: World, emulator: GatewayEmulator) -> None:
    errors = [
        *(caller.error for caller in world.callers),
        *(one.error for reader in world.readers for one in reader.read if isinstance(one, Failed)),
    ]
    said = "\n".join([*log, *(f"{error} {error!r}" for error in errors)])
    assert SECRET not in said
    for w_id in W_IDS:
        for contact in emulator.contact_set(w_id):
            assert contact.user_name not in said
            assert contact.nick_name is None or contact.nick_name not in said


@contextmanager
def _logged() -> Iterator[list[str]]:
    """Collect what the library logs meanwhile, at every level."""
    logger, log = logging.getLogger("wxcontacts_async"), list[str]()
    handler = logging.Handler()
    handler.emit = lambda record: log.append(handler.format(record))  # type: ignore[method-assign]
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield log
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
