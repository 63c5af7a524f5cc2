"""The gateway emulator: it answers as the document says and records what it was asked."""

import asyncio
import math
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from time import monotonic
from types import TracebackType
from typing import Literal, Self

import msgspec
from anyio import CancelScope, Lock, sleep, sleep_forever

from wxcontacts_async._concurrency import Signal
from wxcontacts_async._event_loop import running_loop
from wxcontacts_async.contacts import Contact, ContactSet
from wxcontacts_async.emulator.calls import RecordedCall
from wxcontacts_async.emulator.connection import (
    Connection,
    RecordedConnection,
    Request,
    http_reply,
)
from wxcontacts_async.emulator.damage import damaged
from wxcontacts_async.emulator.failure import failure
from wxcontacts_async.emulator.faults import Fault, FaultKind, FaultPlan, check_faults
from wxcontacts_async.emulator.misbehaviour import delivers_reply, misbehave, replaces_reply
from wxcontacts_async.emulator.movement import Movement
from wxcontacts_async.emulator.population import Population
from wxcontacts_async.emulator.port import Port
from wxcontacts_async.emulator.script import (
    Answer,
    EmulatedInstance,
    Refusal,
    check_instance,
    read_instances,
)
from wxcontacts_async.errors import InvalidArgumentError
from wxcontacts_async.validation import check_number

_HIGHEST_PORT = 65_535


class _Request(msgspec.Struct, rename={"w_id": "wId"}):
    w_id: str


_request_decoder = msgspec.json.Decoder(_Request)


