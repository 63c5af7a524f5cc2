"""Parquet files of contact sets: what is in them, and that they are there whole or not at all."""

import asyncio
import errno
import os
import resource
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from threading import Event, get_ident
from typing import Any

import anyio
import pytest
from pyarrow import parquet as pq

from tests.support.loops import on_asyncio
from wxcontacts_async import Contact, ContactSet, InvalidArgumentError
from wxcontacts_async.emulator.population import Population
from wxcontacts_async.store._tabular import parquet
from wxcontacts_async.store._tabular.arrow import CONTACT_SCHEMA, contact_sets
from wxcontacts_async.store._tabular.parquet import ParquetWritten, write_parquet

pytestmark = on_asyncio

OLD = b"an earlier export"


def sets(*sizes: int) -> list[ContactSet[Contact]]:
    return [
        ContactSet(f"w{number}", friends=tuple(Contact(f"wxid_{n}") for n in range(size)))
        for number, size in enumerate(sizes)
    ]


def group_sizes(path: Path) -> list[int]:
    metadata = pq.read_metadata(path)
    return [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]


def names_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


async def one_by_one(given: list[ContactSet[Contact]]) -> AsyncIterator[ContactSet[Contact]]:
    for one in given:
        await anyio.lowlevel.checkpoint()
        yield one


@pytest.mark.parametrize("read", [list, iter, one_by_one])
async def test_what_is_written_comes_back(tmp_path: Path, read: Any) -> None:  # noqa: ANN401
    given = [Population().contact_set(f"w{number}", 40) for number in range(20)]
    path = tmp_path / "contacts.parquet"
    total = sum(map(len, given))
    assert await write_parquet(read(given), path) == ParquetWritten((path,), total)
    table = pq.read_table(path)
    assert table.schema == CONTACT_SCHEMA
    back = list(contact_sets(table))
    assert [list(one.items()) for one in back] == [list(one.items()) for one in given]
    assert [one.fetched_at for one in back] == [one.fetched_at for one in given]
    assert pq.read_metadata(path).row_group(0).column(0).compression == "ZSTD"


async def test_one_set_is_an_export_too(tmp_path: Path) -> None:
    written = await write_parquet(sets(3)[0], str(tmp_path / "contacts"))
    assert written == ParquetWritten((tmp_path / "contacts",), 3)


@pytest.mark.parametrize("rows_per_file", [None, 5])
async def test_no_sets_are_a_file_with_no_rows(tmp_path: Path, rows_per_file: int | None) -> None:
    written = await write_parquet([], tmp_path / "export", rows_per_file=rows_per_file)
    assert (len(written.files), written.contacts) == (1, 0)
    assert pq.read_table(written.files[0]).equals(CONTACT_SCHEMA.empty_table())


@pytest.mark.parametrize(
    ("sizes", "groups"),
    [((10,), [4, 4, 2]), ((3, 3, 0, 2), [4, 4]), ((1,), [1]), ((4, 1), [4, 1])],
)
async def test_a_row_group_has_as_many_rows_as_it_may(
    tmp_path: Path, sizes: tuple[int, ...], groups: list[int]
) -> None:
    path = tmp_path / "contacts.parquet"
    await write_parquet(sets(*sizes), path, rows_per_group=4)
    assert group_sizes(path) == groups


