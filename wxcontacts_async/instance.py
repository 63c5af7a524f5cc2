"""Which instance is asked for, where its gateway must be named."""

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass

from wxcontacts_async.errors import InvalidArgumentError, shown_id
from wxcontacts_async.validation import check_w_id


@dataclass(frozen=True, slots=True)
class Instance:
    """One logged-in WeChat instance, and the gateway that it is on.

    Arguments:
        w_id: `wId` of the API document, the instance's id, sent as it is; not blank, and with no
            white space, control characters or what takes no room in it.
        gateway: The name of one of the pool's gateways; None is the pool's only gateway.

    Raises:
        InvalidArgumentError: `w_id` is none of that, no text or not valid Unicode, or `gateway`
            is neither a name nor None.

    """

    w_id: str
    _: KW_ONLY
    gateway: str | None = None

    def __post_init__(self) -> None:
        check_w_id(self.w_id)
        if not isinstance(self.gateway, str | None):
            msg = f"gateway must be the name of a gateway, or None, not {self.gateway!r}"
            raise InvalidArgumentError(msg, argument="gateway")


def check_one_gateway(instances: Iterable[object]) -> None:
    """Raise InvalidArgumentError if a wId is on two gateways, which a database cannot keep apart.

    What is no Instance, or names no gateway, is passed over.
    """
    gateways: dict[str, str] = {}
    for instance in instances:
        if isinstance(instance, Instance) and instance.gateway is not None:
            check_same_gateway(instance, gateways.setdefault(instance.w_id, instance.gateway))


def check_same_gateway(instance: Instance, gateway: str) -> None:
    """Raise InvalidArgumentError if an instance is on another gateway than before."""
    if instance.gateway != gateway:
        msg = (
            f"instances must have each wId on one gateway, and {shown_id(instance.w_id)} is on "
            f"{shown_id(gateway)} and on {shown_id(str(instance.gateway))}"
        )
        raise InvalidArgumentError(msg, argument="instances")
