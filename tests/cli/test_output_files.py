"""What a command writes is complete under its name or as it was before."""

import asyncio
import errno
import json
import os
import resource
import signal
import stat
import struct
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import typer

from tests.support.command import SECONDS, dead_gateway, run, run_limited, start, synced
from tests.support.mounts import mounted, mounted_at
from tests.support.recording_server import recording, reply_with
from wxcontacts_async._hidden_file import HiddenFile
from wxcontacts_async.cli.options.line_file import LineFile
from wxcontacts_async.cli.options.output_path import OutputPath
from wxcontacts_async.cli.runtime.errors import OutputError

BEFORE = b"what was there before\n"
processes = pytest.mark.processes


def _slow(value: object) -> Any:  # noqa: ANN401  # pytest does not name its type
    return pytest.param(value, marks=pytest.mark.slow)


def _only(folder: Path, *names: str) -> bool:
    return {entry.name for entry in folder.iterdir()} == set(names)


def _line_file(path: Path) -> LineFile:
    file = LineFile(str(path), "--output")
    file.open()
    return file


# A file that is replaced


def test_until_it_is_closed_the_file_from_before_is_there(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(BEFORE)
    path.chmod(0o640)
    file = _line_file(path)
    asyncio.run(file.write([b"new\n"]))
    file.keep()
    assert path.read_bytes() == BEFORE
    file.close()
    assert path.read_bytes() == b"new\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert not file.is_unchanged
    assert _only(tmp_path, "out")


def test_what_another_group_may_not_read_it_may_not_read_later() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a file of a group that it will not have")
    group, other = 12_345, 65_534
    with TemporaryDirectory() as folder:
        path = Path(folder) / "out"
        path.write_bytes(BEFORE)
        path.chmod(0o664)
        Path(folder).chmod(0o777)
        os.chown(path, other, group)
        os.seteuid(other)
        try:
            hidden = HiddenFile(path.parent)
            hidden.take_over_rights(path)
        finally:
            os.seteuid(0)
        status = hidden.path.stat()
        hidden.discard()
    assert status.st_gid != group
    assert stat.S_IMODE(status.st_mode) == 0o604


def test_an_access_list_is_taken_over_or_its_rights_are_not_given(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(BEFORE)
    path.chmod(0o640)
    # Its owner may write, user 12345 and the group may read, by a mask of that; others may not.
    some_one, entries = 12_345, [(1, 6), (2, 4), (4, 4), (16, 4), (32, 0)]
    access = struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", tag, rights, some_one if tag == 2 else 0xFFFFFFFF)
        for tag, rights in entries
    )
    try:
        os.setxattr(path, "system.posix_acl_access", access)
    except (AttributeError, OSError):
        pytest.skip("this file system has no access lists")
    file = _line_file(path)
    asyncio.run(file.write([b"new\n"]))
    file.keep()
    file.close()
    assert path.read_bytes() == b"new\n"
    assert os.getxattr(path, "system.posix_acl_access") == access


def test_what_is_not_to_be_kept_leaves_nothing(tmp_path: Path) -> None:
    file = _line_file(tmp_path / "out")
    asyncio.run(file.write([b"new\n"]))
    file.close()
    assert file.is_unchanged
    assert _only(tmp_path)


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = _line_file(tmp_path / "out")
    file.keep()
    file.close()
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o600


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    target, link, other = folder / "target", tmp_path / "link", folder / "other"
    target.write_bytes(BEFORE)
    link.symlink_to(target)
    os.link(target, other)
    file = _line_file(link)
    asyncio.run(file.write([b"new\n"]))
    file.keep()
    file.close()
    assert link.is_symlink()
    assert target.read_bytes() == b"new\n"
    assert other.read_bytes() == BEFORE
    assert _only(folder, "target", "other")


def test_a_full_disk_is_said_and_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(BEFORE)
    file = _line_file(path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        file.keep()
        with pytest.raises(OutputError, match="no file may be so large here"):
            asyncio.run(file.write([b"x" * 101]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    file.close()
    assert path.read_bytes() == BEFORE
    assert _only(tmp_path, "out")


def test_why_it_cannot_be_written_is_said_in_plain_words() -> None:
    full = OutputError("'out'", OSError(errno.ENOSPC, "No space left on device"))
    assert str(full) == "'out' cannot be written: the disk is full"


def test_a_file_in_a_folder_that_takes_no_other_is_refused(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    path = tmp_path / "out"
    path.write_bytes(BEFORE)
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(typer.BadParameter, match="no file can be made beside it"):
            OutputPath(str(path), "--output")
    finally:
        tmp_path.chmod(0o755)


@pytest.mark.parametrize("path", ["/dev/null", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_what_is_no_file_of_a_folder_is_written_as_it_stands(path: str) -> None:
    assert not OutputPath(path, "--output").is_replaced


@processes
def test_the_name_of_a_descriptor_is_what_it_leads_to(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with recording(reply_with("a")) as server, out.open("wb") as stdout:
        arguments = ["fetch", "one", "--gateway", server.url, "--output", "/dev/stdout"]
        command = [sys.executable, "-m", "wxcontacts_async", *arguments]
        subprocess.run(command, stdout=stdout, check=True, timeout=SECONDS)  # noqa: S603
    assert json.loads(out.read_bytes())["userName"] == "a"
    assert _only(tmp_path, "out")


@processes
@pytest.mark.parametrize(
    "name",
    [
        "-",
        *(_slow(name) for name in ("/dev/stdout", "/dev/fd/1", "link")),
    ],
)
@pytest.mark.parametrize("is_down", [False, True])
def test_what_the_shell_appends_to_is_appended_to(
    tmp_path: Path,
    name: str,
    is_down: bool,  # noqa: FBT001
) -> None:
    out, link = tmp_path / "out", tmp_path / "link"
    out.write_bytes(BEFORE)
    link.symlink_to("/dev/stdout")
    with recording(reply_with("a")) as server, out.open("ab") as stdout:
        url = dead_gateway() if is_down else server.url
        arguments = ["fetch", "one", "--gateway", url, "--outage-timeout", "0", "--output", name]
        command = [sys.executable, "-m", "wxcontacts_async", *arguments]
        ended = subprocess.run(  # noqa: S603  # this very program
            command, cwd=tmp_path, stdout=stdout, check=False, timeout=SECONDS
        )
        stdout.write(b"and after\n")
    first, *lines, last = out.read_bytes().splitlines(keepends=True)
    assert (first, last) == (BEFORE, b"and after\n")
    assert (ended.returncode, len(lines)) == ((1, 0) if is_down else (0, 1))


# What commands make of it


@processes
@pytest.mark.parametrize("is_there", [True, False])
def test_a_gateway_that_is_down_leaves_the_contacts_from_before(
    tmp_path: Path,
    is_there: bool,  # noqa: FBT001
) -> None:
    out = tmp_path / "out"
    if is_there:
        out.write_bytes(BEFORE)
    ended = run(
        *("fetch", "one", "--gateway", dead_gateway(), "--outage-timeout", "0"),
        *("--output", "out", "--failures", "failures"),
        folder=tmp_path,
    )
    assert ended.code == 1
    assert f"'out' is {'as it was' if is_there else 'not written'}." in ended.messages
    assert _only(tmp_path, *(["out"] if is_there else []), "failures")
    assert not is_there or out.read_bytes() == BEFORE
    assert json.loads((tmp_path / "failures").read_bytes())["wId"] == "one"


@processes
def test_some_failures_are_no_reason_to_keep_the_file_from_before(tmp_path: Path) -> None:
    for name in ("out", "failures"):
        (tmp_path / name).write_bytes(BEFORE)
    with recording(reply_with("a")) as server:
        ended = run(
            *("fetch", "one", "--gateway", server.url),
            *("--output", "out", "--failures", "failures"),
            folder=tmp_path,
        )
    assert ended.code == 0
    assert json.loads((tmp_path / "out").read_bytes())["userName"] == "a"
    assert (tmp_path / "failures").read_bytes() == b""


@processes
def test_ctrl_c_keeps_what_was_complete(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(BEFORE)
    with recording(reply_with("a")) as server:
        arguments = ("fetch", "--from", "-", "--gateway", server.url, "--max-rate", "2")
        process = start(*arguments, "--output", "out", folder=tmp_path)
        assert process.stdin is not None
        process.stdin.write(b"".join(b"w%d\n" % number for number in range(50)))
        process.stdin.close()
        for _ in range(3):
            server.w_ids.get(timeout=SECONDS)
        assert (tmp_path / "out").read_bytes() == BEFORE
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 130
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
    lines = (tmp_path / "out").read_bytes().splitlines()
    assert 2 <= len(lines) < 50
    assert all(json.loads(line)["userName"] == "a" for line in lines)
    assert _only(tmp_path, "out")


@processes
@pytest.mark.parametrize(
    "written_as",
    ["jsonl", "parquet", _slow("csv"), _slow("xlsx")],
)
def test_an_export_of_an_unknown_instance_leaves_the_file_from_before(
    tmp_path: Path,
    written_as: str,
) -> None:
    synced(tmp_path)
    (tmp_path / "out").write_bytes(BEFORE)
    wanted = ("--w-id", "one", "--w-id", "unknown")
    ended = run("export", "--format", written_as, "--output", "out", *wanted, folder=tmp_path)
    assert ended.code == 1
    assert "'out' is as it was." in ended.messages
    assert (tmp_path / "out").read_bytes() == BEFORE
    assert not list(tmp_path.glob(".wxcontacts-*"))


@processes
def test_a_database_that_cannot_be_opened_leaves_the_failures_from_before(tmp_path: Path) -> None:
    (tmp_path / "contacts.db").write_bytes(b"no database")
    (tmp_path / "failures").write_bytes(BEFORE)
    ended = run("sync", "one", "--failures", "failures", folder=tmp_path)
    assert ended.code == 1
    assert (tmp_path / "failures").read_bytes() == BEFORE


# Disks


@processes
def test_a_small_disk_that_is_full_is_said_and_keeps_what_was_there(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    synced(tmp_path)
    names = (sha256(str(number).encode()).hexdigest() for number in range(2_000))
    big = reply_with(*names)
    with mounted(disk, 12), recording(big) as server:
        (disk / "out").write_bytes(BEFORE)
        assert run("sync", "big", "--gateway", server.url, folder=tmp_path).code == 0
        for arguments in (
            ("fetch", "big", "--gateway", server.url),
            *(("export", "--format", name) for name in ("jsonl", "csv", "parquet", "xlsx")),
        ):
            ended = run(*arguments, "--output", "disk/out", folder=tmp_path)
            assert ended.code == 1
            assert "'disk/out' cannot be written: the disk is full." in ended.messages
            assert "'disk/out' is as it was." in ended.messages
            assert (disk / "out").read_bytes() == BEFORE
            assert _only(disk, "out")


@processes
@pytest.mark.parametrize("written_as", ["jsonl", _slow("csv"), "parquet", _slow("xlsx")])
def test_a_limit_on_the_size_of_files_is_said_and_keeps_what_was_there(
    tmp_path: Path,
    written_as: str,
) -> None:
    names = (sha256(str(number).encode()).hexdigest() for number in range(2_000))
    with recording(reply_with(*names)) as server:
        assert run("sync", "big", "--gateway", server.url, folder=tmp_path).code == 0
    out = tmp_path / "out"
    out.write_bytes(BEFORE)
    before = {entry.name for entry in tmp_path.iterdir()}
    arguments = ("export", "--format", written_as, "--output", "out")
    ended = run_limited(16, *arguments, folder=tmp_path)
    assert ended.code == 1
    assert "'out' cannot be written: no file may be so large here." in ended.messages
    assert "'out' is as it was." in ended.messages
    assert not ended.has_traceback
    assert out.read_bytes() == BEFORE
    assert {entry.name for entry in tmp_path.iterdir()} == before


@processes
def test_a_file_that_is_mounted_by_itself_stays_and_what_was_fetched_is_beside_it(
    tmp_path: Path,
) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    source.write_bytes(BEFORE)
    out.write_bytes(b"")
    with mounted_at(source, out), recording(reply_with("a")) as server:
        ended = run("fetch", "one", "--gateway", server.url, "--output", "out", folder=tmp_path)
        assert ended.code == 1
        assert "'out' cannot be replaced, as it is mounted there by itself" in ended.messages
        (hidden,) = tmp_path.glob(".wxcontacts-*.tmp")
        assert str(hidden) in ended.messages
        assert json.loads(hidden.read_bytes())["userName"] == "a"
    assert source.read_bytes() == BEFORE
