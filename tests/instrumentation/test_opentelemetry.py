"""Spans and metrics as an OTLP receiver gets them, by the semantic conventions."""

from collections.abc import AsyncIterator, Iterable, Iterator, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
from anyio.abc import SocketStream
from fastapi import FastAPI, Request, Response
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from tests.support.otlp_receiver import OtlpReceiver
from tests.support.raw_server import RawServer, http_reply, replying
from wxcontacts_async import (
    GatewayRefusedError,
    InitializationWait,
    InvalidArgumentError,
    RetryPolicy,
    SessionPool,
)
from wxcontacts_async.emulator import (
    EmulatedInstance,
    Fault,
    FaultKind,
    GatewayEmulator,
    Refusal,
)
from wxcontacts_async.instrumentation.opentelemetry import instrument
from wxcontacts_async.store import ContactStore

BUSY = http_reply(b"", status="503 Busy")


class Exported:
    """What a receiver has got from providers of this test."""

    def __init__(self, receiver: OtlpReceiver) -> None:
        self._receiver = receiver
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(f"{receiver.url}/v1/traces"))
        )
        reader = PeriodicExportingMetricReader(
            OTLPMetricExporter(f"{receiver.url}/v1/metrics"), export_interval_millis=3_600_000
        )
        self.meters = MeterProvider([reader])

    def instrument(self, instrumented: SessionPool | ContactStore, **settings: bool) -> None:
        instrument(
            instrumented,
            tracer_provider=self.tracers,
            meter_provider=self.meters,
            **settings,
        )

    async def flush(self) -> None:
        await anyio.to_thread.run_sync(self.tracers.force_flush)
        await anyio.to_thread.run_sync(self.meters.force_flush)

    @property
    def spans(self) -> list[Span]:
        return sorted(self._receiver.spans, key=lambda span: span.start_time_unix_nano)

    def spans_of(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    def points(self, name: str) -> list[tuple[dict[str, Any], Any]]:
        metric = self._receiver.metrics[name]
        return [
            (attributes(point.attributes), point)
            for point in getattr(metric, metric.WhichOneof("data") or "").data_points
        ]

    def metrics_as_text(self) -> str:
        return "".join(map(str, self._receiver.metrics.values()))

    def unit_of(self, name: str) -> str:
        return str(self._receiver.metrics[name].unit)


def attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    def value(pair: KeyValue) -> object:
        return getattr(pair.value, pair.value.WhichOneof("value") or "")

    return {pair.key: value(pair) for pair in pairs}


@pytest.fixture
def exported() -> Iterator[Exported]:
    with OtlpReceiver() as receiver:
        exported = Exported(receiver)
        yield exported
        exported.tracers.shutdown()
        exported.meters.shutdown()
        assert receiver.content_types <= {"application/x-protobuf"}


async def test_a_trace_leads_from_a_request_to_fastapi_down_to_the_gateways_calls(
    exported: Exported,
) -> None:
    requests: list[bytes] = []

    async def answer(stream: SocketStream, request: bytes) -> None:
        requests.append(request)
        await stream.send(BUSY if len(requests) == 1 else http_reply())

    async with RawServer(answer) as server:

        @asynccontextmanager
        async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, SessionPool]]:
            pool = SessionPool({"east": server.url}, retry=RetryPolicy(2, initial_delay=0))
            exported.instrument(pool)
            async with pool:
                yield {"pool": pool}

        app = FastAPI(lifespan=lifespan)

        @app.get("/contacts/{w_id}")
        async def contacts(w_id: str, request: Request) -> Response:
            found = await request.state.pool.fetch(w_id)
            return Response(msgspec.json.encode(found), media_type="application/json")

        FastAPIInstrumentor.instrument_app(app, tracer_provider=exported.tracers)
        assert await _get(app, "/contacts/w1") == 200
    await exported.flush()

    (served,) = (span for span in exported.spans if span.kind == Span.SPAN_KIND_SERVER)
    (instance,) = exported.spans_of("fetch contacts")
    calls = exported.spans_of("POST")
    assert not served.parent_span_id
    assert instance.parent_span_id == served.span_id
    assert [call.parent_span_id for call in calls] == [instance.span_id] * 2
    assert {span.trace_id for span in (served, instance, *calls)} == {served.trace_id}
    # And the gateway is told of it.
    told = [_traceparent(request) for request in requests]
    assert told == [(call.trace_id.hex(), call.span_id.hex(), True) for call in calls]


async def _get(app: FastAPI, path: str) -> int:
    """Make one request to an application, within its lifespan, and return the status."""
    status = 0
    async with app.router.lifespan_context(app) as state:

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)

        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [],
            "state": state,
        }
        await app(scope, receive, send)
    return status


