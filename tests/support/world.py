"""The world that programs are played in: two gateways, one pool, and those who ask it.

One gateway has all kinds of trouble. The other one is well: whatever becomes of the first must
make no difference to it.
"""

import math
from collections import Counter
from collections.abc import Mapping
from time import monotonic
from typing import Literal, TypeVar

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from wxcontacts_async import (
    CallSent,
    ContactSet,
    Event,
    Failed,
    Fetched,
    GatewayDown,
    GatewayPaused,
    GatewayUp,
    InitializationTimeoutError,
    Instance,
    InstanceEnded,
    PoolClosedError,
    ReplyReceived,
    RetryScheduled,
    SessionPool,
    WxContactsError,
)
from wxcontacts_async.emulator import (
    EmulatedInstance,
    Fault,
    FaultKind,
    GatewayEmulator,
    Refusal,
)

# An instance is written as its gateway and its wId; some wIds are known at both.
TROUBLED, WELL = "troubled", "well"
W_IDS = {TROUBLED: ("w0", "w1", "w2", "w3"), WELL: ("w0", "w1")}
INSTANCES = tuple(f"{gateway} {w_id}" for gateway, w_ids in W_IDS.items() for w_id in w_ids)
ALWAYS_READY = f"{WELL} w0"
CONTACTS = 3
SLOTS = 2
INTERVAL = 0.04
# A pause began a moment before one is told of it; the moment may be long on a busy machine.
_SLACK = 0.5
PersonT = TypeVar("PersonT")
# For what the gateway sees a moment after the client did it, which is a tick or two.
_PATIENCE = 30

# What a gateway that is well may answer.
SOUND_REPLIES = {
    "ready": EmulatedInstance(contacts=CONTACTS),
    "slow": EmulatedInstance(contacts=CONTACTS, latency=0.01),
    "initializing": EmulatedInstance(contacts=CONTACTS, initializing_calls=2),
    "never initialized": EmulatedInstance(contacts=CONTACTS, initializing_calls=99),
    "refused": EmulatedInstance(contacts=CONTACTS, refusal=Refusal()),
}
REPLIES = {
    **SOUND_REPLIES,
    "silent": EmulatedInstance(contacts=CONTACTS, latency=math.inf),
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
    **{
        f"{kind} and a pause of {seconds}": EmulatedInstance(
            contacts=CONTACTS,
            faults=(Fault(kind, first_calls=1, retry_after=seconds),),
        )
        for kind, seconds in [(FaultKind.STATUS_429, 1), (FaultKind.STATUS_503, 0)]
    },
}


class Clock:
    """An observer that notes what is told too soon, or not in its turn."""

    def __init__(self) -> None:
        self.not_before: dict[str, float] = {}  # by instance, and by gateway that paused
        self.sent: dict[str, float] = {}  # by instance, its last call
        self.down: set[str] = set()
        self.wrong: list[str] = []
        self.news = anyio.Event()

    def __call__(self, event: Event) -> None:
        now = monotonic()
        match event:
            case CallSent(w_id=w_id, gateway=gateway):
                for told in (f"{gateway} {w_id}", gateway):
                    early = self.not_before.get(told, 0.0) - now
                    if early > 0:
                        self.wrong.append(f"{w_id} called {early:.4f} s too soon for {told}")
                self.sent[f"{gateway} {w_id}"] = now
            case ReplyReceived(w_id=w_id, gateway=gateway, reply="initializing"):
                self._wait(w_id, gateway, now + INTERVAL)
            case InstanceEnded(outcome=Failed(error=InitializationTimeoutError()) as failed):
                sent = self.sent[f"{failed.gateway} {failed.w_id}"]
                self._wait(failed.w_id, failed.gateway, sent + INTERVAL)
            case RetryScheduled(w_id=w_id, gateway=gateway, delay=delay):
                # It began when the call failed, which is some time before one is told of it.
                self._wait(w_id, gateway, self.sent[f"{gateway} {w_id}"] + delay)
            case GatewayPaused(gateway=gateway, delay=delay):
                self.not_before[gateway] = now + delay - _SLACK
                self._see(gateway == TROUBLED, event)
            case GatewayDown(gateway=gateway):
                self._see(gateway == TROUBLED and gateway not in self.down, event)
                self.down.add(gateway)
            case GatewayUp(gateway=gateway):
                self._see(gateway in self.down, event)
                self.down.discard(gateway)
        self.news.set()
        self.news = anyio.Event()

    def _wait(self, w_id: str, gateway: str, until: float) -> None:
        name = f"{gateway} {w_id}"
        self.not_before[name] = max(until, self.not_before.get(name, 0.0))

    def _see(self, right: bool, event: Event) -> None:  # noqa: FBT001  # as `assert` has it
        if not right:
            self.wrong.append(repr(event))


