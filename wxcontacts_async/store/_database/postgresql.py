"""PostgreSQL's dialect."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pyarrow as pa

from wxcontacts_async.store._database.dialect import FILLED, ONLY_READ, Dialect, Queries
from wxcontacts_async.store._database.listener import CHANNEL
from wxcontacts_async.store._database.postgresql_rights import missing_rights
from wxcontacts_async.store.errors import (
    StoreAccessError,
    StoreBusyError,
    StoreError,
    StoreFullError,
)

# For each transaction, as what they set ends with it: the next one may be on another connection
# of a pooler, and this one be another client's. First, what a role, a database or the environment
# may have set otherwise. Then joins by index: batches are small, but as nothing is known of a
# temporary table, PostgreSQL would read all contacts, and compile itself a program for that.
_SETTINGS = """
    SET LOCAL client_encoding = 'UTF8';
    SET LOCAL datestyle = 'ISO, YMD';
    SET LOCAL TIME ZONE 'UTC';
    SET LOCAL client_min_messages = warning;
    SET LOCAL enable_hashjoin = off;
    SET LOCAL enable_mergejoin = off;
    SET LOCAL jit = off;
    SET LOCAL random_page_cost = 1.1;
    SET LOCAL lock_timeout = {}"""

_WRITERS = 20571  # of our advisory locks
# By the schema of the tables, which need not be the first one of the search path; the same whether
# they exist or are about to be made.
_TABLES = """hashtext(coalesce(
    (SELECT relnamespace::text FROM pg_class
        WHERE relname = 'wxcontacts_schema' AND pg_table_is_visible(oid)),
    (SELECT oid::text FROM pg_namespace WHERE nspname = current_schema()), ''))"""
_LOCK = f"SELECT pg_advisory_xact_lock({_WRITERS}, {_TABLES})"
_HOLDER = f"""
    SELECT activity.pid, activity.application_name, host(activity.client_addr)
    FROM pg_locks JOIN pg_stat_activity activity USING (pid)
    WHERE locktype = 'advisory' AND classid = {_WRITERS} AND granted
        AND objid::bigint = {_TABLES}::bigint & 4294967295
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    LIMIT 1"""
_CAN_ONLY_READ = """
    SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only') = 'on'"""
_SCHEMA_OF = """
    SELECT CAST(nspname AS TEXT) FROM pg_namespace WHERE oid =
        (SELECT relnamespace FROM pg_class WHERE relname = '{}' AND pg_table_is_visible(oid))"""

# Any other cannot hold every name, or does not know what a letter is.
_ENCODING = "UTF8"
_GRANT = "Grant it, or give the store a role that has it."

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_DATA_EXCEPTION = "22"
_READ_ONLY = "25006"
_NO_RIGHT = "42501"
_DISK_FULL = "53100"
_LOCK_NOT_AVAILABLE = "55P03"


# Once a statement, so a batch pays for it once. Migrations have it: it must never change.
_FORGET_REPLIES = """
    CREATE OR REPLACE FUNCTION wxcontacts_forget_replies() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        EXECUTE
            format('UPDATE %I.instances SET reply_digest = NULL', TG_TABLE_SCHEMA)
            || ' WHERE reply_digest IS NOT NULL'
            || CASE TG_OP WHEN 'TRUNCATE' THEN ''
                ELSE ' AND w_id IN (SELECT w_id FROM written)' END;
        RETURN NULL;
    END $$;
    CREATE TRIGGER wxcontacts_inserted AFTER INSERT ON contacts
        REFERENCING NEW TABLE AS written
        FOR EACH STATEMENT EXECUTE FUNCTION wxcontacts_forget_replies();
    CREATE TRIGGER wxcontacts_updated AFTER UPDATE ON contacts
        REFERENCING OLD TABLE AS written
        FOR EACH STATEMENT EXECUTE FUNCTION wxcontacts_forget_replies();
    CREATE TRIGGER wxcontacts_deleted AFTER DELETE ON contacts
        REFERENCING OLD TABLE AS written
        FOR EACH STATEMENT EXECUTE FUNCTION wxcontacts_forget_replies();
    CREATE TRIGGER wxcontacts_truncated AFTER TRUNCATE ON contacts
        FOR EACH STATEMENT EXECUTE FUNCTION wxcontacts_forget_replies()"""


class MissingRightError(StoreAccessError):
    """A right is missing; which one, the server does not say."""


