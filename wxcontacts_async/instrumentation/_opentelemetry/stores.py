"""The spans and metrics of a store: one an operation of its database."""

from time import time_ns
from typing import Any

from opentelemetry.trace import SpanKind, StatusCode, Tracer

from wxcontacts_async.instrumentation._opentelemetry.instruments import Instruments
from wxcontacts_async.instrumentation._sources import database_of
from wxcontacts_async.store import ContactStore, Synced
from wxcontacts_async.store.events import InstanceStored, OperationEnded, StoreEvent

_NANOSECONDS = 1_000_000_000
_PORT = 5432  # of PostgreSQL, which need not be said


class StoreObserver:
    """Makes spans and measures of a store's events."""

    def __init__(self, store: ContactStore, tracer: Tracer, instruments: Instruments) -> None:
        self._tracer = tracer
        self._instruments = instruments
        database = database_of(store)
        # Of a file, its name alone; who may see traces need not know where it lies.
        self._namespace = database.path.rpartition("/")[2]
        is_file = database.scheme == "sqlite"
        self._attributes: dict[str, Any] = {
            "db.system.name": "sqlite" if is_file else "postgresql",
            "db.namespace": self._namespace,
        }
        if database.host:
            self._attributes["server.address"] = database.host
            if database.port not in {None, _PORT}:
                self._attributes["server.port"] = database.port

    def __call__(self, event: StoreEvent) -> None:
        """Take an event."""
        match event:
            case OperationEnded():
                self._ended(event)
            case InstanceStored(result=Synced() as synced):
                self._count_undecoded(synced)

    def _count_undecoded(self, synced: Synced) -> None:
        """Count the contacts of a reply that the pool has not decoded."""
        instance = synced.gateway, synced.w_id
        if instance in self._instruments.undecoded:
            self._instruments.undecoded.discard(instance)
            for kind, count in synced.kind_counts.by_kind().items():
                self._instruments.contacts[synced.gateway, str(kind)] += count

    def _ended(self, event: OperationEnded) -> None:
        attributes = self._attributes | {"db.operation.name": event.operation}
        now = time_ns()
        span = self._tracer.start_span(
            f"{event.operation} {self._namespace}",
            kind=SpanKind.CLIENT,
            attributes=attributes,
            start_time=now - int(event.seconds * _NANOSECONDS),
        )
        if event.error_type is not None:
            attributes["error.type"] = event.error_type
            span.set_attribute("error.type", event.error_type)
            span.set_status(StatusCode.ERROR)
        span.end(now)
        self._instruments.operations.record(event.seconds, attributes)
