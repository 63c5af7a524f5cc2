"""The tables, and how older ones become those of today."""

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

# One entry a version: what makes its tables of those of the version before.
MIGRATIONS = (
    (
        """
        CREATE TABLE instances (
            w_id TEXT NOT NULL PRIMARY KEY,
            gateway TEXT NOT NULL,
            outcome TEXT NOT NULL,
            tried_at {timestamp} NOT NULL,
            synced_at {timestamp},
            contacts BIGINT,
            calls BIGINT NOT NULL
        ){clustered}""",
        f"""
        CREATE TABLE contacts ({_CONTACT},
            first_seen {{timestamp}} NOT NULL,
            last_changed {{timestamp}} NOT NULL,
            PRIMARY KEY (w_id, user_name)
        ){{clustered}}""",
        """
        CREATE TABLE contact_changes (
            id {serial},
            w_id TEXT NOT NULL,
            user_name TEXT NOT NULL,
            change TEXT NOT NULL,
            fields TEXT NOT NULL,
            before {json},
            after {json},
            at {timestamp} NOT NULL
        )""",
        # With the wId, or PostgreSQL would look for a contact of one instance among those of all.
        "CREATE INDEX contacts_by_user_name ON contacts (user_name, w_id)",
        "CREATE INDEX contact_changes_by_time ON contact_changes (at)",
    ),
    (
        "ALTER TABLE instances ADD COLUMN suspected_at {timestamp}",
        "ALTER TABLE instances ADD COLUMN suspected_stored BIGINT",
        "ALTER TABLE instances ADD COLUMN suspected_missing BIGINT",
        "ALTER TABLE instances ADD COLUMN suspected_digest TEXT",
        "CREATE INDEX contact_changes_by_instance ON contact_changes (w_id, at)",
    ),
    ("ALTER TABLE instances ADD COLUMN digest TEXT",),
    # What each instance's contacts are like since a set was merged that left its digest in
    # `instances`, too.
    (
        """
        CREATE TABLE contact_fingerprints (
            w_id TEXT NOT NULL PRIMARY KEY,
            digest TEXT NOT NULL,
            contacts {binary} NOT NULL
        )""",
    ),
    # The contacts that are held though answers lack them, as long as their instance is suspicious.
    # Its suspected_digest is of older versions: where it is not null, these are not known. Those
    # are accepted of which accepted is 1; where it is -n, n of the contacts are, whichever.
    (
        """
        CREATE TABLE missing_contacts (
            w_id TEXT NOT NULL,
            user_name TEXT NOT NULL,
            since {timestamp} NOT NULL,
            accepted BIGINT NOT NULL,
            PRIMARY KEY (w_id, user_name)
        ){clustered}""",
        "ALTER TABLE instances ADD COLUMN suspected_since {timestamp}",
        "ALTER TABLE instances ADD COLUMN suspected_kinds TEXT",
    ),
)
VERSION = len(MIGRATIONS)

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
