"""The tables of today: their columns, the temporary ones beside them, the rights that they need."""

from collections.abc import Mapping

from wxcontacts_async.store.dialects import Dialect

# The fields of a contact besides its `user_name`, as the document has them.
FIELDS = (
    "alias_name",
    "nick_name",
    "big_head",
    "small_head",
    "sex",
    "signature",
    "country",
    "province",
    "city",
)
# What a change is a change of.
VALUES = ("kind", *FIELDS)

_CONTACT = """
    w_id TEXT NOT NULL,
    user_name TEXT NOT NULL,
    kind TEXT NOT NULL,
    alias_name TEXT,
    nick_name TEXT,
    big_head TEXT,
    small_head TEXT,
    sex BIGINT NOT NULL,
    signature TEXT,
    country TEXT,
    province TEXT,
    city TEXT"""

# The columns of `instances`.
OUTCOME_COLUMNS = (
    "w_id",
    "gateway",
    "outcome",
    "tried_at",
    "synced_at",
    "contacts",
    "calls",
    "suspected_at",
    "suspected_stored",
    "suspected_missing",
    "suspected_digest",
    "suspected_since",
    "suspected_kinds",
    "digest",
)
WHOLE_NUMBERS = frozenset({"contacts", "calls", "suspected_stored", "suspected_missing"})
_OUTCOME = ", ".join(
    f"{name} {'BIGINT' if name in WHOLE_NUMBERS else 'TEXT'}" for name in OUTCOME_COLUMNS
)

# Those temporary tables that have few rows, by their columns. In PostgreSQL they are a parameter
# instead, as to make a table takes longer there than all else that is done with it.
SMALL: Mapping[str, Mapping[str, str]] = {
    # The instances that a query asks for.
    "asked": {"w_id": "TEXT"},
    # The fingerprints of what is there now.
    "fingerprinted": {"w_id": "TEXT", "digest": "TEXT", "contacts": "BYTEA"},
    # Contacts that are held.
    "held": {"w_id": "TEXT", "user_name": "TEXT", "since": "TEXT", "accepted": "BIGINT"},
    # How instances ended.
    "settled": {name: "BIGINT" if name in WHOLE_NUMBERS else "TEXT" for name in OUTCOME_COLUMNS},
}

# The temporary tables of a merge.
STAGING: Mapping[str, str] = {
    # The contacts that arrived, and when they were fetched.
    "arriving": f"CREATE TEMPORARY TABLE arriving ({_CONTACT}, at TEXT NOT NULL){{temporary}}",
    # The instances that a query asks for.
    "asked": "CREATE TEMPORARY TABLE asked (w_id TEXT NOT NULL){temporary}",
    # Contacts that are there and did not arrive.
    "departing": """
        CREATE TEMPORARY TABLE departing (
            w_id TEXT NOT NULL,
            user_name TEXT NOT NULL,
            at TEXT NOT NULL,
            PRIMARY KEY (w_id, user_name)
        ){clustered}{temporary}""",
    # The fingerprints of what is there now.
    "fingerprinted": """
        CREATE TEMPORARY TABLE fingerprinted (
            w_id TEXT NOT NULL,
            digest TEXT NOT NULL,
            contacts {binary} NOT NULL
        ){temporary}""",
    # Contacts that are held.
    "held": """
        CREATE TEMPORARY TABLE held (
            w_id TEXT NOT NULL,
            user_name TEXT NOT NULL,
            since TEXT NOT NULL,
            accepted BIGINT NOT NULL
        ){temporary}""",
    # How instances ended.
    "settled": f"CREATE TEMPORARY TABLE settled ({_OUTCOME}){{temporary}}",
}

# What a role must have of PostgreSQL to read, and to write.
READ_RIGHTS: Mapping[str, tuple[str, ...]] = dict.fromkeys(
    (
        "contact_changes",
        "contacts",
        "instances",
        "missing_contacts",
        "wxcontacts_schema",
    ),
    ("SELECT",),
)
WRITE_RIGHTS: Mapping[str, tuple[str, ...]] = {
    "contact_changes": ("SELECT", "INSERT"),
    "contact_fingerprints": ("SELECT", "INSERT", "UPDATE"),
    "contacts": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "instances": ("SELECT", "INSERT", "UPDATE"),
    "missing_contacts": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "wxcontacts_schema": ("SELECT",),
}


def small_table(name: str, number: int) -> str:
    """Return what stands in PostgreSQL for a small table that is a parameter, of that number."""
    columns = SMALL[name]
    texts = ", ".join(
        f"{column} {'TEXT' if kind == 'BYTEA' else kind}" for column, kind in columns.items()
    )
    values = ", ".join(
        f"decode({column}, 'base64') AS {column}" if kind == "BYTEA" else column
        for column, kind in columns.items()
    )
    return (
        f"(SELECT {values} FROM json_to_recordset(CAST(${number} AS JSON)) AS it({texts})) {name}"
    )


def in_dialect(statement: str, dialect: Dialect) -> str:
    """Fill in what a statement leaves to the dialect."""
    return statement.format(
        timestamp=dialect.timestamp,
        json=dialect.json,
        binary=dialect.binary,
        serial=dialect.serial,
        clustered=dialect.clustered,
        temporary=dialect.temporary,
    )
