"""What differs between SQLite and PostgreSQL; all else is the same SQL on both."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from wxcontacts_async.errors import InvalidArgumentError
from wxcontacts_async.store._database.opening import Opened, Opening
from wxcontacts_async.store._database.sqlite_files import open_file

_CACHE_KIB = 96 * 1024  # what a batch writes to, the leaves of large indexes included
_WAL_PAGES = 64 * 1024  # of 4 KiB
_SQLITE = "sqlite:///"
_POSTGRESQL = ("postgresql://", "postgres://")
# What would end a path or begin something else in other URLs is written so; any other % is itself.
_WRITTEN = re.compile("%(3F|23|25)", re.IGNORECASE)
_HOST = re.compile(r"(\[[^\]]*\]|[^:]*)(:[0-9]*)?")
_UNREADABLE = (
    "url must be postgresql://USER@HOST:PORT/DATABASE, "
    "in which all but letters and digits of a name or password is percent-encoded"
)

# Settings of libpq that are as good as a password.
_SECRET = re.compile("password|secret")
# So that a server that is silent, or a network that is gone, is noticed within a minute. See
# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS.
_CONNECTING = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
    # What others see who ask whom they wait for; a name that is given goes first.
    "fallback_application_name": "wxcontacts_async",
}


@dataclass(frozen=True)
class Dialect:
    """One kind of database.

    Attributes:
        name: What it is called.
        timestamp: The type of a point in time. In SQLite that is text, in UTC, in the form that
            its own date functions write and read.
        json: The type of a JSON text.
        binary: The type of bytes.
        json_object: The function that makes an object of names and values.
        serial: The type of a number that counts up.
        clustered: What stands behind a table that is kept in the order of its primary key.
        begin: Begins a transaction that writes.
        begin_reading: Begins one in which all queries see the same.
        temporary: What stands behind a temporary table.
        find_table: Asks how many tables there are of a name.
        connected: Statements for each new connection.
        begun: Statements for each transaction, as what they set ends with it: the next one may be
            on another connection of a pooler, and this one be somebody else's.
        has_timestamps: Whether there is a type for a point in time, so that it is none of text.
        find_schema: Asks for the schema that a table is in; "" where there are none.
        find_encoding: Asks for the encoding of its texts; "" where there is but one.
        keeps_nul: Whether text may hold U+0000.

    """

    name: str
    timestamp: str
    json: str
    binary: str
    json_object: str
    serial: str
    clustered: str
    begin: str
    begin_reading: str
    temporary: str
    find_table: str
    connected: tuple[str, ...]
    begun: tuple[str, ...]
    has_timestamps: bool
    find_schema: str
    find_encoding: str
    keeps_nul: bool

    def fill_in(self, statement: str) -> str:
        """Fill in the types and clauses that a statement leaves to the dialect, in braces."""
        return statement.format_map(vars(self))


SQLITE = Dialect(
    name="SQLite",
    timestamp="TEXT",
    json="TEXT",
    binary="BLOB",
    json_object="json_object",
    serial="INTEGER PRIMARY KEY AUTOINCREMENT",
    clustered=" WITHOUT ROWID",
    # Takes the lock for writing at once, as taking it later fails without any waiting.
    begin="BEGIN IMMEDIATE",
    begin_reading="BEGIN",
    temporary="",
    find_table="SELECT count(*) FROM sqlite_master WHERE name = '{}'",
    connected=(
        "PRAGMA temp_store = MEMORY",
        f"PRAGMA cache_size = -{_CACHE_KIB}",
        # Batch after batch touches most pages of the index by user_name: let them be written back
        # into the file once for several. The file beside the database grows to 256 MiB for it.
        f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}",
    ),
    begun=(),
    has_timestamps=False,
    find_schema="",
    find_encoding="",
    keeps_nul=True,
)

POSTGRESQL = Dialect(
    name="PostgreSQL",
    timestamp="TIMESTAMPTZ",
    json="JSON",
    binary="BYTEA",
    json_object="json_build_object",
    serial="BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    clustered="",
    begin="BEGIN ISOLATION LEVEL READ COMMITTED",
    begin_reading="BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    temporary=" ON COMMIT DROP",
    # Not to_regclass, which may not see what another one made since the transaction began.
    find_table="SELECT count(*) FROM pg_class WHERE relname = '{}' AND pg_table_is_visible(oid)",
    connected=(),
    begun=(
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
    ),
    has_timestamps=True,
    find_schema=(
        "SELECT CAST(nspname AS TEXT) FROM pg_namespace WHERE oid = "
        "(SELECT relnamespace FROM pg_class WHERE relname = '{}' AND pg_table_is_visible(oid))"
    ),
    find_encoding="SELECT current_setting('server_encoding')",
    keeps_nul=False,
)


@dataclass(frozen=True)
class Address:
    """Where a database is.

    Attributes:
        dialect: What kind it is.
        shown: Its URL without any password.
        secrets: The passwords in its URL, in each form in which a message may quote them.
        connect: Opens it, given what for and for how many seconds to wait for others.
        path: The file; None where it is none.

    """

    dialect: Dialect
    shown: str
    secrets: tuple[str, ...]
    connect: Callable[[Opening, float], Opened]
    path: Path | None = None


def read_address(url: object) -> Address:
    """Read a database's URL: `sqlite:///path` or `postgresql://user@host/database`.

    As elsewhere, three slashes go before a relative path and four are an absolute one. In a path,
    ? is written %3F, # is %23, and the % before one of these is %25; any other % is itself.

    Raises:
        InvalidArgumentError: It is none of these, or there is no such parameter. The message has
            no password.

    """
    if isinstance(url, str) and "\0" not in url:
        path = url.removeprefix(_SQLITE)
        if path not in {url, "", ":memory:"}:
            return _sqlite(url, path)
        if url.startswith(_POSTGRESQL):
            return _postgresql(url)
    msg = "url must be sqlite:///PATH or postgresql://USER@HOST/DATABASE"
    raise InvalidArgumentError(msg)


def _sqlite(url: str, written: str) -> Address:
    for sign, code in (("?", "%3F"), ("#", "%23")):
        if sign in written:
            name = written.partition(sign)[2].partition("=")[0]
            what = f"url has the unknown parameter {name!r}; in a file's name, {sign} is {code}"
            raise InvalidArgumentError(what)
    path = Path(_WRITTEN.sub(lambda found: unquote(found[0]), written))

    @cache  # the working directory may be another one when it is opened again
    def absolute() -> Path:
        return path.absolute()

    def connect(opening: Opening, busy_timeout: float) -> Opened:
        return open_file(absolute(), opening, busy_timeout)

    return Address(SQLITE, url, (), connect, path)


def _postgresql(url: str) -> Address:
    try:
        parts = urlsplit(url)
        password = parts.password
    except ValueError:
        raise InvalidArgumentError(_UNREADABLE) from None
    user, at, host = parts.netloc.rpartition("@")
    # A password that is not percent-encoded may end early and go on as anything.
    if (
        "@" in user + parts.path
        or "#" in url
        or not all(_HOST.fullmatch(one) for one in host.split(","))
        or not all("=" in setting for setting in parts.query.split("&") if parts.query)
    ):
        raise InvalidArgumentError(_UNREADABLE)
    # Its query is not shown: it may hold a password, too.
    shown = urlunsplit((parts.scheme, f"{user.partition(':')[0]}{at}{host}", parts.path, "", ""))
    settings = dict(setting.split("=", 1) for setting in parts.query.split("&") if setting)
    written = [password, *(value for name, value in settings.items() if _SECRET.search(name))]
    secrets = {form for word in written if word for form in (word, quote(word), unquote(word))}
    more = [f"{name}={value}" for name, value in _CONNECTING.items() if name not in settings]
    complete = f"{url}{'&' if '?' in url else '?'}{'&'.join(more)}"

    def connect(opening: Opening, busy_timeout: float) -> Opened:  # noqa: ARG001  # others' to heed
        # Imported here, so that a store on the one needs no driver of the other.
        from adbc_driver_postgresql import dbapi  # noqa: PLC0415

        return Opened(dbapi.connect(complete, autocommit=True))

    return Address(POSTGRESQL, shown, tuple(sorted(secrets, key=len, reverse=True)), connect)
