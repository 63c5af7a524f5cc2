"""The temporary tables of queries and merges, by the Arrow columns that are loaded into them."""

from collections.abc import Mapping

import pyarrow as pa

from wxcontacts_async.store._database.dialect import Dialect
from wxcontacts_async.store._tabular.arrow import CONTACT_SCHEMA

MORE = pa.field("more", pa.string())  # JSON
_AT = pa.field("at", pa.string(), nullable=False)
KINDS = ("official_accounts", "friends", "groups")
_COUNTS = {"contacts", "calls", "suspected_stored", "suspected_missing", *KINDS}


def _columns(**types: pa.DataType) -> pa.Schema:
    return pa.schema([pa.field(name, of, nullable=False) for name, of in types.items()])


TEMPORARY_TABLES: Mapping[str, pa.Schema] = {
    # The contacts that arrived, and when they were fetched.
    "arriving": pa.schema(
        [*(column for column in CONTACT_SCHEMA if column.name != "fetched_at"), MORE, _AT]
    ),
    # The instances that a query is about.
    "asked": _columns(w_id=pa.string()),
    # Contacts that are stored and did not arrive.
    "departing": _columns(w_id=pa.string(), user_name=pa.string(), at=pa.string()),
    # The fingerprints of what is stored now.
    "fingerprinted": _columns(w_id=pa.string(), digest=pa.string(), contacts=pa.binary()),
    # Contacts that are held.
    "held": _columns(
        w_id=pa.string(), user_name=pa.string(), since=pa.string(), accepted=pa.int64()
    ),
    # How instances ended; what does not concern one is null.
    "outcomes": pa.schema(
        [
            (name, pa.int64() if name in _COUNTS else pa.string())
            for name in (
                *("w_id", "gateway", "outcome", "tried_at", "synced_at", "contacts", "calls"),
                *("suspected_at", "suspected_stored", "suspected_missing", "suspected_digest"),
                *("suspected_since", "suspected_kinds", "digest", "reply_digest", *KINDS),
            )
        ]
    ),
}
SMALL = frozenset({"asked", "fingerprinted", "held", "outcomes"})  # those with few rows


def creation(name: str, dialect: Dialect) -> str:
    """Return the statement that makes a temporary table."""
    types = {pa.string(): "TEXT", pa.int64(): "BIGINT", pa.binary(): dialect.binary}
    parts = []
    for column in TEMPORARY_TABLES[name]:
        of = dialect.json if column.name == MORE.name else types[column.type]
        parts.append(f"{column.name} {of}{'' if column.nullable else ' NOT NULL'}")
    clustered = ""
    if name == "departing":
        parts.append("PRIMARY KEY (w_id, user_name)")
        clustered = dialect.clustered
    return f"CREATE TEMPORARY TABLE {name} ({', '.join(parts)}){clustered}{dialect.temporary}"
