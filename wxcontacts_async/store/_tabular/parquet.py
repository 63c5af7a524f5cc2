"""Writes contact sets to Parquet files, which are there whole or not at all."""

import os
import re
from collections.abc import AsyncIterable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from io import BufferedWriter
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import msgspec
import pyarrow as pa
from anyio import CancelScope, to_thread
from pyarrow import parquet as pq

from wxcontacts_async._hidden_file import HiddenFile, sync_folder
from wxcontacts_async.contacts import Contact, ContactSet
from wxcontacts_async.errors import InvalidArgumentError
from wxcontacts_async.store._tabular.arrow import (
    check_contact_set,
    contact_schema,
    contact_type_of,
    each_set,
    to_arrow,
)
from wxcontacts_async.validation import check_number

_T = TypeVar("_T")

_PART = re.compile(r"part-\d{5,}\.parquet")
# So many contacts at once, or one set, are handed to the thread: a hop costs as much as ten.
_HANDED_CONTACTS = 10_000


class ParquetWritten(msgspec.Struct, frozen=True):
    """What an export wrote.

    Attributes:
        files: The files, in the order of their rows.
        contacts: How many rows they have together.

    """

    files: tuple[Path, ...]
    contacts: int


async def write_parquet(
    contact_sets: AsyncIterable[ContactSet[Any]] | Iterable[ContactSet[Any]] | ContactSet[Any],
    path: str | os.PathLike[str],
    *,
    rows_per_group: int = 50_000,
    rows_per_file: int | None = None,
    contact_type: type[Contact] | None = None,
) -> ParquetWritten:
    """Write contact sets to one Parquet file, or to a folder of them.

    The columns are those of `contact_schema`, compressed with zstd; no sets make a file with no
    rows. All is written under hidden names next to where it belongs, and takes its names when it
    is complete and on the disk: on an error, a cancellation or a crash before that, what an
    earlier export left is still there, untouched. Only a crash of the machine or the process
    while the files of a folder take their names leaves some of each. A process that is killed
    leaves a hidden `.wxcontacts-*.tmp`. Cancelled, it ends once the thread is done with the set
    that it reads or the row group that it writes.

    Files are for their owner alone (0600), and so is a folder that is made (0700).

    Arguments:
        contact_sets: Sets, which are read as they are written: there are never more of them in
            memory than a row group, and one set or some thousand contacts, take. An async
            iterable is read in the event loop; any other one in the worker thread that writes,
            as it may take its time, too.
        path: The file, or with `rows_per_file` the folder. A file that is there is replaced. A
            folder may be there if all there is in it are the files `part-NNNNN.parquet` of
            earlier exports, which are replaced, and those that are left over removed, and hidden
            files, which stay. The folder around it must exist.
        rows_per_group: A row group's rows, at least 1; the last one of a file has the rest.
        rows_per_file: None for one file, or the most rows of one, at least 1, for a folder of
            `part-00000.parquet`, `part-00001.parquet` and so on.
        contact_type: `Contact`, or a subclass whose fields have columns as well; None is the type
            of the first contact.

    Raises:
        InvalidArgumentError: An argument is wrong; the path is that of something else than such
            a file or folder; a set holds what a column cannot.
        OSError: It cannot be written.

    """
    check_number("rows_per_group", rows_per_group, at_least=1, whole=True)
    check_number("rows_per_file", rows_per_file, at_least=1, whole=True, optional=True)
    if not isinstance(path, (str, os.PathLike)):
        msg = f"path must be a str or a Path, not {type(path).__name__}"
        raise InvalidArgumentError(msg, argument="path")
    sets = contact_sets if isinstance(contact_sets, AsyncIterable) else each_set(contact_sets)
    if contact_type is not None:
        contact_schema(contact_type)  # raises if it can have none
    export = _Export(Path(path), rows_per_group, rows_per_file, contact_type)
    try:
        # Cancelled at any await here, it goes no further; a step that is under way in the thread
        # goes on until it heeds `give_up`, which `discard` waits for.
        await _in_thread(export.begin)
        if isinstance(sets, AsyncIterable):
            await _add_all(export, sets)
        else:
            iterator = iter(sets)
            while await _in_thread(partial(export.add_from, iterator)):
                pass
        # Cancelled while the files take their names, it is too late: they do, all of them.
        return await _in_thread(export.finish)
    except BaseException:
        export.give_up()
        with CancelScope(shield=True):  # or the hidden files would stay
            await _in_thread(export.discard)
        raise


