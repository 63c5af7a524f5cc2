"""What happens in a store, as small records, for observers: metrics, traces."""

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from wxcontacts_async.outcomes import Failed
from wxcontacts_async.store.records import Synced


class OperationEnded(msgspec.Struct, frozen=True, gc=False):
    """The database was asked for something and has answered, or failed to.

    Attributes:
        operation: What for, such as "merge" or "load".
        seconds: How long it took, waits for others and for a lost connection included.
        error_type: None if it succeeded; else the name of the error's class.

    """

    operation: str
    seconds: float
    error_type: str | None


class InstanceStored(msgspec.Struct, frozen=True):
    """What a sync made of an instance is in the database."""

    result: Synced[Any] | Failed


class SuspicionsFound(msgspec.Struct, frozen=True, gc=False):
    """A sync begins, and so many instances of the database are under suspicion."""

    w_ids: frozenset[str]


class DatabaseDown(msgspec.Struct, frozen=True, gc=False):
    """The database cannot be reached; `reason` is what its driver says."""

    reason: str


class DatabaseUp(msgspec.Struct, frozen=True, gc=False):
    """The database is reached, for the first time (0 s) or `seconds` after it was lost."""

    seconds: float


StoreEvent: TypeAlias = (  # `type` needs Python 3.12
    OperationEnded | InstanceStored | SuspicionsFound | DatabaseDown | DatabaseUp
)
StoreObserver: TypeAlias = Callable[[StoreEvent], object]
