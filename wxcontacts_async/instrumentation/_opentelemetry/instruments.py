"""The instruments of a meter provider, which all pools and stores that use it share."""

from collections import Counter
from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation

from wxcontacts_async import __version__
from wxcontacts_async.instrumentation._sources import statistics_of
from wxcontacts_async.pool import SessionPool

SCHEMA = "https://opentelemetry.io/schemas/1.41.1"
GATEWAY = "wxcontacts.gateway.name"
_STATES = ("ready", "calling", "waiting", "undecoded")
# The boundaries that the conventions ask for.
_HTTP_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_DATABASE_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)
_INSTANCE_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 7.5, 10, 25, 50, 100, 250, 600)


class Instruments:
    """What is measured.

    Attributes:
        pools: Those whose gateways and instances are counted when that is asked for.
        contacts: How many contacts came, by gateway and kind.
        undecoded: The instances, by gateway and wId, whose last reply was not decoded, so that
            its contacts are for the store to count.
        requests: Durations of calls.
        instances: Durations of instances.
        operations: Durations of what databases are asked for.

    """

    def __init__(self, provider: MeterProvider) -> None:
        self.pools: WeakSet[SessionPool[Any]] = WeakSet()
        # Added up here, as that costs less than a measurement each.
        self.contacts: Counter[tuple[str, str]] = Counter()
        self.undecoded: set[tuple[str, str]] = set()
        meter = provider.get_meter("wxcontacts_async", __version__, SCHEMA)
        self.requests = meter.create_histogram(
            "http.client.request.duration",
            "s",
            "Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=_HTTP_BUCKETS,
        )
        self.operations = meter.create_histogram(
            "db.client.operation.duration",
            "s",
            "Duration of database client operations.",
            explicit_bucket_boundaries_advisory=_DATABASE_BUCKETS,
        )
        self.instances = meter.create_histogram(
            "wxcontacts.instance.duration",
            "s",
            "Duration from when an instance is asked for to its outcome, its waits included.",
            explicit_bucket_boundaries_advisory=_INSTANCE_BUCKETS,
        )
        meter.create_observable_counter(
            "wxcontacts.contacts",
            [self._observe_contacts],
            "{contact}",
            "Contacts in the replies of gateways.",
        )
        meter.create_observable_up_down_counter(
            "wxcontacts.instances",
            [self._observe_instances],
            "{instance}",
            "Instances without an outcome, by what they wait for.",
        )
        meter.create_observable_gauge(
            "wxcontacts.gateway.up",
            [self._observe_gateways],
            "1",
            "Whether a gateway answers.",
        )

    # Called in the thread of an exporter.

    def _observe_contacts(self, _: CallbackOptions) -> Iterable[Observation]:
        for (gateway, kind), count in list(self.contacts.items()):
            yield Observation(count, {GATEWAY: gateway, "wxcontacts.contact.kind": kind})

    def _observe_instances(self, _: CallbackOptions) -> Iterable[Observation]:
        counts: Counter[tuple[str, str]] = Counter()
        for pool in list(self.pools):
            for gateway, statistics in statistics_of(pool).items():
                for state in _STATES:
                    counts[gateway, state] += getattr(statistics, state)
        for (gateway, state), count in counts.items():
            yield Observation(count, {GATEWAY: gateway, "wxcontacts.instance.state": state})

    def _observe_gateways(self, _: CallbackOptions) -> Iterable[Observation]:
        up: dict[str, bool] = {}
        for pool in list(self.pools):
            for gateway, statistics in statistics_of(pool).items():
                up[gateway] = up.get(gateway, True) and statistics.down_for is None
        for gateway, is_up in up.items():
            yield Observation(int(is_up), {GATEWAY: gateway})


_instruments: WeakKeyDictionary[MeterProvider, Instruments] = WeakKeyDictionary()


def instruments_of(provider: MeterProvider) -> Instruments:
    """Return the instruments of a provider; made twice, they would be in each other's way."""
    if provider not in _instruments:
        _instruments[provider] = Instruments(provider)
    return _instruments[provider]
