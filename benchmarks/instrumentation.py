"""What instrumentation costs: `python -m benchmarks.instrumentation` fetches with it and without.

All run in one process, in turns, so that what disturbs one disturbs all alike. Processor time is
compared, which includes that of the exporters' threads; exporters throw away what they are given.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Iterable
from statistics import median
from time import process_time

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler, TraceIdRatioBased
from prometheus_client import CollectorRegistry

from benchmarks.instances import Setup, w_id_of
from benchmarks.pinning import cores, pin_to
from benchmarks.processes import serving
from benchmarks.workloads import SLOTS
from wxcontacts_async import Event, Gateway, SessionPool
from wxcontacts_async.instrumentation import opentelemetry, prometheus

_CONTACTS = 200
_CALLS = 1_500
_ROUNDS = 15

Install = Callable[[SessionPool], object]


class _Nowhere(SpanExporter):
    def export(self, spans: Iterable[ReadableSpan]) -> SpanExportResult:
        list(spans)
        return SpanExportResult.SUCCESS


def _tracing(sampler: Sampler) -> TracerProvider:
    provider = TracerProvider(sampler=sampler)
    provider.add_span_processor(BatchSpanProcessor(_Nowhere()))
    return provider


def _observed(pool: SessionPool) -> None:
    def observe(event: Event) -> None: ...

    pool._announce.add(observe)  # noqa: SLF001


def _ways() -> dict[str, Install]:
    """Return what is compared, by name; the first is without any."""
    registry = CollectorRegistry()
    meters = [MeterProvider([InMemoryMetricReader()]) for _ in range(3)]
    tracers = [_tracing(sampler) for sampler in (ALWAYS_OFF, TraceIdRatioBased(0.1), ALWAYS_ON)]

    def otel(which: int) -> Install:
        return lambda pool: opentelemetry.instrument(
            pool, tracer_provider=tracers[which], meter_provider=meters[which]
        )

    return {
        "without": lambda _: None,
        "an observer that does nothing": _observed,
        "Prometheus": lambda pool: prometheus.instrument(pool, registry=registry),
        "OpenTelemetry, no trace sampled": otel(0),
        "OpenTelemetry, a tenth of the traces": otel(1),
        "OpenTelemetry, all traces": otel(2),
    }


async def _seconds(url: str, install: Install, calls: int) -> float:
    """Fetch, and return the processor time that a call takes."""
    pool = SessionPool(Gateway(url, max_concurrency=SLOTS))
    install(pool)
    async with pool:
        await _fetch(pool, 2 * SLOTS)
        begun = process_time()
        await _fetch(pool, calls)
        return (process_time() - begun) / calls


async def _fetch(pool: SessionPool, calls: int) -> None:
    async with pool.stream(w_id_of(2 * number) for number in range(calls)) as outcomes:
        async for outcome in outcomes:
            del outcome


def main() -> None:
    """Measure, and print the medians of the ratios within a round."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instrumentation")
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    parser.add_argument("--calls", type=int, default=_CALLS)
    arguments = parser.parse_args()
    server_core, own_core = cores()
    pin_to(own_core)
    ways = _ways()
    with serving(Setup(_CONTACTS, core=server_core)) as server:
        rounds = [
            {
                name: asyncio.run(_seconds(server.url, install, arguments.calls))
                for name, install in ways.items()
            }
            for _ in range(arguments.rounds)
        ]
    for name in ways:
        ratio = median(each[name] / each["without"] for each in rounds)
        microseconds = median(each[name] for each in rounds) * 1e6
        sys.stdout.write(f"{name:40} {microseconds:6.0f} us a reply {ratio - 1:+7.1%}\n")


if __name__ == "__main__":
    main()
