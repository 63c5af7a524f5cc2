"""Those who are compared in writing contacts into a database, one small file each.

Each file has one function, `opened(url)`: an async context manager that opens a database in which
the tables of ContactStore are, and gives a `Sync`, which brings it in step with what a pool
fetches: the contacts, the change log and how each instance ended. All fetch with
`SessionPool.stream`, so that only the writing differs.
"""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from typing import Literal, Protocol, TypeAlias, cast

import msgspec

from benchmarks.contenders import version_of
from wxcontacts_async import Contact, SessionPool

DatabaseName: TypeAlias = Literal["SQLite", "PostgreSQL"]
Sync: TypeAlias = Callable[[SessionPool[Contact], Iterable[str]], Awaitable[None]]


class Writer(Protocol):
    """What a contender's module has."""

    def opened(self, url: str) -> AbstractAsyncContextManager[Sync]:
        """Open the database."""


class StoreContender(msgspec.Struct, frozen=True):
    """One row of the tables.

    Attributes:
        name: How it is called in the report and in `--only`.
        module: Its module in this package.
        database: Which one it writes to; None is none.
        packages: What must be installed for it.

    """

    name: str
    module: str
    database: DatabaseName | None
    packages: tuple[str, ...] = ()

    @property
    def is_library(self) -> bool:
        """Whether it is ours."""
        return self.module == "library"

    def writer(self) -> Writer:
        """Import it."""
        return cast("Writer", import_module(f"{__name__}.{self.module}"))

    def missing(self) -> list[str]:
        """Return which of its packages are not installed."""
        return [package for package in self.packages if version_of(package) is None]


FETCH_ONLY = StoreContender("fetch-only", "fetch_only", None)
LIBRARY_SQLITE = StoreContender(
    "wxcontacts_async-sqlite",
    "library",
    "SQLite",
    ("adbc-driver-sqlite", "pyarrow"),
)
LIBRARY_POSTGRESQL = StoreContender(
    "wxcontacts_async-postgresql",
    "library",
    "PostgreSQL",
    ("adbc-driver-postgresql", "pyarrow"),
)
ASYNCPG = StoreContender("asyncpg-copy", "asyncpg_copy", "PostgreSQL", ("asyncpg",))
STORE_CONTENDERS = (
    FETCH_ONLY,
    LIBRARY_SQLITE,
    StoreContender("sqlite3-executemany", "sqlite3_executemany", "SQLite"),
    StoreContender("sqlalchemy-sqlite", "sqlalchemy_core", "SQLite", ("sqlalchemy",)),
    LIBRARY_POSTGRESQL,
    ASYNCPG,
)
STORE_BY_NAME = {contender.name: contender for contender in STORE_CONTENDERS}