class Caller:
    """Somebody who fetches one instance."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.scope = anyio.CancelScope()
        self.contacts: ContactSet | None = None
        self.error: WxContactsError | None = None
        self.over = anyio.Event()

    def wants(self, name: str) -> bool:
        return name == self.name and not self.over.is_set()

    async def run(self, pool: SessionPool) -> None:
        with self.scope:
            try:
                self.contacts = await pool.fetch(_instance(self.name))
            except WxContactsError as error:
                self.error = error
        self.over.set()


class Reader:
    """Somebody who streams some instances and reads when it is told to."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.scope = anyio.CancelScope()
        self.reading = anyio.CancelScope()
        self.may_read = 0.0
        self.may_stay = True
        self.was_left = False
        self.read: list[Fetched | Failed] = []
        self.exhausted = False
        self.over = anyio.Event()
        self._told = anyio.Event()

    def wants(self, name: str) -> bool:
        return name in self.names and not self.over.is_set()

    def tell(self) -> None:
        self._told.set()
        self._told = anyio.Event()

    async def run(self, pool: SessionPool) -> None:
        with self.scope:
            try:
                async with pool.stream(map(_instance, self.names)) as outcomes:
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
        emulators: Mapping[str, GatewayEmulator],
        pool: SessionPool,
        tasks: TaskGroup,
        clock: Clock,
    ) -> None:
        self._emulators = emulators
        self._pool = pool
        self._tasks = tasks
        self._clock = clock
        self.callers: list[Caller] = []
        self.readers: list[Reader] = []

    async def answer(self, name: str, how: str) -> None:
        gateway, w_id = name.split()
        self._emulators[gateway].set_instance(w_id, REPLIES[how])

    async def fetch(self, name: str) -> None:
        self.callers.append(Caller(name))
        self._tasks.start_soon(self.callers[-1].run, self._pool)

    async def fetch_from_the_well(self) -> None:
        """See that the gateway that is well answers soon, whatever the other one does."""
        caller = Caller(ALWAYS_READY)
        self.callers.append(caller)
        with anyio.fail_after(_PATIENCE):
            await caller.run(self._pool)
        assert caller.contacts is not None

    async def cancel_fetch(self, which: int) -> None:
        for caller in _one_of(self.callers, which):
            caller.scope.cancel()

    async def stream(self, names: tuple[str, ...]) -> None:
        self.readers.append(Reader(names))
        self._tasks.start_soon(self.readers[-1].run, self._pool)

    async def read(self, which: int, number: float) -> None:
        for reader in _one_of(self.readers, which):
            reader.may_read += number
            reader.tell()

    async def cancel_read(self, which: int) -> None:
        for reader in _one_of(self.readers, which):
            reader.reading.cancel()

    async def leave_stream(self, which: int) -> None:
        for reader in _one_of(self.readers, which):
            reader.was_left = True
            reader.may_stay = False
            reader.reading.cancel()
            reader.tell()

    async def cancel_stream(self, which: int) -> None:
        for reader in _one_of(self.readers, which):
            reader.scope.cancel()

    async def go_down(self, how: Literal["listening", "closed"]) -> None:
        await self._emulators[TROUBLED].go_down(listening=how == "listening")

    async def come_back(self) -> None:
        await self._emulators[TROUBLED].come_back()

    async def pass_ticks(self, number: int) -> None:
        for _ in range(number):
            await checkpoint()

    async def pass_events(self, number: int) -> None:
        with anyio.move_on_after(INTERVAL):
            for _ in range(number):
                await self._clock.news.wait()

    async def read_on(self) -> None:
        """Let everybody have all their outcomes, with gateways that are both well."""
        await self.come_back()
        for name in INSTANCES:
            await self.answer(name, "ready")
        async with self._emulators[TROUBLED].down(listening=True):  # which ends the silent calls
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
        for gateway, emulator in self._emulators.items():
            under_way = Counter(call.w_id for call in emulator.calls if call.ended is None)
            if under_way.total() > SLOTS:
                return f"more than {SLOTS} calls at the gateway {gateway}"
            for w_id, number in under_way.items():
                name = f"{gateway} {w_id}"
                if number > 1:
                    return f"{number} calls for {name}"
                wanted = [one.wants(name) for one in self.callers]
                wanted += [one.wants(name) for one in self.readers]
                if not any(wanted):
                    return f"a call for {name} that nobody wants"
        return ""


def _instance(name: str) -> Instance:
    gateway, w_id = name.split()
    return Instance(w_id, gateway=gateway)


def _one_of(people: list[PersonT], which: int) -> list[PersonT]:
    """Return a list of one of them, whatever the number; an empty one if there are none."""
    return [people[which % len(people)]] if people else []
