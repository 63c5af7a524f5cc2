"""Passwords are shown nowhere, contacts are for their owner alone, and wrong arguments fail."""

import logging
import math
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from anyio.to_thread import run_sync

from tests.support.postgresql import PASSWORD, PostgresqlServer, execute
from tests.support.syncing import GivenGateway, friends, scene
from wxcontacts_async import InvalidArgumentError, SessionPool
from wxcontacts_async.store import ContactStore, StoreConnectionError, StoreError

# The database does the same on any loop, so asyncio's will do.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])

WRONG = "wr0ng/p@ss:word#?"
QUOTED = quote(WRONG, safe="")


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.glob("contacts.db*")}


async def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        async with scene(f"sqlite:///{tmp_path}/contacts.db") as it:
            await it.synced(friends("a"))
            names = ("contacts.db", "contacts.db-wal", "contacts.db-shm")
            assert modes(tmp_path) == dict.fromkeys(names, 0o600)
        assert modes(tmp_path) == {"contacts.db": 0o600}
    finally:
        os.umask(before)


async def test_a_file_that_is_there_keeps_its_permissions(tmp_path: Path) -> None:
    file = tmp_path / "contacts.db"
    file.touch()
    file.chmod(0o640)
    async with scene(f"sqlite:///{file}") as it:
        await it.synced(friends("a"))
        assert set(modes(tmp_path).values()) == {0o640}


async def test_a_path_may_have_any_letters_and_be_relative(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = "联系人 %20?#%3f&=;100%.db"
    written = "联系人 %20%3F%23%253f&=;100%.db"
    store = ContactStore(f"sqlite:///{written}")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    async with store:
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert repr(store) == f"ContactStore('sqlite:///{written}')"
    async with store:
        pass
    assert (tmp_path / name).exists()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def shown(error: BaseException) -> str:
    """Return all that a traceback of it shows."""
    causes = [error.__cause__, None if error.__suppress_context__ else error.__context__]
    return "\n".join([str(error), repr(error), *(shown(cause) for cause in causes if cause)])


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://guarded:{QUOTED}@/postgres?host=HOST",
        f"postgresql://guarded@/postgres?host=HOST&password={QUOTED}",
        f"postgresql://guarded:{QUOTED}@localhost:port/postgres",
        f"postgresql://guarded:{QUOTED}@localhost:99999/postgres",
        f"postgresql://guarded:{QUOTED}@/postgres?host=HOST&{QUOTED}=1",
        f"postgresql://guarded:{QUOTED}@/postgres?host=HOST&sslmode={QUOTED}",
        f"postgresql://guarded:{QUOTED}@[::1/postgres",
        f"postgresql://guarded:{QUOTED}%@/postgres?host=HOST",
        "postgresql://guarded:wr0ng/p@ss:word@localhost/postgres",
        "postgresql://guarded:12/wr0ng@localhost/postgres",
        "postgresql://guarded:wr0ng?p@localhost/postgres",
        "postgresql://guarded:wr0ng#p@localhost/postgres",
        "postgresql://guarded:p@wr0ng@localhost/postgres",
        "postgresql://guarded:wr0ng",
    ],
)
async def test_a_password_is_in_no_message(
    postgresql: PostgresqlServer,
    caplog: pytest.LogCaptureFixture,
    url: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    url = url.replace("HOST", str(postgresql.folder))
    seen = ""

    async def enter() -> None:
        nonlocal seen
        store = ContactStore(url)
        seen = repr(store)
        await store.__aenter__()

    with pytest.raises((StoreConnectionError, InvalidArgumentError)) as raised:
        await enter()
    for said in (seen, shown(raised.value), caplog.text):
        assert "wr0ng" not in said
        assert WRONG not in said
        assert QUOTED not in said


async def test_the_right_password_lets_in(postgresql: PostgresqlServer) -> None:
    quoted = quote(PASSWORD, safe="")
    await run_sync(
        execute,
        postgresql.url(),
        f"CREATE ROLE guarded LOGIN PASSWORD '{PASSWORD}'",
        "CREATE SCHEMA guarded AUTHORIZATION guarded",
    )
    try:
        for url in (
            postgresql.url("guarded", user=f"guarded:{quoted}"),
            postgresql.url("guarded", user="guarded", password=PASSWORD),
        ):
            async with scene(url) as it:
                await it.synced(friends("a"))
                assert repr(it.store) == "ContactStore('postgresql://guarded@/postgres')"
                wrong = postgresql.url("guarded", user=f"guarded:{QUOTED}")
                with pytest.raises(StoreConnectionError, match="password authentication failed"):
                    await ContactStore(wrong).__aenter__()
        async with scene(url) as it:
            await run_sync(execute, postgresql.url(), "ALTER ROLE guarded CONNECTION LIMIT 0")
            with pytest.raises(StoreConnectionError, match="too many connections for role"):
                await ContactStore(url).__aenter__()
    finally:
        drop = ("DROP OWNED BY guarded CASCADE", "DROP ROLE guarded")
        await run_sync(execute, postgresql.url(), *drop)


async def test_without_the_right_to_make_tables_it_says_so(postgresql: PostgresqlServer) -> None:
    make = ("CREATE ROLE reader LOGIN PASSWORD 'x'", "CREATE SCHEMA others")
    await run_sync(execute, postgresql.url(), *make)
    try:
        with pytest.raises(StoreError, match=re.escape("SQLSTATE ")):
            await ContactStore(postgresql.url("others", user="reader:x")).__aenter__()
    finally:
        await run_sync(execute, postgresql.url(), "DROP SCHEMA others", "DROP ROLE reader")


@pytest.mark.parametrize(
    "url",
    [
        "",
        None,
        7,
        b"sqlite:///contacts.db",
        Path("contacts.db"),
        "contacts.db",
        "sqlite://contacts.db",
        "sqlite:///",
        "sqlite:///a\0b",
        "mysql://host/database",
        "postgresql:/host",
    ],
)
async def test_a_url_that_is_none_is_refused_at_once(url: Any) -> None:  # noqa: ANN401
    with pytest.raises(InvalidArgumentError, match="^url must be sqlite:///PATH or postgresql://"):
        ContactStore(url)


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("?mode=ro", "the unknown parameter 'mode'; .* [?] is %3F"),
        ("?password=s3cret", "the unknown parameter 'password'"),
        ("#part", "the unknown parameter 'part'; .* # is %23"),
    ],
)
async def test_a_file_has_no_parameters(tmp_path: Path, end: str, said: str) -> None:
    with pytest.raises(InvalidArgumentError, match=said) as raised:
        ContactStore(f"sqlite:///{tmp_path}/contacts.db{end}")
    assert "s3cret" not in str(raised.value)
    assert not (tmp_path / f"contacts.db{end}").exists()