def _traceparent(request: bytes) -> tuple[str, str, bool] | None:
    """Return which trace and span a request is of, and whether that is sampled."""
    for line in request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]:
        name, _, value = line.partition(": ")
        if name.lower() == "traceparent":
            _, trace, span, flags = value.split("-")
            return trace, span, bool(int(flags, 16) & 1)
    return None


async def test_a_calls_span_has_what_the_conventions_ask_of_an_http_client(
    exported: Exported,
) -> None:
    pool = SessionPool("http://127.0.0.1:1", retry=RetryPolicy(1))  # as an unused one may be, too
    async with RawServer(replying(BUSY, BUSY, http_reply())) as server:
        port = int(server.url.rpartition(":")[2])
        pool = SessionPool({"east": server.url}, retry=RetryPolicy(3, initial_delay=0.01))
        exported.instrument(pool)
        async with pool:
            await pool.fetch("w1")
    await exported.flush()
    calls = exported.spans_of("POST")
    always = {
        "http.request.method": "POST",
        "server.address": "127.0.0.1",
        "server.port": port,
        "url.full": f"{server.url}/getAllContact",
    }
    assert [attributes(call.attributes) for call in calls] == [
        always | {"http.response.status_code": 503, "error.type": "503"},
        always
        | {
            "http.response.status_code": 503,
            "error.type": "503",
            "http.request.resend_count": 1,
        },
        always | {"http.response.status_code": 200, "http.request.resend_count": 2},
    ]
    assert {call.kind for call in calls} == {Span.SPAN_KIND_CLIENT}
    error, unset = Status.STATUS_CODE_ERROR, Status.STATUS_CODE_UNSET
    assert [call.status.code for call in calls] == [error, error, unset]
    assert {call.status.message for call in calls} == {""}  # the status code says it
    (instance,) = exported.spans_of("fetch contacts")
    assert instance.kind == Span.SPAN_KIND_INTERNAL
    assert [event.name for event in instance.events] == ["retry", "retry"]
    assert attributes(instance.events[0].attributes)["error.type"] == "GatewayHTTPError"

    points = exported.points("http.client.request.duration")
    assert exported.unit_of("http.client.request.duration") == "s"
    own = {key: value for key, value in always.items() if key != "url.full"}
    assert [(of, point.count) for of, point in points] == [
        (own | {"http.response.status_code": 503, "error.type": "503"}, 2),
        (own | {"http.response.status_code": 200}, 1),
    ]
    (_, served) = points[1]
    assert list(served.explicit_bounds) == [
        0.005,
        0.01,
        0.025,
        0.05,
        0.075,
        0.1,
        0.25,
        0.5,
        0.75,
        1,
        2.5,
        5,
        7.5,
        10,
    ]
    # The metric's value is the span's duration.
    seconds = (calls[2].end_time_unix_nano - calls[2].start_time_unix_nano) / 1e9
    assert served.sum == pytest.approx(seconds, abs=1e-6)


async def test_instances_are_measured_and_counted_in_the_same_manner(exported: Exported) -> None:
    instances = {
        "good": EmulatedInstance(contacts=7, initializing_calls=1),
        "bad": EmulatedInstance(refusal=Refusal()),
    }
    async with GatewayEmulator(instances) as emulator:
        pool = SessionPool({"east": emulator.url}, initialization=InitializationWait(0.01))
        exported.instrument(pool)
        async with pool:
            await pool.fetch("good")
            with pytest.raises(GatewayRefusedError):
                await pool.fetch("bad")
            await exported.flush()
    good, bad = exported.spans_of("fetch contacts")
    assert attributes(good.attributes) == {
        "wxcontacts.gateway.name": "east",
        "wxcontacts.instance.id": "good",
    }
    assert [event.name for event in good.events] == ["initializing"]
    assert bad.status.code == Status.STATUS_CODE_ERROR
    assert attributes(bad.attributes)["error.type"] == "GatewayRefusedError"
    durations = exported.points("wxcontacts.instance.duration")
    assert [(of.get("error.type"), point.count) for of, point in durations] == [
        (None, 1),
        ("GatewayRefusedError", 1),
    ]
    contacts = {
        of["wxcontacts.contact.kind"]: point.as_int
        for of, point in exported.points("wxcontacts.contacts")
    }
    assert sum(contacts.values()) == 7
    assert set(contacts) == {"public", "friend", "group"}
    states = {of["wxcontacts.instance.state"] for of, _ in exported.points("wxcontacts.instances")}
    assert states == {"ready", "calling", "waiting", "undecoded"}
    assert [point.as_int for _, point in exported.points("wxcontacts.gateway.up")] == [1]