async def test_a_folder_has_files_of_as_many_rows_as_they_may(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    written = await write_parquet(sets(9, 8, 7), folder, rows_per_group=4, rows_per_file=10)
    assert written.files == tuple(folder / f"part-0000{n}.parquet" for n in range(3))
    assert [group_sizes(file) for file in written.files] == [[4, 4, 2], [4, 4, 2], [4]]
    assert written.contacts == 24
    assert [one.w_id for one in contact_sets(pq.read_table(folder))] == ["w0", "w1", "w2"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_files_are_full_before_there_is_another(tmp_path: Path) -> None:
    written = await write_parquet(sets(10), tmp_path / "export", rows_per_file=5)
    assert [group_sizes(file) for file in written.files] == [[5], [5]]


async def test_a_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "contacts.parquet"
    path.write_bytes(OLD)
    path.chmod(0o644)
    await write_parquet(sets(1), path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert names_in(tmp_path) == [path.name]


async def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(OLD)
    (tmp_path / "link").symlink_to("real")
    await write_parquet(sets(1), tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert group_sizes(tmp_path / "real") == [1]


async def test_a_shorter_export_leaves_no_part_of_a_longer_one(tmp_path: Path) -> None:
    (tmp_path / ".hidden").write_bytes(b"somebody's")
    await write_parquet(sets(9), tmp_path, rows_per_file=2)
    assert len(names_in(tmp_path)) == 6
    await write_parquet(sets(3), tmp_path, rows_per_file=2)
    assert names_in(tmp_path) == [".hidden", "part-00000.parquet", "part-00001.parquet"]
    assert pq.read_table(tmp_path).num_rows == 3


@pytest.mark.parametrize("name", ["notes.txt", "part-00000.parquet.bak", "other.parquet"])
async def test_a_folder_with_other_files_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(OLD)
    with pytest.raises(InvalidArgumentError, match=f"^path must be .* there is '{name}'$"):
        await write_parquet(sets(1), tmp_path, rows_per_file=2)
    assert names_in(tmp_path) == [name]


async def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    for path in (tmp_path, Path("/dev/null")):
        with pytest.raises(InvalidArgumentError, match="^path must be that of a regular file"):
            await write_parquet(sets(1), path)
    (tmp_path / "file").write_bytes(OLD)
    with pytest.raises(NotADirectoryError):
        await write_parquet(sets(1), tmp_path / "file", rows_per_file=2)
    with pytest.raises(NotADirectoryError):
        await write_parquet(sets(1), tmp_path / "file" / "contacts")
    for rows_per_file in (None, 2):
        with pytest.raises(FileNotFoundError):
            await write_parquet(sets(1), tmp_path / "no" / "x", rows_per_file=rows_per_file)
    assert names_in(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == OLD


@pytest.mark.parametrize("wrong", [0, -1, True, 1.5, "1"])
async def test_wrong_numbers_of_rows_are_refused(tmp_path: Path, wrong: Any) -> None:  # noqa: ANN401
    for name in ("rows_per_group", "rows_per_file"):
        with pytest.raises(InvalidArgumentError, match=f"^{name} must be a whole number"):
            await write_parquet(sets(1), tmp_path / "x", **{name: wrong})
    assert names_in(tmp_path) == []


async def test_wrong_paths_and_sets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="^path must be a str or a Path, not NoneType$"):
        await write_parquet(sets(1), None)  # type: ignore[arg-type]
    wrong: Any
    for wrong in (None, ["w1"], {"w1": sets(1)[0]}, one_by_one([None])):  # type: ignore[list-item]
        with pytest.raises(InvalidArgumentError, match="^contact_sets must "):
            await write_parquet(wrong, tmp_path / "x")
    assert names_in(tmp_path) == []


def failing(given: list[ContactSet[Contact]]) -> Iterator[ContactSet[Contact]]:
    yield from given
    message = "the source failed"
    raise RuntimeError(message)


async def failing_slowly(given: list[ContactSet[Contact]]) -> AsyncIterator[ContactSet[Contact]]:
    for one in failing(given):
        await anyio.lowlevel.checkpoint()
        yield one


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_HANDED_CONTACTS", 10)


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("source", [failing, failing_slowly])
@pytest.mark.parametrize("rows_per_file", [None, 5])
async def test_where_the_source_fails_all_stays_as_it_was(
    tmp_path: Path,
    source: Any,  # noqa: ANN401
    rows_per_file: int | None,
) -> None:
    old = tmp_path / ("part-00000.parquet" if rows_per_file else "contacts")
    old.write_bytes(OLD)
    path = tmp_path if rows_per_file else old
    with pytest.raises(RuntimeError, match="^the source failed$"):
        await write_parquet(
            source(sets(*[6] * 9)), path, rows_per_group=5, rows_per_file=rows_per_file
        )
    assert names_in(tmp_path) == [old.name]
    assert old.read_bytes() == OLD


async def test_a_folder_that_was_made_for_nothing_is_gone(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="^the source failed$"):
        await write_parquet(failing(sets(6)), tmp_path / "export", rows_per_file=5)
    assert names_in(tmp_path) == []


async def test_a_set_that_no_column_can_hold_ends_it(tmp_path: Path) -> None:
    bad = ContactSet("w7", groups=(Contact("a", city="\ud800"),))
    with pytest.raises(InvalidArgumentError, match="^wId 'w7': city must be valid Unicode"):
        await write_parquet([*sets(5), bad], tmp_path / "contacts")
    assert names_in(tmp_path) == []


async def test_on_a_full_disk_all_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "contacts"
    path.write_bytes(OLD)
    given = [Population().contact_set("w", 2_000)]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OSError, match="File too large") as raised:
            await write_parquet(given, path, rows_per_group=500)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert raised.value.errno == errno.EFBIG
    assert names_in(tmp_path) == [path.name]
    assert path.read_bytes() == OLD


async def test_a_file_that_cannot_be_synced_takes_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        await write_parquet(sets(5), tmp_path / "contacts")
    assert names_in(tmp_path) == []


class Held:
    """Sets of which the reader is held in its thread, after the first ones, until it is let go."""

    def __init__(self) -> None:
        self.reached = Event()
        self.let_go = Event()
        self.read = 0

    def __iter__(self) -> Iterator[ContactSet[Contact]]:
        for number, one in enumerate(sets(*[6] * 20)):
            if number == 5:
                self.reached.set()
                assert self.let_go.wait(10)
            self.read += 1
            yield one


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("rows_per_file", [None, 5])
async def test_cancelled_while_the_thread_works_nothing_is_left(
    tmp_path: Path,
    native: bool,  # noqa: FBT001
    rows_per_file: int | None,
) -> None:
    held = Held()
    old = tmp_path / ("part-00000.parquet" if rows_per_file else "contacts")
    old.write_bytes(OLD)
    path = tmp_path if rows_per_file else old

    async def write() -> None:
        await write_parquet(held, path, rows_per_group=5, rows_per_file=rows_per_file)

    async def let_go() -> None:
        assert len(names_in(tmp_path)) > 1
        await anyio.lowlevel.checkpoint()
        held.let_go.set()

    if native:
        task = asyncio.create_task(write())
        await anyio.to_thread.run_sync(held.reached.wait, 10)
        task.cancel()
        await let_go()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        async with anyio.create_task_group() as group:
            group.start_soon(write)
            await anyio.to_thread.run_sync(held.reached.wait, 10)
            group.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await let_go()
    assert names_in(tmp_path) == [old.name]
    assert old.read_bytes() == OLD
    assert held.read < 10


@pytest.mark.usefixtures("small_batches")
async def test_cancelled_while_the_source_waits_nothing_is_left(tmp_path: Path) -> None:
    waiting = anyio.Event()

    async def source() -> AsyncIterator[ContactSet[Contact]]:
        for one in sets(*[6] * 9):
            yield one
        waiting.set()
        await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        group.start_soon(write_parquet, source(), tmp_path / "contacts")
        await waiting.wait()
        assert len(names_in(tmp_path)) == 1
        group.cancel_scope.cancel()
    assert names_in(tmp_path) == []


async def test_cancelled_before_it_begins_nothing_is_there(tmp_path: Path) -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        await write_parquet(sets(1), tmp_path / "export", rows_per_file=1)
    assert names_in(tmp_path) == []


@pytest.mark.usefixtures("small_batches")
async def test_cancelled_anywhere_it_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "contacts"
    cancelled = 0
    for steps in range(40):
        task = asyncio.ensure_future(write_parquet(sets(*[6] * 9), path, rows_per_group=5))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        cancelled += task.cancelled()
        assert names_in(tmp_path) in ([], [path.name])
        if path.exists():
            assert pq.read_metadata(path).num_rows == 54
            path.unlink()
    assert cancelled > 0


@pytest.mark.usefixtures("small_batches")
async def test_sets_are_read_as_they_are_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read, kept = 0, []
    write_table = pq.ParquetWriter.write_table

    def counted(self: Any, table: Any, **options: Any) -> None:  # noqa: ANN401
        kept.append(read - sum(group_sizes_written) - table.num_rows)
        group_sizes_written.append(table.num_rows)
        assert get_ident() != loop_thread
        write_table(self, table, **options)

    async def source() -> AsyncIterator[ContactSet[Contact]]:
        nonlocal read
        for one in sets(*[6] * 50):
            read += len(one)
            yield one

    group_sizes_written: list[int] = []
    loop_thread = get_ident()
    monkeypatch.setattr(pq.ParquetWriter, "write_table", counted)
    await write_parquet(source(), tmp_path / "contacts", rows_per_group=20)
    assert sum(group_sizes_written) == 300
    assert max(kept) <= 12