async def _add_all(export: "_Export", sets: AsyncIterable[ContactSet[Contact]]) -> None:
    batch: list[ContactSet[Contact]] = []
    received = 0
    async for contact_set in sets:
        check_contact_set(contact_set)
        batch.append(contact_set)
        received += _received(contact_set)
        if received >= _HANDED_CONTACTS:
            await _in_thread(partial(export.add, batch))
            batch, received = [], 0
    await _in_thread(partial(export.add, batch))


async def _in_thread(step: Callable[[], _T]) -> _T:
    """Run it in a worker thread; cancelled, abandon it there."""
    return await to_thread.run_sync(step, abandon_on_cancel=True)


def _received(contact_set: ContactSet[Contact]) -> int:
    """Count the contacts as received, and one for the set itself."""
    return 1 + sum(len(contacts) for _, contacts in contact_set.lists())


class _GaveUpError(Exception):
    """Ends a step in the thread after the export was cancelled."""


class _Export:
    """The files of one export.

    All but `give_up` are steps that run in a worker thread, one at a time: an abandoned one may
    still be under way when `discard` is called, or begin only after it.
    """

    def __init__(
        self,
        path: Path,
        rows_per_group: int,
        rows_per_file: int | None,
        contact_type: type[Contact] | None,
    ) -> None:
        self._path = path
        self._real = path
        self._rows_per_group = rows_per_group
        self._rows_per_file = rows_per_file
        self._files: list[_ParquetFile] = []  # all but the last one are complete
        self._made_folder = False
        self._contact_type = contact_type  # None until there is a contact
        # Fewer rows than the next row group has.
        self._pending = contact_schema(contact_type or Contact).empty_table()
        self._step = Lock()
        self._given_up = False

    def give_up(self) -> None:
        """Have the step that is under way, if any, end soon."""
        self._given_up = True

    def begin(self) -> None:
        with self._heeding():
            self._real = self._path.resolve()  # a link stays, and what it leads to is replaced
            if self._rows_per_file is not None:
                self._enter_folder()
            elif self._real.exists() and not self._real.is_file():
                msg = f"path must be that of a regular file, which {str(self._path)!r} is not"
                raise InvalidArgumentError(msg, argument="path")
            self._files.append(_ParquetFile(self._folder))

    @property
    def _folder(self) -> Path:
        return self._real.parent if self._rows_per_file is None else self._real

    def _enter_folder(self) -> None:
        try:
            self._folder.mkdir(mode=0o700)
            self._made_folder = True
        except FileExistsError:
            for entry in self._folder.iterdir():
                if not entry.name.startswith(".") and not _is_part(entry):
                    msg = (
                        f"path must be that of a folder with nothing but part-NNNNN.parquet in "
                        f"it, and in {str(self._path)!r} there is {entry.name!r}"
                    )
                    raise InvalidArgumentError(msg, argument="path") from None

    def add_from(self, sets: Iterator[ContactSet[Contact]]) -> bool:
        """Add some more sets; return whether there may be more."""
        with self._heeding():
            batch: list[ContactSet[Contact]] = []
            received = 0
            for contact_set in sets:
                self._heed()
                check_contact_set(contact_set)
                batch.append(contact_set)
                received += _received(contact_set)
                if received >= _HANDED_CONTACTS:
                    break
            self._add(batch)
            return received >= _HANDED_CONTACTS

    def add(self, sets: list[ContactSet[Contact]]) -> None:
        with self._heeding():
            self._add(sets)

    def _add(self, sets: list[ContactSet[Contact]]) -> None:
        if self._contact_type is None:
            self._contact_type = next(filter(None, map(contact_type_of, sets)), None)
            self._pending = contact_schema(self._contact_type or Contact).empty_table()
        added = to_arrow(sets, contact_type=self._contact_type or Contact)
        self._pending = pa.concat_tables([self._pending, added])
        while self._pending.num_rows >= (room := self._room()):
            self._heed()
            self._write(room)

    def _room(self) -> int:
        """Return how many rows the next row group may have."""
        if self._rows_per_file is None:
            return self._rows_per_group
        left = self._rows_per_file - self._files[-1].rows
        return min(self._rows_per_group, left or self._rows_per_file)

    def _write(self, rows: int) -> None:
        if self._files[-1].rows == self._rows_per_file:
            self._files[-1].complete(self._pending.schema)
            self._files.append(_ParquetFile(self._folder))
        self._files[-1].write(self._pending.slice(0, rows))
        self._pending = self._pending.slice(rows)

    def finish(self) -> ParquetWritten:
        with self._heeding():
            if self._pending.num_rows:
                self._write(self._pending.num_rows)
            self._files[-1].complete(self._pending.schema)
            self._heed()
            names = self._names()
            for file, name in zip(self._files, names, strict=True):
                file.path.replace(self._folder / name)
            if self._rows_per_file is not None:
                for entry in list(self._folder.iterdir()):
                    if entry.name not in names and _is_part(entry):
                        entry.unlink()
            sync_folder(self._folder)
            if self._made_folder:
                sync_folder(self._folder.parent)
            paths = [self._path]
            if self._rows_per_file is not None:
                paths = [self._path / name for name in names]
            return ParquetWritten(tuple(paths), sum(file.rows for file in self._files))

    def _names(self) -> dict[str, None]:
        if self._rows_per_file is None:
            return {self._real.name: None}
        return {f"part-{number:05}.parquet": None for number in range(len(self._files))}

    def discard(self) -> None:
        """Remove what has not taken its name."""
        with self._step:
            for file in self._files:
                file.discard()
            if self._made_folder:
                with suppress(OSError):  # it is not empty
                    self._folder.rmdir()

    @contextmanager
    def _heeding(self) -> Iterator[None]:
        with self._step:
            self._heed()
            yield

    def _heed(self) -> None:
        if self._given_up:
            raise _GaveUpError