async def test_an_instance_that_is_given_up_leaves_no_span_open(exported: Exported) -> None:
    async with GatewayEmulator(["w"], faults=[Fault(FaultKind.SILENCE)]) as emulator:
        pool = SessionPool({"east": emulator.url})
        exported.instrument(pool)
        async with pool, anyio.create_task_group() as tasks:
            tasks.start_soon(pool.fetch, "w")
            await emulator.wait_for_calls(1)
            tasks.cancel_scope.cancel()
    await exported.flush()
    (instance,) = exported.spans_of("fetch contacts")
    (call,) = exported.spans_of("POST")
    assert [event.name for event in instance.events] == ["withdrawn"]
    assert attributes(call.attributes)["error.type"] == "cancelled"


async def test_a_gateway_is_told_of_no_trace_where_that_is_turned_off(exported: Exported) -> None:
    requests: list[bytes] = []

    async def answer(stream: SocketStream, request: bytes) -> None:
        requests.append(request)
        await stream.send(http_reply())

    async with RawServer(answer) as server:
        pool = SessionPool(server.url)
        exported.instrument(pool, propagate=False)
        async with pool:
            await pool.fetch("w1")
    await exported.flush()
    assert len(exported.spans_of("POST")) == 1
    assert [_traceparent(request) for request in requests] == [None]


async def test_a_trace_that_is_not_sampled_is_told_as_such_and_measured_all_the_same(
    exported: Exported,
) -> None:
    requests: list[bytes] = []

    async def answer(stream: SocketStream, request: bytes) -> None:
        requests.append(request)
        await stream.send(http_reply())

    async with RawServer(answer) as server:
        pool = SessionPool(server.url)
        off = TracerProvider(sampler=ALWAYS_OFF)
        instrument(pool, tracer_provider=off, meter_provider=exported.meters)
        async with pool:
            await pool.fetch("w1")
    await exported.flush()
    assert exported.spans == []
    (told,) = (_traceparent(request) for request in requests)
    assert told is not None
    assert told[2] is False
    assert [point.count for _, point in exported.points("http.client.request.duration")] == [1]


async def test_a_stores_operations_are_spans_and_metrics_of_a_database(
    exported: Exported, tmp_path: Path
) -> None:
    store = ContactStore(f"sqlite:///{tmp_path}/people.db")
    exported.instrument(store)
    caller = exported.tracers.get_tracer("test").start_as_current_span("caller")
    async with (
        GatewayEmulator(["w"], contacts=3) as emulator,
        store,
        SessionPool(emulator.url) as pool,
    ):
        with caller:
            async with store.sync(pool, ["w"]) as results:
                assert [result.w_id async for result in results] == ["w"]
            await store.load("w")
    await exported.flush()
    (outer,) = exported.spans_of("caller")
    (merged,), (loaded,) = exported.spans_of("merge people.db"), exported.spans_of("load people.db")
    assert merged.kind == loaded.kind == Span.SPAN_KIND_CLIENT
    assert merged.parent_span_id == loaded.parent_span_id == outer.span_id
    of_merge = {
        "db.system.name": "sqlite",
        "db.namespace": "people.db",
        "db.operation.name": "merge",
    }
    assert attributes(merged.attributes) == of_merge
    points = exported.points("db.client.operation.duration")
    assert (of_merge, 1) in [(of, point.count) for of, point in points]
    assert exported.unit_of("db.client.operation.duration") == "s"
    assert list(points[0][1].explicit_bounds) == [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10]


async def test_no_metric_has_a_w_id_and_no_span_a_contact(
    exported: Exported, tmp_path: Path
) -> None:
    store = ContactStore(f"sqlite:///{tmp_path}/people.db")
    exported.instrument(store)
    async with GatewayEmulator(["secret-w-id"], contacts=20) as emulator, store:
        pool = SessionPool({"east": emulator.url})
        exported.instrument(pool)
        async with pool, store.sync(pool, ["secret-w-id"]) as results:
            names = [
                contact.user_name
                async for result in results
                for contact in result.contacts  # type: ignore[union-attr]
            ]
        await exported.flush()
    assert len(names) == 20
    metrics = exported.metrics_as_text()
    assert "wxcontacts.instance.duration" in metrics
    assert "secret-w-id" not in metrics
    spans = "".join(map(str, exported.spans))
    assert "secret-w-id" in spans
    assert not any(name in spans + metrics for name in names)


async def test_twice_is_an_error_and_so_is_something_else(exported: Exported) -> None:
    pool = SessionPool("http://127.0.0.1:1")
    exported.instrument(pool)
    with pytest.raises(InvalidArgumentError, match="instrumented already") as raised:
        exported.instrument(pool)
    assert raised.value.argument == "pool_or_store"
    with pytest.raises(InvalidArgumentError, match="must be a SessionPool or a ContactStore"):
        exported.instrument("http://127.0.0.1:1")  # type: ignore[arg-type]
