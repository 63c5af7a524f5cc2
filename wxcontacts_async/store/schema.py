"""The tables, and how older ones become those of today."""

from wxcontacts_async.store.dialects import Dialect
from wxcontacts_async.store.errors import StoreError, StoreVersionError
from wxcontacts_async.store.session import Session

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

_OWN_DATABASE = "Give the store a database, or a schema, without other tables of its names."

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

_STAGING = (
    # The contacts that arrived, and when they were fetched.
    f"CREATE TEMPORARY TABLE arriving ({_CONTACT}, at TEXT NOT NULL){{temporary}}",
    # The instances that a query asks for.
    "CREATE TEMPORARY TABLE asked (w_id TEXT NOT NULL){temporary}",
    # Contacts that are there and did not arrive.
    """
    CREATE TEMPORARY TABLE departing (
        w_id TEXT NOT NULL,
        user_name TEXT NOT NULL,
        at TEXT NOT NULL,
        PRIMARY KEY (w_id, user_name)
    ){clustered}{temporary}""",
    # The fingerprints of what is there now.
    """
    CREATE TEMPORARY TABLE fingerprinted (
        w_id TEXT NOT NULL,
        digest TEXT NOT NULL,
        contacts {binary} NOT NULL
    ){temporary}""",
    # Contacts that are held.
    """
    CREATE TEMPORARY TABLE held (
        w_id TEXT NOT NULL,
        user_name TEXT NOT NULL,
        since TEXT NOT NULL,
        accepted BIGINT NOT NULL
    ){temporary}""",
    # How instances ended.
    f"CREATE TEMPORARY TABLE settled ({_OUTCOME}){{temporary}}",
)
STAGED = ("arriving", "asked", "departing", "fingerprinted", "held", "settled")


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


def prepare(session: Session) -> None:
    """Make the tables, or bring them up to date, and make those for staging.

    Raises:
        StoreVersionError: They are of a newer version than this library knows.
        StoreError: They cannot be made, as for want of rights.

    """
    if _version(session) != VERSION:
        with session.transaction():
            # Asked again, as another one may have done it meanwhile.
            _migrate(session, _version(session))
    for statement in _STAGING:
        session.execute(in_dialect(statement, session.dialect))


def _version(session: Session) -> int:
    if not session.rows(session.dialect.find_table.format("wxcontacts_schema"))[0][0]:
        return 0
    try:
        found = session.rows("SELECT wxcontacts_schema.version FROM wxcontacts_schema LIMIT 2")
    except StoreError as error:
        error.advice = _OWN_DATABASE
        raise
    if len(found) != 1 or not isinstance(found[0][0], int) or found[0][0] < 1:
        what = "the table wxcontacts_schema does not say which version the tables are of"
        raise StoreError(what, advice=_OWN_DATABASE)
    version: int = found[0][0]
    if version > VERSION:
        what = f"the database has tables of version {version}; this library knows {VERSION}"
        raise StoreVersionError(what)
    return version


def _migrate(session: Session, version: int) -> None:
    if version == VERSION:
        return
    made = ("CREATE TABLE wxcontacts_schema (version BIGINT NOT NULL)",)
    known = ("DELETE FROM wxcontacts_schema", f"INSERT INTO wxcontacts_schema VALUES ({VERSION})")
    try:
        for statements in (*(() if version else (made,)), *MIGRATIONS[version:], known):
            for statement in statements:
                session.execute(in_dialect(statement, session.dialect))
    except StoreError as error:
        error.advice = _OWN_DATABASE
        raise