class _PostgreSQL(Dialect):
    name = "PostgreSQL"
    timestamp = "TIMESTAMPTZ"
    has_timestamps = True
    json = "JSON"
    binary = "BYTEA"
    serial = "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
    json_object = "json_build_object"
    as_json = "{}"
    comparable_json = "CAST({} AS jsonb)"
    clustered = ""
    temporary = " ON COMMIT DROP"
    keeps_temporary_tables = False
    # Making a table takes longer than all that is done with it.
    passes_small_tables = True
    texts_in = "SELECT jsonb_array_elements_text(CAST($1 AS jsonb))"
    keeps_nul = False
    locking = " FOR UPDATE"
    forget_replies = _FORGET_REPLIES
    needs_transactions = True
    begin_reading = f"BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; {_SETTINGS}"
    begin_writing = f"BEGIN ISOLATION LEVEL READ COMMITTED; {_SETTINGS}; {_LOCK}"
    announce = f"NOTIFY {CHANNEL}"
    data_version = "SELECT coalesce(max(id), 0) FROM contact_changes"
    look_every = 1.0  # it tells by itself, where nothing stands in between
    # What batches do without, as nothing is known of their tables; whole tables are joined so.
    begin_summing = "SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on"
    # Not to_regclass, which may not see a table that was made since the transaction began.
    count_tables = "SELECT count(*) FROM pg_class WHERE relname = '{}' AND pg_table_is_visible(oid)"
    write_advice = "Give the store the URL of a server, and of a role, that may write."

    def small_table(self, name: str, columns: pa.Schema, number: int) -> str:
        types, values = [], []
        for column in columns:
            is_binary = column.type == pa.binary()
            types.append(f"{column.name} {'BIGINT' if column.type == pa.int64() else 'TEXT'}")
            values.append(
                f"decode({column.name}, 'base64') AS {column.name}" if is_binary else column.name
            )
        return (
            f"(SELECT {', '.join(values)} FROM "
            f"json_to_recordset(CAST(${number} AS JSON)) AS it({', '.join(types)})) {name}"
        )

    def merged_json(self, stored: str, arrived: str, names: Sequence[str]) -> str:  # noqa: ARG002
        merged = f"CAST(coalesce({stored}, '{{}}') AS jsonb) || CAST({arrived} AS jsonb)"
        return f"CAST({merged} AS json)"

    def schema_of(self, table: str, queries: Queries) -> str | None:
        ((schema,),) = queries.rows(_SCHEMA_OF.format(table))
        return str(schema)

    def check_encoding(self, queries: Queries) -> None:
        ((encoding,),) = queries.rows("SELECT current_setting('server_encoding')")
        if encoding != _ENCODING:
            what = f"the database has the encoding {encoding}, which cannot hold every name"
            advice = f"Give the store one made with ENCODING '{_ENCODING}' TEMPLATE template0."
            raise StoreError(what, advice=advice)

    def check_may_write(self, queries: Queries) -> None:
        ((is_standby, is_read_only),) = queries.rows(_CAN_ONLY_READ)
        if is_standby or is_read_only:
            what = "the server is a standby" if is_standby else "its transactions are read-only"
            raise StoreAccessError(ONLY_READ + what, advice=self.write_advice)
        if lacking := missing_rights(queries.rows, writes=True):
            raise StoreAccessError(ONLY_READ + lacking, advice=_GRANT)

    def words(self, error: Exception) -> str:
        state = getattr(error, "sqlstate", None)
        if not state:
            return super().words(error)
        details = dict(getattr(error, "details", None) or ())
        words = details.get(b"PG_DIAG_MESSAGE_PRIMARY", b"").decode(errors="replace")
        if state.startswith(_DATA_EXCEPTION):
            words = "it cannot take a value"  # which the message quotes
        return f"{words or 'an error'} (SQLSTATE {state})"

    def translated(
        self,
        error: Exception,
        message: str,
        kind: type[StoreError],
        path: Path | None,  # noqa: ARG002  # it has none
    ) -> StoreError:
        state = getattr(error, "sqlstate", None)
        if state == _LOCK_NOT_AVAILABLE:
            return StoreBusyError(message)
        if state == _DISK_FULL:
            return StoreFullError(FILLED + message)
        if state == _READ_ONLY:
            return StoreAccessError(ONLY_READ + message, advice=self.write_advice)
        if state == _NO_RIGHT:
            return MissingRightError(message)
        return kind(message)

    def explained(
        self,
        error: StoreError,
        queries: Queries,
        *,
        is_begun: bool,
        writes: bool,
    ) -> StoreError:
        with suppress(StoreError):
            if isinstance(error, StoreBusyError):
                if is_begun:
                    locked_for = f"{queries.busy_timeout:g} s"
                    return StoreBusyError(f"a table is locked, for {locked_for} by now")
                return StoreBusyError(f"{error.what}: {_holder(queries)}")
            if isinstance(error, MissingRightError):
                lacking = missing_rights(queries.rows, writes=writes)
                what = f"{error.what}; {lacking}" if lacking else error.what
                return StoreAccessError(what, advice=_GRANT)
        return error


def _holder(queries: Queries) -> str:
    for pid, name, host in queries.rows(_HOLDER):
        return f"it is process {pid} of {host or 'this host'}, {name!r}"
    return "it has ended meanwhile"


POSTGRESQL = _PostgreSQL()
