"""The metrics of stores."""

from time import time
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry, Counter, Gauge

from wxcontacts_async.instrumentation._prometheus.pools import PoolMetrics
from wxcontacts_async.instrumentation._sources import is_reached
from wxcontacts_async.store import ChangeKind, ContactStore, Synced
from wxcontacts_async.store.events import (
    DatabaseDown,
    DatabaseUp,
    InstanceStored,
    StoreEvent,
    SuspicionsFound,
)


class StoreMetrics:
    """The metrics of all stores of a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        changes = Counter(
            "wxcontacts_sync_changes",
            "Contacts that syncs added, removed or changed in the database.",
            ["change"],
            registry=registry,
        )
        self.changes = {change: changes.labels(change) for change in ChangeKind}
        self.last_success = Gauge(
            "wxcontacts_sync_last_success_timestamp_seconds",
            "When an instance was last brought in step.",
            registry=registry,
        )
        self.suspicious = Gauge(
            "wxcontacts_suspicious_instances",
            "Instances whose answers lack contacts that are held.",
            registry=registry,
        )
        self.up = Gauge(
            "wxcontacts_store_up", "Whether the database can be reached.", registry=registry
        )


class StoreObserver:
    """Counts a store's events."""

    def __init__(self, store: ContactStore, metrics: StoreMetrics, pools: PoolMetrics) -> None:
        self._metrics = metrics
        self._pools = pools
        self._suspicious: set[str] = set()
        metrics.up.set(int(is_reached(store)))

    def __call__(self, event: StoreEvent) -> None:
        """Take an event."""
        match event:
            case InstanceStored(result=Synced() as synced):
                self._synced(synced)
            case SuspicionsFound():
                self._suspicious = set(event.w_ids)
                self._metrics.suspicious.set(len(self._suspicious))
            case DatabaseDown():
                self._metrics.up.set(0)
            case DatabaseUp():
                self._metrics.up.set(1)

    def _synced(self, synced: Synced) -> None:
        metrics, delta = self._metrics, synced.delta_counts
        metrics.last_success.set(time())
        metrics.changes[ChangeKind.ADDED].inc(delta.added)
        metrics.changes[ChangeKind.REMOVED].inc(delta.removed)
        metrics.changes[ChangeKind.CHANGED].inc(delta.changed)
        if synced.suspicion is None:
            self._suspicious.discard(synced.w_id)
        else:
            self._suspicious.add(synced.w_id)
        metrics.suspicious.set(len(self._suspicious))
        instance = synced.gateway, synced.w_id
        if instance in self._pools.undecoded:
            self._pools.undecoded.discard(instance)
            for kind, count in synced.kind_counts.by_kind().items():
                self._pools.counts_of(synced.gateway).contacts[str(kind)] += count


_metrics: WeakKeyDictionary[CollectorRegistry, StoreMetrics] = WeakKeyDictionary()


def store_metrics_of(registry: CollectorRegistry) -> StoreMetrics:
    """Return the metrics of a registry, which has each once."""
    if registry not in _metrics:
        _metrics[registry] = StoreMetrics(registry)
    return _metrics[registry]
