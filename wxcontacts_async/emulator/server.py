"""The emulator's HTTP server: it answers as the document says and records what it was asked."""

import math
from collections.abc import Iterable, Mapping
from time import monotonic
from types import TracebackType
from typing import Literal, Self

import msgspec
from aiohttp import web
from anyio import CancelScope, Event, sleep, sleep_forever

from wxcontacts_async.arguments import check_number, check_w_id
from wxcontacts_async.contacts import Contact, ContactSet
from wxcontacts_async.emulator.population import Population
from wxcontacts_async.emulator.script import EmulatedInstance, Refusal, draw_instances
from wxcontacts_async.errors import InvalidArgumentError

_HIGHEST_PORT = 65_535
_SHUTDOWN_SECONDS = 0.1  # for calls that are under way, which may be without end


class RecordedCall(msgspec.Struct):
    """One call that the emulator got.

    Attributes:
        w_id: The instance that was asked for.
        began: When it came in, in seconds of `time.monotonic`.
        ended: When it was answered or its connection went; None while it is under way.
        reply: What it was answered; "gone" if its connection went first.

    """

    w_id: str
    began: float
    ended: float | None = None
    reply: Literal["ready", "initializing", "refused", "gone"] | None = None


class _Request(msgspec.Struct, rename={"w_id": "wId"}):
    w_id: str


_request_decoder = msgspec.json.Decoder(_Request)


def _failure(code: str, message: str) -> bytes:
    return msgspec.json.encode({"message": message, "code": code, "data": None})


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
        host: The address to listen at.
        port: The port to listen at, 0 to 65535; 0 takes a free one.

    Attributes:
        url: The base URL, while it is entered.
        calls: What it was asked, in the order of arrival.
        under_way: How many calls are under way.
        max_under_way: The most that ever were.

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
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        check_number("seed", seed, whole=True)
        check_number("initializing", initializing, at_least=0, at_most=1)
        check_number("refusing", refusing, at_least=0, at_most=1 - initializing)
        check_number("port", port, at_least=0, at_most=_HIGHEST_PORT, whole=True)
        if isinstance(instances, Mapping):
            self._instances = dict(instances)
        elif isinstance(instances, int):
            check_number("instances", instances, at_least=0, whole=True)
            self._instances = draw_instances(
                instances,
                seed=seed,
                initializing=initializing,
                refusing=refusing,
                contacts=contacts,
                latency=latency,
            )
        elif isinstance(instances, Iterable) and not isinstance(instances, str):
            like_all = EmulatedInstance(contacts=contacts, latency=latency)
            self._instances = dict.fromkeys(instances, like_all)
        else:
            msg = "instances must be a number, wIds, or a mapping of wIds to EmulatedInstance"
            raise InvalidArgumentError(msg)
        for w_id, instance in self._instances.items():
            _check_instance(w_id, instance)
        self.population = Population(seed)
        self.calls: list[RecordedCall] = []
        self.under_way = 0
        self.max_under_way = 0
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None
        self._url: str | None = None
        self._news = Event()
        # By wId: how many calls it got, and when it got the first one.
        self._called: dict[str, tuple[int, float]] = {}

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

    def set_instance(self, w_id: str, instance: EmulatedInstance) -> None:
        """Let an instance, known or not, answer otherwise from its next call on."""
        _check_instance(w_id, instance)
        self._instances[w_id] = instance
        self._called.pop(w_id, None)

    def calls_of(self, w_id: str) -> list[RecordedCall]:
        """Return the calls for one instance, in the order of arrival."""
        return [call for call in self.calls if call.w_id == w_id]

    def contact_set(self, w_id: str) -> ContactSet[Contact]:
        """Return the contacts that a client must get for a known instance."""
        return self.population.contact_set(w_id, self._instances[w_id].contacts)

    async def wait_for_calls(self, number: int) -> None:
        """Wait until so many calls have come in."""
        while len(self.calls) < number:
            await self._news.wait()

    async def wait_until_idle(self) -> None:
        """Wait until no call is under way."""
        while self.under_way:
            await self._news.wait()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/getAllContact", self._answer)
        # A handler is cancelled when its connection goes, so that it can be recorded.
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=_SHUTDOWN_SECONDS,
        )
        await self._runner.setup()
        try:
            site = web.TCPSite(self._runner, self._host, self._port)
            await site.start()
        except OSError:
            await self._runner.cleanup()
            raise
        host, port = self._runner.addresses[0][:2]
        self._url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._url = None
        if self._runner is not None:
            with CancelScope(shield=True):  # else its sockets would stay open
                await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        try:
            w_id = _request_decoder.decode(await request.read()).w_id
        except (msgspec.DecodeError, UnicodeDecodeError):
            return web.Response(status=400, text='the body must be {"wId": "..."}')
        call = RecordedCall(w_id, monotonic(), reply="gone")
        self.calls.append(call)
        self.under_way += 1
        self.max_under_way = max(self.max_under_way, self.under_way)
        self._tell()
        try:
            instance = self._instances.get(w_id)
            latency = instance.latency if instance else 0.0
            if latency == math.inf:
                await sleep_forever()
            elif latency:
                await sleep(latency)
            call.reply, body = self._reply_to(w_id, instance)
        finally:
            call.ended = monotonic()
            self.under_way -= 1
            self._tell()
        return web.Response(body=body, content_type="application/json", charset="utf-8")

    def _reply_to(
        self,
        w_id: str,
        instance: EmulatedInstance | None,
    ) -> tuple[Literal["ready", "initializing", "refused"], bytes]:
        if instance is None:
            unknown = Refusal()
            return "refused", _failure(unknown.code, unknown.message)
        now = monotonic()
        calls, first = self._called.get(w_id, (0, now))
        self._called[w_id] = (calls + 1, first)
        if calls < instance.initializing_calls or now < first + instance.initializing_seconds:
            return "initializing", _failure("1001", "初始化中")
        if instance.refusal is not None:
            return "refused", _failure(instance.refusal.code, instance.refusal.message)
        return "ready", self.population.reply(w_id, instance.contacts)

    def _tell(self) -> None:
        self._news.set()
        self._news = Event()


def _check_instance(w_id: object, instance: object) -> None:
    check_w_id(w_id)
    if not isinstance(instance, EmulatedInstance):
        msg = f"instances[{w_id!r}] must be an EmulatedInstance, not {instance!r}"
        raise InvalidArgumentError(msg)
