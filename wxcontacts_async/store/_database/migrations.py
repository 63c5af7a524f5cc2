"""Migrations: the statements that bring the tables from each version to the next; frozen.

What stands in braces is a type or clause of the dialect. A test pins the hash of each migration: a
new column is a new migration.
"""

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
        """
        CREATE TABLE contacts (
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
            city TEXT,
            first_seen {timestamp} NOT NULL,
            last_changed {timestamp} NOT NULL,
            PRIMARY KEY (w_id, user_name)
        ){clustered}""",
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
    # The fingerprints of each instance's contacts, valid while `instances` has the same digest.
    (
        """
        CREATE TABLE contact_fingerprints (
            w_id TEXT NOT NULL PRIMARY KEY,
            digest TEXT NOT NULL,
            contacts {binary} NOT NULL
        )""",
    ),
    # The contacts that are held though answers lack them. suspected_digest is of older versions:
    # where it is not null, these contacts are not known. One is accepted where `accepted` is 1;
    # where it is -n, n of them are, it is not known which.
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
    # The digest of the reply that an instance's contacts are all of, where there is one, with the
    # revision of these, as an older version may go on writing; and how many there are of each kind.
    (
        "ALTER TABLE instances ADD COLUMN reply_digest TEXT",
        "ALTER TABLE instances ADD COLUMN official_accounts BIGINT",
        "ALTER TABLE instances ADD COLUMN friends BIGINT",
        "ALTER TABLE instances ADD COLUMN groups BIGINT",
        "{forget_replies}",
    ),
    # The values of contacts' fields beside the document's, by name, in an object; and which of
    # these there are: not in a table of its own, for which roles would lack a right.
    (
        "ALTER TABLE contacts ADD COLUMN more {json}",
        "ALTER TABLE wxcontacts_schema ADD COLUMN fields TEXT",
    ),
)
VERSION = len(MIGRATIONS)
