"""The metrics of pools."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any
from weakref import WeakKeyDictionary, WeakSet, ref

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from wxcontacts_async.events import CallEnded, Event, InstanceEnded, ReplyReceived
from wxcontacts_async.instrumentation._prometheus.event_loop_lag import EventLoopLag
from wxcontacts_async.instrumentation._prometheus.gateway_counts import Durations, GatewayCounts
from wxcontacts_async.instrumentation._sources import counts_of, gateways_of, statistics_of
from wxcontacts_async.outcomes import Failed
from wxcontacts_async.pool import SessionPool

_STATES = ("ready", "calling", "waiting", "undecoded")


class PoolMetrics(Collector):
    """The metrics of all pools of a registry, made when they are scraped.

    Attributes:
        loop_lag: Measures the event loops of the pools.
        undecoded: The instances, by gateway and wId, whose last reply was not decoded, so that
            its contacts are for the store to count.

    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.loop_lag = EventLoopLag()
        self.undecoded: set[tuple[str, str]] = set()
        self._counts: dict[str, GatewayCounts] = {}
        self._pools: WeakSet[SessionPool[Any]] = WeakSet()
        registry.register(self)

    def add(self, pool: SessionPool[Any]) -> None:
        """Count the instances of one more pool."""
        self._pools.add(pool)

    def counts_of(self, gateway: str) -> GatewayCounts:
        """Return the counts of a gateway, which pools may share."""
        return self._counts.setdefault(gateway, GatewayCounts())

    def collect(self) -> Iterable[Metric]:
        """Make the metrics."""
        counts = list(self._counts.items())
        yield _calls(counts)
        yield _durations(
            "wxcontacts_call_duration_seconds",
            "How long calls took, to the last byte of the reply.",
            [(gateway, each.call_seconds) for gateway, each in counts],
        )
        yield _durations(
            "wxcontacts_instance_duration_seconds",
            "How long instances took from when they were asked for, waits included.",
            [(gateway, each.instance_seconds) for gateway, each in counts],
        )
        yield from _contacts(counts)
        yield from self._gateways()
        yield GaugeMetricFamily(
            "wxcontacts_event_loop_lag_seconds",
            "How late the event loop came to a timer, at worst in the last 15 seconds or more.",
            value=self.loop_lag.seconds,
        )

    def _gateways(self) -> Iterable[Metric]:
        instances = GaugeMetricFamily(
            "wxcontacts_instances",
            "Instances without an outcome, by what they wait for.",
            labels=["gateway", "state"],
        )
        up = GaugeMetricFamily(
            "wxcontacts_gateway_up", "Whether a gateway answers.", labels=["gateway"]
        )
        by_state: Counter[tuple[str, str]] = Counter()
        is_up: dict[str, bool] = {}
        for pool in list(self._pools):
            for gateway, statistics in statistics_of(pool).items():
                for state in _STATES:
                    by_state[gateway, state] += getattr(statistics, state)
                is_up[gateway] = is_up.get(gateway, True) and statistics.down_for is None
        for labels, count in by_state.items():
            instances.add_metric(labels, count)
        for gateway, answers in is_up.items():
            up.add_metric([gateway], int(answers))
        return instances, up


def _calls(counts: list[tuple[str, GatewayCounts]]) -> Metric:
    calls = CounterMetricFamily(
        "wxcontacts_calls",
        "Calls by what came of them: what the reply says, an HTTP status or an error.",
        labels=["gateway", "result"],
    )
    for gateway, each in counts:
        for result, count in list(each.calls.items()):
            calls.add_metric([gateway, result], count)
    return calls


def _contacts(counts: list[tuple[str, GatewayCounts]]) -> Iterable[Metric]:
    contacts = CounterMetricFamily(
        "wxcontacts_contacts", "Contacts in replies.", labels=["gateway", "kind"]
    )
    rejected = CounterMetricFamily(
        "wxcontacts_rejected_contacts",
        "Contacts in replies that could not be decoded.",
        labels=["gateway"],
    )
    for gateway, each in counts:
        for kind, count in list(each.contacts.items()):
            contacts.add_metric([gateway, kind], count)
        rejected.add_metric([gateway], each.rejected)
    return contacts, rejected


def _durations(name: str, what: str, of: list[tuple[str, Durations]]) -> Metric:
    metric = HistogramMetricFamily(name, what, labels=["gateway"])
    for gateway, durations in of:
        metric.add_metric([gateway], durations.buckets(), durations.total)
    return metric


class PoolObserver:
    """Counts and measures a pool's events."""

    def __init__(self, pool: SessionPool[Any], metrics: PoolMetrics) -> None:
        self._pool = ref(pool)
        self._loop_lag = metrics.loop_lag
        self._undecoded = metrics.undecoded
        self._measures_lag = False
        self._gateways = {name: metrics.counts_of(name) for name in gateways_of(pool)}
        self._take: dict[type[Event], Callable[[Any], None]] = {
            CallEnded: self._call_ended,
            ReplyReceived: self._replied,
            InstanceEnded: self._ended,
        }

    def __call__(self, event: Event) -> None:
        """Take an event."""
        take = self._take.get(type(event))
        if take is not None:
            take(event)
        elif not self._measures_lag:  # it is about the first event of an open pool
            self._measures_lag = True
            self._loop_lag.measure(self._is_open)

    def _is_open(self) -> bool:
        pool = self._pool()
        return pool is not None and bool(statistics_of(pool))

    def _call_ended(self, event: CallEnded) -> None:
        gateway = self._gateways[event.gateway]
        gateway.call_seconds.observe(event.seconds)
        if event.error_type is not None:
            gateway.calls[event.error_type] += 1

    def _replied(self, event: ReplyReceived) -> None:
        self._gateways[event.gateway].calls[event.reply] += 1

    def _ended(self, event: InstanceEnded) -> None:
        outcome = event.outcome
        gateway = self._gateways.get(outcome.gateway)
        if gateway is None:  # it named none that is known
            return
        gateway.instance_seconds.observe(outcome.elapsed)
        if isinstance(outcome, Failed):
            return
        counted = counts_of(outcome)
        if counted is None:
            self._undecoded.add((outcome.gateway, outcome.w_id))
        else:
            by_kind, rejected = counted
            for kind, count in by_kind.items():
                gateway.contacts[kind] += count
            gateway.rejected += rejected


_metrics: WeakKeyDictionary[CollectorRegistry, PoolMetrics] = WeakKeyDictionary()


def pool_metrics_of(registry: CollectorRegistry) -> PoolMetrics:
    """Return the metrics of a registry, which has each once."""
    if registry not in _metrics:
        _metrics[registry] = PoolMetrics(registry)
    return _metrics[registry]
