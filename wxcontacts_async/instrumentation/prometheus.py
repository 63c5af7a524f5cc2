"""Metrics of Prometheus. Needs the extra `prometheus`; how they are served is the application's."""

from typing import TYPE_CHECKING, Any

try:
    from prometheus_client import REGISTRY, CollectorRegistry
except ModuleNotFoundError as error:
    msg = f"{error}; {__name__} needs: pip install 'wxcontacts_async[prometheus]'"
    raise ModuleNotFoundError(msg, name=error.name) from None

from wxcontacts_async.instrumentation._prometheus.pools import PoolObserver, pool_metrics_of
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
    registry: CollectorRegistry = REGISTRY,
) -> None:
    """Count and measure what happens in a pool, or in a store, from now on.

    No label has a wId. Pools that share a registry add up where a gateway has the same name.

    Arguments:
        pool_or_store: A SessionPool or a ContactStore, whether it is open or not.
        registry: Where the metrics are registered.

    Raises:
        InvalidArgumentError: It is neither, or is instrumented already.

    """
    if isinstance(pool_or_store, SessionPool):
        _instrumented.add(registry, pool_or_store)
        of_pools = pool_metrics_of(registry)
        of_pools.add(pool_or_store)
        observe_pool(pool_or_store, PoolObserver(pool_or_store, of_pools))
    elif is_store(pool_or_store):
        from wxcontacts_async.instrumentation._prometheus.stores import (  # noqa: PLC0415
            StoreObserver,
            store_metrics_of,
        )

        _instrumented.add(registry, pool_or_store)
        metrics, pools = store_metrics_of(registry), pool_metrics_of(registry)
        observe_store(pool_or_store, StoreObserver(pool_or_store, metrics, pools))
    else:
        raise neither_pool_nor_store(pool_or_store)
