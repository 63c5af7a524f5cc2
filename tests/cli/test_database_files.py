"""No output of a command is a file of a database, by any name."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import typer

from tests.support.command import dead_gateway, run, synced
from wxcontacts_async.cli.options.output_path import OutputPath, database_files

SIDE_FILES = ["-wal", "-shm", "-journal"]
processes = pytest.mark.processes
slow = pytest.mark.slow
_SLOW_SIDE_FILES = [pytest.param(name, marks=slow) for name in SIDE_FILES[1:]]


@pytest.mark.parametrize("suffix", ["", *SIDE_FILES])
def test_a_database_is_no_output_by_any_name(tmp_path: Path, suffix: str) -> None:
    folder, linked = tmp_path / "real", tmp_path / "linked"
    folder.mkdir()
    linked.symlink_to(folder)
    database, file = folder / "c.db", folder / f"c.db{suffix}"
    (tmp_path / "link").symlink_to(file)

    def refuses(path: Path | str, base: Path = database) -> bool:
        try:
            OutputPath(str(path), "--output").must_not_be(database_files(base), "--store")
        except typer.BadParameter:
            return True
        return False

    for is_there in (False, True):
        if is_there:
            file.write_bytes(b"")
            os.link(file, tmp_path / "hard")
            assert refuses(tmp_path / "hard")
        assert refuses(file)
        assert refuses(linked / file.name)
        assert refuses(tmp_path / "link")
        assert refuses(folder / ".." / "real" / file.name)
        assert refuses(os.path.relpath(file))
        assert refuses(file, linked / "c.db")
        assert not refuses(folder / "other.db")


@pytest.mark.parametrize("suffix", ["", *SIDE_FILES])
def test_a_file_of_any_sqlite_database_is_no_output(tmp_path: Path, suffix: str) -> None:
    with closing(sqlite3.connect(tmp_path / "any.db")) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE t (x)")
        database.commit()
        for path in (tmp_path / f"any.db{suffix}", tmp_path / "link"):
            with pytest.raises(typer.BadParameter, match="belongs to an SQLite database"):
                OutputPath(str(path), "--output").must_not_be_a_database()
            if not (tmp_path / "link").is_symlink():
                (tmp_path / "link").symlink_to(path)


@processes
@pytest.mark.parametrize("suffix", ["-wal", pytest.param("", marks=slow), *_SLOW_SIDE_FILES])
def test_no_command_writes_to_its_database(tmp_path: Path, suffix: str) -> None:
    synced(tmp_path)
    name = f"contacts.db{suffix}"
    store = ("--store", "sqlite:///contacts.db")
    before = {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()}
    gateway = ("--gateway", dead_gateway())
    for arguments in (
        ("export", "--format", "csv", "--output", name, *store),
        ("export", "--format", "parquet", "--output", name, *store),
        ("report", "--output", name, *store),
        ("sync", "one", "--failures", name, *store, *gateway),
        ("watch", "one", "--every", "1s", "--cursor", name, *store, *gateway),
        ("fetch", "one", "--output", name, *gateway),
        ("fetch", "one", "--failures", name, *gateway),
    ):
        ended = run(*arguments, folder=tmp_path)
        assert ended.code == 2, (arguments, ended.messages)
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == before


@slow
@processes
@pytest.mark.parametrize("suffix", SIDE_FILES)
def test_standard_output_that_leads_to_the_database_is_refused(tmp_path: Path, suffix: str) -> None:
    synced(tmp_path)
    gateway = ("--gateway", dead_gateway())
    for arguments in (
        ("changes",),
        ("export", "--format", "csv", "--output", "-"),
        ("sync", "one", *gateway),
        ("watch", "one", "--every", "1s", *gateway),
        ("accept", "one"),
    ):
        with (tmp_path / f"contacts.db{suffix}").open("ab") as stdout:
            command = [sys.executable, "-m", "wxcontacts_async", *arguments]
            ended = subprocess.run(  # noqa: S603
                command, cwd=tmp_path, stdout=stdout, stderr=subprocess.PIPE, check=False
            )
        assert ended.returncode == 2
        assert b"'standard output': must be another file than that of --" in ended.stderr
