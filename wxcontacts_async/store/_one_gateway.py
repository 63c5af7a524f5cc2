"""Sees to it that no wId is synced from two gateways at a time, as a database has each once."""

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Collection,
    Iterable,
)

from anyio import CancelScope

from wxcontacts_async.instance import Instance, check_one_gateway, check_same_gateway
from wxcontacts_async.stream import Instances


class OneGateway:
    """The source of a sync.

    Arguments:
        instances: wIds or Instances. A collection is checked at once; of what is read lazily, and
            may be endless, those that are under way.

    Attributes:
        instances: The same, to be read instead. It raises InvalidArgumentError where a wId comes
            that is under way on another gateway.

    Raises:
        InvalidArgumentError: A collection has a wId on two gateways.

    """

    def __init__(self, instances: Instances) -> None:
        # The gateway of each that is under way, and how often.
        self._under_way: dict[str, tuple[str, int]] = {}
        self.instances = instances
        if isinstance(instances, Collection):
            check_one_gateway(instances)
        elif isinstance(instances, AsyncIterable):
            self.instances = self._begun_each(instances)
        elif isinstance(instances, Iterable):
            self.instances = map(self._begun, instances)

    def ended(self, w_id: str) -> None:
        """Let it come from another gateway from now on."""
        if w_id in self._under_way:
            gateway, times = self._under_way.pop(w_id)
            if times > 1:
                self._under_way[w_id] = gateway, times - 1

    async def _begun_each(
        self, instances: AsyncIterable[str | Instance]
    ) -> AsyncIterator[str | Instance]:
        try:
            async for instance in instances:
                yield self._begun(instance)
        finally:
            if isinstance(instances, AsyncGenerator):
                with CancelScope(shield=True):  # its own cleanup may await
                    await instances.aclose()

    def _begun(self, instance: str | Instance) -> str | Instance:
        if isinstance(instance, Instance) and instance.gateway is not None:
            gateway, times = self._under_way.get(instance.w_id, (instance.gateway, 0))
            check_same_gateway(instance, gateway)
            self._under_way[instance.w_id] = gateway, times + 1
        return instance