class GatewayEmulator:
    """A gateway on a loopback socket, for tests, demonstrations and development.

    Enter it with `async with`; it serves `POST {url}/getAllContact` until it is left.

    Arguments:
        instances: How many instances to invent; or their wIds; or a mapping of wIds to how
            each of them answers. A wId that it does not know is refused.
        seed: Another seed, other people and other wIds.
        initializing: Share of the invented instances, 0 to 1, that answer 初始化中 to their
            first call or their first two.
        refusing: Share of the invented instances, 0 to 1, that are refused. Together with
            `initializing` at most 1.
        contacts: How many contacts each instance has that is not given as an EmulatedInstance;
            None draws 10 to 10,000 for each.
        latency: Seconds before each answer of such an instance, at least 0.
        faults: What goes wrong, and when.
        host: The address to listen at.
        port: The port to listen at, 0 to 65535; 0 takes a free one.

    Attributes:
        url: The base URL, while it is entered.
        calls: What it was asked, in the order of arrival.
        under_way: How many calls are under way.
        max_under_way: The most that ever were.
        faults_met: How often which fault was met: by calls, by connections that were reset as
            they were made, and by the port, each time that it was closed.
        advances: How often its population was moved.

    Raises:
        InvalidArgumentError: An argument is out of its bounds.

    """

    def __init__(
        self,
        instances: int | Iterable[str] | Mapping[str, EmulatedInstance] = 10,
        *,
        seed: int = 0,
        initializing: float = 0.0,
        refusing: float = 0.0,
        contacts: int | None = None,
        latency: float = 0.0,
        faults: Iterable[Fault] = (),
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        check_number("seed", seed, whole=True)
        check_number("initializing", initializing, at_least=0, at_most=1)
        check_number("refusing", refusing, at_least=0, at_most=1 - initializing)
        check_number("port", port, at_least=0, at_most=_HIGHEST_PORT, whole=True)
        self._instances = read_instances(
            instances,
            like_all=EmulatedInstance(contacts=contacts, latency=latency),
            seed=seed,
            initializing=initializing,
            refusing=refusing,
        )
        self.population = Population(seed)
        self.calls: list[RecordedCall] = []
        self.under_way = 0
        self.max_under_way = 0
        self.faults_met: Counter[FaultKind] = Counter()
        self.advances = 0
        self._seed = seed
        self._plan = FaultPlan(check_faults(faults), seed)
        self._host = host
        self._wanted_port = port
        self._port = Port(admit=self._admit, answer=self._answer, tell=self._tell)
        self._entered = 0.0
        self._url: str | None = None
        self._news = Signal()
        self._is_down = False
        self._turns_away = False
        self._was_refused = False
        self._schedule: asyncio.Task[None] | None = None
        self._switching = Lock()  # of the port, which the schedule and `go_down` may both do
        # By wId: how many calls it got, and when it got the first one that it answered.
        self._asked: Counter[str] = Counter()
        self._called: dict[str, tuple[int, float]] = {}
        self._let_through = -math.inf  # when a rate limit last let a call through

    @property
    def url(self) -> str:
        """The base URL, such as `http://127.0.0.1:18081`."""
        if self._url is None:
            msg = "the emulator has a url within `async with GatewayEmulator(...)` only"
            raise InvalidArgumentError(msg)
        return self._url

    @property
    def w_ids(self) -> list[str]:
        """The wIds that it knows."""
        return list(self._instances)

    @property
    def connections(self) -> list[RecordedConnection]:
        """The connections that it accepted, in the order of arrival."""
        return self._port.records

    def set_instance(self, w_id: str, instance: EmulatedInstance) -> None:
        """Let an instance, known or not, answer otherwise from its next call on."""
        check_instance(w_id, instance)
        self._instances[w_id] = instance
        self._called.pop(w_id, None)
        self._asked.pop(w_id, None)

    def at_call(self, w_id: str, number: int, answer: Answer) -> None:
        """Let one call to a known instance be answered so; before and after, it answers as ever.

        Arguments:
            w_id: The instance.
            number: Which call, counted from 1 since the instance was set; one that is to come.
            answer: "initializing", a Refusal, or a fault that may strike an instance.

        Raises:
            InvalidArgumentError: The instance is not known, that call has been, or there can be no
                such answer.

        """
        instance = self._instances.get(w_id)
        if instance is None:
            raise InvalidArgumentError("w_id must be of an instance that it knows", argument="w_id")
        check_number("number", number, at_least=self._asked[w_id] + 1, whole=True)
        at_calls = {**instance.at_calls, number: answer}
        # Made anew, which checks it; before msgspec 0.21, `replace` does not.
        settings = {**msgspec.structs.asdict(instance), "at_calls": at_calls}
        self._instances[w_id] = EmulatedInstance(**settings)

    def calls_of(self, w_id: str) -> list[RecordedCall]:
        """Return the calls for one instance, in the order of arrival."""
        return [call for call in self.calls if call.w_id == w_id]

    def contact_set(self, w_id: str) -> ContactSet[Contact]:
        """Return the contacts that a client must get for a known instance, as they are now."""
        return self.population.contact_set(w_id, self._instances[w_id].contacts)

    def advance(self, *, share: float = 0.5) -> dict[str, Movement]:
        """Move the population a little, as a day in its life does.

        In some instances about 1 % of the contacts come, go or have another `nick_name`: at least
        one friend each, and a group is renamed, as far as there are such. As many friends come as
        go, so that an `EmulatedInstance` keeps as many contacts as it was given; it moves like any
        other. Those that are refused or have no contacts stay as they are.

        It may be called at any time, in the thread of the event loop. A reply is made at once,
        after its latency, so it is all of before or all of after. Emulators that were given the
        same have the same population after as many advances, in whatever process.

        Arguments:
            share: Share of the instances that move, 0 to 1; at least one does if it is above 0.
                Which ones depends on the seed.

        Returns:
            What it did to each instance that moved, by wId.

        Raises:
            InvalidArgumentError: `share` is out of its bounds.

        """
        check_number("share", share, at_least=0, at_most=1)
        movable = {
            w_id: instance.contacts
            for w_id, instance in self._instances.items()
            if instance.refusal is None and instance.contacts != 0
        }
        number = min(max(round(len(movable) * share), 1), len(movable)) if share else 0
        rng = random.Random(f"advance {self._seed} {self.advances}")  # noqa: S311
        self.advances += 1
        drawn = rng.sample(list(movable), number)
        return {w_id: self.population.move(w_id, movable[w_id]) for w_id in drawn}

    async def wait_for_calls(self, number: int) -> None:
        """Wait until so many calls have come in."""
        while len(self.calls) < number:
            await self._news.wait()

    async def wait_until_idle(self) -> None:
        """Wait until no call is under way."""
        while self.under_way:
            await self._news.wait()

    async def wait_for_connections(self, number: int) -> None:
        """Wait until so many connections have been made."""
        while len(self.connections) < number:
            await self._news.wait()

    async def go_down(self, *, listening: bool = False) -> None:
        """Reset all connections and refuse new ones, as if the process had been killed.

        Arguments:
            listening: Reset new connections as they are made, rather than refuse them, so that
                `connections` has those that are tried meanwhile.

        """
        if self._url is None:
            msg = "go_down is for an emulator that has been entered"
            raise InvalidArgumentError(msg)
        self._is_down, self._turns_away = not listening, listening
        await self._switch_port()
        await self._port.reset_connections()

    async def come_back(self) -> None:
        """Serve again, at the same port; nothing else has changed."""
        self._is_down = self._turns_away = False
        if self._url is not None:
            await self._switch_port()

    @asynccontextmanager
    async def down(self, *, listening: bool = False) -> AsyncIterator[None]:
        """Be down within the block, as `go_down` says, and come back at its end."""
        await self.go_down(listening=listening)
        try:
            yield
        finally:
            with CancelScope(shield=True):
                await self.come_back()

    async def __aenter__(self) -> Self:
        running_loop("a GatewayEmulator")
        await self._port.bind(self._host, self._wanted_port)
        self._entered = monotonic()
        self._is_down = self._turns_away = False
        try:
            await self._switch_port()
        except BaseException:
            self._port.release()
            raise
        host = f"[{self._port.host}]" if ":" in self._port.host else self._port.host
        self._url = f"http://{host}:{self._port.number}"
        if self._plan.refusing:
            self._schedule = asyncio.get_running_loop().create_task(self._keep_schedule())
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._url = None
        try:
            if self._schedule is not None:
                self._schedule.cancel()
                with CancelScope(shield=True), suppress(asyncio.CancelledError):
                    await self._schedule
        finally:
            self._schedule = None
            await self._port.leave()

    def _seconds(self) -> float:
        """How long ago it was entered."""
        return monotonic() - self._entered

    async def _keep_schedule(self) -> None:
        """Open and close the port when its faults say so."""
        seconds = 0.0
        while (change := self._plan.next_change(seconds)) is not None:
            await sleep(max(change - self._seconds(), 0))
            # A timer may be early. Then this is too; but what comes next is judged by the same
            # time, so that no change is passed over.
            seconds = self._seconds()
            await self._switch_port(seconds)

    async def _switch_port(self, seconds: float | None = None) -> None:
        """Open or close the port, as it is to be now, or so many seconds after the start."""
        async with self._switching:
            refused = self._plan.refuses(self._seconds() if seconds is None else seconds)
            if refused and not self._was_refused:
                self.faults_met[FaultKind.REFUSE_CONNECTIONS] += 1
            self._was_refused = refused
            if refused or self._is_down:
                self._port.close()
                await self._port.reset_connections()
            else:
                self._port.open()

    def _admit(self, number: int) -> bool:
        if self._turns_away:
            return False
        fault = self._plan.of_connection(number, self._seconds())
        if fault is not None:
            self.faults_met[fault.kind] += 1
        return fault is None

    async def _answer(self, connection: Connection, request: Request) -> None:
        """Answer one request, and record it if it is a call."""
        if request.path != "/getAllContact":
            connection.write(_problem(404, "there is POST /getAllContact only"))
            return
        if request.method != "POST":
            connection.write(_problem(405, "the method must be POST", "Allow: POST"))
            return
        try:
            w_id = _request_decoder.decode(request.body).w_id
        except (msgspec.DecodeError, UnicodeDecodeError):
            connection.write(_problem(400, 'the body must be {"wId": "..."}'))
            return
        call = RecordedCall(w_id, monotonic(), reply="gone")
        self.calls.append(call)
        self._asked[w_id] += 1
        self.under_way += 1
        self.max_under_way = max(self.max_under_way, self.under_way)
        self._tell()
        try:
            await self._answer_call(connection, call, self._asked[w_id])
        finally:
            call.ended = monotonic()
            self.under_way -= 1
            self._tell()
        await connection.drained()

    async def _answer_call(self, connection: Connection, call: RecordedCall, number: int) -> None:
        """Answer the instance's call of that number, counted from 1, with a fault or without."""
        limit = self._plan.rate_limit(self._seconds())
        if limit is not None and not self._lets_through(limit):
            self._met(limit, call)
            await misbehave(connection, limit, b"")
            call.reply = "fault"
            return
        instance = self._instances.get(call.w_id)
        if instance is not None:
            instance = instance.at_call(number)
        latency = instance.latency if instance else 0.0
        if latency == math.inf:
            await sleep_forever()
        elif latency:
            await sleep(latency)
        fault = self._plan.of_call(
            call.w_id,
            number,
            self._seconds(),
            connected=connection.record.began - self._entered,
            own=instance.faults if instance else (),
        )
        if fault is not None and replaces_reply(fault):
            self._met(fault, call)
            await misbehave(connection, fault, b"")
            call.reply = "fault"
            return
        reply, body = self._reply_to(call.w_id, instance)
        if fault is not None and fault.kind.needs_contacts:
            if reply == "ready":
                rng = random.Random(f"damage {self._seed} {number} {call.w_id}")  # noqa: S311
                harm = damaged(fault.kind, body, contacts=fault.contacts, rng=rng)
                if harm.user_names:
                    self._met(fault, call)
                    call.damaged, body = harm.user_names, harm.body
            fault = None
        if fault is None:
            connection.write(http_reply(body))
            call.reply = reply
            return
        self._met(fault, call)
        await misbehave(connection, fault, body)
        call.reply = reply if delivers_reply(fault) else "fault"

    def _lets_through(self, limit: Fault) -> bool:
        now = monotonic()
        if now < self._let_through + 1 / limit.per_second:
            return False
        self._let_through = now
        return True

    def _met(self, fault: Fault, call: RecordedCall) -> None:
        call.fault = fault.kind
        self.faults_met[fault.kind] += 1

    def _reply_to(
        self,
        w_id: str,
        instance: EmulatedInstance | None,
    ) -> tuple[Literal["ready", "initializing", "refused"], bytes]:
        if instance is None:
            unknown = Refusal()
            return "refused", failure(unknown.code, unknown.message)
        now = monotonic()
        calls, first = self._called.get(w_id, (0, now))
        self._called[w_id] = (calls + 1, first)
        if calls < instance.initializing_calls or now < first + instance.initializing_seconds:
            return "initializing", failure("1001", "初始化中")
        if instance.refusal is not None:
            return "refused", failure(instance.refusal.code, instance.refusal.message)
        return "ready", self.population.reply(w_id, instance.contacts)

    def _tell(self) -> None:
        self._news.notify()


def _problem(status: int, message: str, *headers: str) -> bytes:
    return http_reply(message.encode(), status, content_type="text/plain", headers=headers)
