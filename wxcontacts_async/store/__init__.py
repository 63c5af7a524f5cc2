"""A database that is kept in step with what gateways answer; needs the extra `store`."""

try:
    import adbc_driver_manager  # noqa: F401
    import pyarrow  # noqa: ICN001, F401
    import xxhash  # noqa: F401
except ModuleNotFoundError as error:
    msg = f"{error}; wxcontacts_async.store needs: pip install 'wxcontacts_async[store]'"
    raise ModuleNotFoundError(msg, name=error.name) from None

from wxcontacts_async.store._tabular.arrow import (
    CONTACT_SCHEMA,
    contact_schema,
    contact_sets,
    to_arrow,
)
from wxcontacts_async.store._tabular.parquet import ParquetWritten, write_parquet
from wxcontacts_async.store.contact_store import ContactStore
from wxcontacts_async.store.errors import (
    ChangesPrunedError,
    NotSyncedError,
    StoreAccessError,
    StoreBusyError,
    StoreConnectionError,
    StoreError,
    StoreFullError,
    StoreVersionError,
)
from wxcontacts_async.store.records import (
    ChangeKind,
    ContactChange,
    ContactVersion,
    DeltaCounts,
    KindCounts,
    StoredInstance,
    Suspicion,
    Synced,
)
from wxcontacts_async.store.summary import (
    HourSummary,
    InstanceSummary,
    RecentChange,
    SharedContact,
    StoreSummary,
)
from wxcontacts_async.store.sync import SyncResult, SyncStream
from wxcontacts_async.store.watch import WatchStream

__all__ = [
    "CONTACT_SCHEMA",
    "ChangeKind",
    "ChangesPrunedError",
    "ContactChange",
    "ContactStore",
    "ContactVersion",
    "DeltaCounts",
    "HourSummary",
    "InstanceSummary",
    "KindCounts",
    "NotSyncedError",
    "ParquetWritten",
    "RecentChange",
    "SharedContact",
    "StoreAccessError",
    "StoreBusyError",
    "StoreConnectionError",
    "StoreError",
    "StoreFullError",
    "StoreSummary",
    "StoreVersionError",
    "StoredInstance",
    "Suspicion",
    "SyncResult",
    "SyncStream",
    "Synced",
    "WatchStream",
    "contact_schema",
    "contact_sets",
    "to_arrow",
    "write_parquet",
]