class _ParquetFile:
    """A Parquet file under a hidden name, which readers of its folder skip."""

    def __init__(self, folder: Path) -> None:
        self._hidden = HiddenFile(folder)
        self.path = self._hidden.path
        self.rows = 0
        # Written to in small pieces.
        self._buffer = BufferedWriter(self._hidden.file)
        self._writer: Any = None  # until its columns are known

    def write(self, group: pa.Table) -> None:
        self._written_by(group.schema).write_table(group, row_group_size=group.num_rows)
        self.rows += group.num_rows

    def _written_by(self, schema: pa.Schema) -> Any:  # noqa: ANN401  # it has no types
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._buffer, schema, compression="zstd")
        return self._writer

    def complete(self, schema: pa.Schema) -> None:
        """Write all of it to the disk, with these columns."""
        self._written_by(schema).close()
        self._buffer.flush()
        self._hidden.complete()

    def discard(self) -> None:
        if self._writer is not None:
            with suppress(OSError, pa.ArrowException):  # the disk may be full
                self._writer.close()
            self._writer.is_open = False  # or it would try again when it is collected
        with suppress(OSError, ValueError):  # it would flush when it is collected, too
            self._buffer.close()
        self._hidden.discard()


def _is_part(path: Path) -> bool:
    """Return whether an export into a folder wrote it, by its name."""
    return _PART.fullmatch(path.name) is not None and path.is_file() and not path.is_symlink()
