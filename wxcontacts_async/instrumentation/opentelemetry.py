"""Spans and metrics of OpenTelemetry, by its semantic conventions for HTTP clients and databases.

Needs the extra `otel`; how they are exported is the application's to say, by the SDK.
"""

from typing import TYPE_CHECKING, Any

try:
    from opentelemetry import metrics, trace
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider
except ModuleNotFoundError as error:
    msg = f"{error}; {__name__} needs: pip install 'wxcontacts_async[otel]'"
    raise ModuleNotFoundError(msg, name=error.name) from None

from wxcontacts_async import __version__
from wxcontacts_async.instrumentation._opentelemetry.instruments import SCHEMA, instruments_of
from wxcontacts_async.instrumentation._opentelemetry.pools import PoolObserver
from wxcontacts_async.instrumentation._sources import (
    Instrumented,
    is_store,
    neither_pool_nor_store,
    observe_pool,
    observe_store,
)
from wxcontacts_async.pool import SessionPool

if TYPE_CHECKING:  # it needs the extra `store`
    from wxcontacts_async.store import ContactStore

_instrumented = Instrumented()


def instrument(
    pool_or_store: "SessionPool[Any] | ContactStore",
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    propagate: bool = True,
) -> None:
    """Make spans and metrics of what happens in a pool, or in a store, from now on.

    An instance has a span, in the trace of the caller who asked for it first, and each of its
    calls a child of that; waits are events of the instance's. wIds stand in spans alone, contacts
    nowhere.

    Arguments:
        pool_or_store: A SessionPool or a ContactStore, whether it is open or not.
        tracer_provider: What makes the spans; None is the global one.
        meter_provider: What makes the metrics; None is the global one.
        propagate: Whether calls tell the gateway which trace they are of, in the headers
            `traceparent` and `tracestate`.

    Raises:
        InvalidArgumentError: It is neither, or is instrumented already.

    """
    meters = meter_provider or metrics.get_meter_provider()
    tracer = trace.get_tracer("wxcontacts_async", __version__, tracer_provider, SCHEMA)
    if isinstance(pool_or_store, SessionPool):
        _instrumented.add(meters, pool_or_store)
        instruments = instruments_of(meters)
        observer = PoolObserver(pool_or_store, tracer, instruments)
        observe_pool(pool_or_store, observer, observer.headers if propagate else None)
        instruments.pools.add(pool_or_store)
    elif is_store(pool_or_store):
        from wxcontacts_async.instrumentation._opentelemetry.stores import (  # noqa: PLC0415
            StoreObserver,
        )

        _instrumented.add(meters, pool_or_store)
        observe_store(pool_or_store, StoreObserver(pool_or_store, tracer, instruments_of(meters)))
    else:
        raise neither_pool_nor_store(pool_or_store)
