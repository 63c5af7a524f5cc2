"""Reads the URL of a database."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from wxcontacts_async.errors import InvalidArgumentError
from wxcontacts_async.store._database.dialect import Dialect
from wxcontacts_async.store._database.listener import Listener
from wxcontacts_async.store._database.opening import Opened, Opening
from wxcontacts_async.store._database.postgresql import POSTGRESQL
from wxcontacts_async.store._database.sqlite import SQLITE
from wxcontacts_async.store._database.sqlite_files import open_file

_SQLITE = "sqlite:///"
_POSTGRESQL = ("postgresql://", "postgres://")
# What would end a path in other URLs is written so; any other % is itself.
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
    # Shown to a store that waits for this one, unless the URL gives a name.
    "fallback_application_name": "wxcontacts_async",
}


@dataclass(frozen=True)
class Address:
    """Where a database is.

    Attributes:
        dialect: What kind it is.
        shown: Its URL without any password.
        secrets: The passwords in its URL, in each form in which a message may quote them.
        connect: Opens it, given what for and for how many seconds to wait for a lock.
        path: The file; None where it is none.
        listener: Makes what listens to the server, given what it is to call; None for a file.

    """

    dialect: Dialect
    shown: str
    secrets: tuple[str, ...]
    connect: Callable[[Opening, float], Opened]
    path: Path | None = None
    listener: Callable[[Callable[[], None]], Listener] | None = None


def read_address(url: object) -> Address:
    """Read a database's URL: `sqlite:///path` or `postgresql://user@host/database`.

    As elsewhere, three slashes go before a relative path and four are an absolute one. In a path,
    ? is written %3F, # is %23, and the % before one of these is %25; any other % is itself. The
    InvalidArgumentError for any other URL has no password.
    """
    if isinstance(url, str) and "\0" not in url:
        path = url.removeprefix(_SQLITE)
        if path not in {url, "", ":memory:"}:
            return _sqlite(url, path)
        if url.startswith(_POSTGRESQL):
            return _postgresql(url)
    msg = "url must be sqlite:///PATH or postgresql://USER@HOST/DATABASE"
    raise InvalidArgumentError(msg, argument="url")


def _sqlite(url: str, written: str) -> Address:
    for sign, code in (("?", "%3F"), ("#", "%23")):
        if sign in written:
            name = written.partition(sign)[2].partition("=")[0]
            what = f"url has the unknown parameter {name!r}; in a file's name, {sign} is {code}"
            raise InvalidArgumentError(what, argument="url")
    path = Path(_WRITTEN.sub(lambda found: unquote(found[0]), written))

    @cache  # the working directory may have changed when it is opened again
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
        raise InvalidArgumentError(_UNREADABLE, argument="url") from None
    user, at, host = parts.netloc.rpartition("@")
    # A password that is not percent-encoded may end early and go on as anything.
    if (
        "@" in user + parts.path
        or "#" in url
        or not all(_HOST.fullmatch(one) for one in host.split(","))
        or not all("=" in setting for setting in parts.query.split("&") if parts.query)
    ):
        raise InvalidArgumentError(_UNREADABLE, argument="url")
    # Its query is not shown: it may hold a password, too.
    shown = urlunsplit((parts.scheme, f"{user.partition(':')[0]}{at}{host}", parts.path, "", ""))
    settings = dict(setting.split("=", 1) for setting in parts.query.split("&") if setting)
    written = [password, *(value for name, value in settings.items() if _SECRET.search(name))]
    secrets = {form for word in written if word for form in (word, quote(word), unquote(word))}
    more = [f"{name}={value}" for name, value in _CONNECTING.items() if name not in settings]
    complete = f"{url}{'&' if '?' in url else '?'}{'&'.join(more)}"

    def connect(opening: Opening, busy_timeout: float) -> Opened:  # noqa: ARG001
        # Imported here, so that a store on the one needs no driver of the other.
        from adbc_driver_postgresql import dbapi  # noqa: PLC0415

        return Opened(dbapi.connect(complete, autocommit=True))

    return Address(
        POSTGRESQL,
        shown,
        tuple(sorted(secrets, key=len, reverse=True)),
        connect,
        listener=partial(Listener, url),
    )