@pytest.mark.parametrize(
    "options",
    [
        {"max_shrink": -0.1},
        {"max_shrink": 1.1},
        {"max_shrink": math.nan},
        {"max_shrink": "0.5"},
        {"confirm_after": -1},
        {"confirm_after": math.inf},
        {"confirm_after": 36_501 * 86_400},
        {"confirm_after": "1d"},
        {"busy_timeout": -1},
        {"busy_timeout": 86_401},
        {"busy_timeout": math.inf},
        {"reconnect_timeout": -1},
        {"reconnect_timeout": None},
        {"reconnect_timeout": True},
    ],
)
async def test_an_option_out_of_its_bounds_is_refused_at_once(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(InvalidArgumentError, match=f"^{name} must be a number of at least 0"):
        ContactStore("sqlite:///contacts.db", **options)


async def test_what_is_no_pool_or_no_instances_is_refused_at_once(sqlite_url: str) -> None:
    async with (
        GivenGateway() as gateway,
        SessionPool(gateway.url) as pool,
        ContactStore(sqlite_url) as store,
    ):
        with pytest.raises(InvalidArgumentError, match="^pool must be a SessionPool, not str"):
            store.sync(gateway.url, ["w"])  # type: ignore[call-overload]
        with pytest.raises(InvalidArgumentError, match="^instances must be an iterable of wIds"):
            store.sync(pool, "w")
        with pytest.raises(InvalidArgumentError, match="^max_pending must be a whole number"):
            store.sync(pool, ["w"], max_pending=0)
        for wrong in ("", " ", None, "\ud800"):
            with pytest.raises(InvalidArgumentError, match="^w_id must"):
                await store.load(wrong)  # type: ignore[arg-type]
        with pytest.raises(InvalidArgumentError, match="^w_id must"):
            store.changes(w_id="")


async def test_the_library_is_imported_without_what_only_a_store_needs() -> None:
    program = (
        "import sys, wxcontacts_async, wxcontacts_async.cli, wxcontacts_async.emulator; "
        "print([name for name in sys.modules if name.startswith(('pyarrow', 'adbc'))])"
    )
    ended = await run_sync(
        lambda: subprocess.run(  # noqa: S603  # this very program
            [sys.executable, "-c", program],
            capture_output=True,
            check=True,
            text=True,
        ),
    )
    assert ended.stdout == "[]\n"
