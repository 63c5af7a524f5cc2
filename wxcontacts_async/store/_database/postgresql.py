"""PostgreSQL's dialect."""

from contextlib import suppress
from pathlib import Path

import pyarrow as pa

from wxcontacts_async.store._database.dialect import (
    FILLED,
    ONLY_READ,
    Dialect,
    Queries,
)
from wxcontacts_async.store._database.postgresql_rights import missing_rights
from wxcontacts_async.store.errors import (
    StoreAccessError,
    StoreBusyError,
    StoreError,
    StoreFullError,
)

# For each transaction, as what they set ends with it: the next one may be on another connection
# of a pooler, and this one be another client's.
_SETTINGS = (
    # What a role, a database or the environment may have set otherwise.
    "SET LOCAL client_encoding = 'UTF8'",
    "SET LOCAL datestyle = 'ISO, YMD'",
    "SET LOCAL TIME ZONE 'UTC'",
    "SET LOCAL client_min_messages = warning",
    # Batches are small, and what they are joined with has an index. As nothing is known of a
    # temporary table, it would read all of the contacts instead of the batch's, and compile
    # itself a program for that.
    "SET LOCAL enable_hashjoin = off",
    "SET LOCAL enable_mergejoin = off",
    "SET LOCAL jit = off",
    "SET LOCAL random_page_cost = 1.1",
)

_WRITERS = 20571  # tells our advisory locks from others'
# By the schema that the tables are in, which need not be the first that this user looks into; the
# same whether they are there already or are about to be made.
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

# It can hold every name; any other cannot, or does not know what a letter is.
_ENCODING = "UTF8"
_GRANT = "Grant it, or give the store a role that has it."

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_DATA_EXCEPTION = "22"
_READ_ONLY = "25006"
_NO_RIGHT = "42501"
_DISK_FULL = "53100"
_LOCK_NOT_AVAILABLE = "55P03"


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
    clustered = ""
    temporary = " ON COMMIT DROP"
    keeps_temporary_tables = False
    # As making a table takes longer there than all else that is done with it.
    passes_small_tables = True
    keeps_nul = False
    needs_transactions = True
    cursor_options = {}  # noqa: RUF012
    connected = ()
    # Not to_regclass, which may not see what another one made since the transaction began.
    count_tables = "SELECT count(*) FROM pg_class WHERE relname = '{}' AND pg_table_is_visible(oid)"
    write_advice = "Give the store the URL of a server, and of a role, that may write."

    def begin_reading(self, busy_timeout: float) -> tuple[str, ...]:
        begin = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
        return (begin, *_SETTINGS, _lock_timeout(busy_timeout))

    def begin_writing(self, busy_timeout: float) -> tuple[str, ...]:
        begin = "BEGIN ISOLATION LEVEL READ COMMITTED"
        return (begin, *_SETTINGS, _lock_timeout(busy_timeout), _LOCK)

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

    def prepare_to_write(self, queries: Queries) -> str | None:  # noqa: ARG002
        return None

    def words(self, error: Exception) -> str:
        state = getattr(error, "sqlstate", None)
        if not state:
            return super().words(error)
        details = dict(getattr(error, "details", None) or ())
        words = details.get(b"PG_DIAG_MESSAGE_PRIMARY", b"").decode(errors="replace")
        if state.startswith(_DATA_EXCEPTION):
            words = "it cannot take a value"  # which is quoted there
        return f"{words or 'an error'} (SQLSTATE {state})"

    def translated(
        self,
        error: Exception,
        message: str,
        kind: type[StoreError],
        *,
        path: Path | None,  # noqa: ARG002  # it is none
        busy: str,
    ) -> StoreError:
        state = getattr(error, "sqlstate", None)
        if state == _LOCK_NOT_AVAILABLE:
            return StoreBusyError(busy)
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
        busy_timeout: float,
    ) -> StoreError:
        with suppress(StoreError):
            if isinstance(error, StoreBusyError):
                if is_begun:
                    return StoreBusyError(f"a table is locked, for {busy_timeout:g} s by now")
                return StoreBusyError(f"{error.what}: {_holder(queries)}")
            if isinstance(error, MissingRightError):
                lacking = missing_rights(queries.rows, writes=writes)
                what = f"{error.what}; {lacking}" if lacking else error.what
                return StoreAccessError(what, advice=_GRANT)
        return error


def _lock_timeout(busy_timeout: float) -> str:
    return f"SET LOCAL lock_timeout = {max(1, int(busy_timeout * 1000))}"


def _holder(queries: Queries) -> str:
    for pid, name, host in queries.rows(_HOLDER):
        return f"it is process {pid} of {host or 'this host'}, {name!r}"
    return "it has ended meanwhile"


POSTGRESQL = _PostgreSQL()
