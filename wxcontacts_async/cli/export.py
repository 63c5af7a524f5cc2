"""Writes the contacts in a database to a file, in one of several formats."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path

from anyio import CancelScope, to_thread

from wxcontacts_async import ContactSet, InvalidArgumentError
from wxcontacts_async.cli.database import GivenDatabase
from wxcontacts_async.cli.line_file import LineFile
from wxcontacts_async.cli.output import CommandError, OutputError, exported_lines
from wxcontacts_async.cli.output_path import STANDARD, OutputPath
from wxcontacts_async.cli.running import End, run_to_end
from wxcontacts_async.cli.usage import wrong
from wxcontacts_async.store import ContactStore, write_parquet
from wxcontacts_async.store._tabular.csv import csv_header, csv_lines

_OPTION = "--output"


@dataclass
class ExportCounts:
    """How many instances are written, and how many contacts they have together."""

    instances: int = 0
    contacts: int = 0


class OutputState(StrEnum):
    """What there is under the output's name once an export has ended."""

    COMPLETE = "complete"
    AS_IT_WAS = "as it was"
    NOT_WRITTEN = "not written"
    NOT_COMPLETE = "not complete"


@dataclass(frozen=True)
class Export:
    """What to write where.

    Attributes:
        database: What to export.
        output: The file.
        written_as: "parquet", "jsonl", "csv" or "xlsx".
        w_ids: Which instances; none means all.
        bom: Whether CSV begins with a byte order mark; None: if it goes to a file.

    """

    database: GivenDatabase
    output: str
    written_as: str
    w_ids: Sequence[str] = ()
    bom: bool | None = None


def run_export(export: Export) -> tuple[End, ExportCounts, OutputState]:
    """Export until all is written, a signal comes or writing fails.

    Returns:
        How it ended, what is written, and what the output is now.

    Raises:
        typer.BadParameter: The file cannot be written, or not so.

    """
    counts = ExportCounts()
    if export.bom is not None and export.written_as != "csv":
        raise wrong("--bom", "is for --format csv alone")
    match export.written_as:
        case "jsonl" | "csv":
            return _run_lines(export, counts)
        case "xlsx":
            _check_xlsx()
            path, write = _replaced_path(export), _write_xlsx
        case _:
            path, write = _replaced_path(export), _write_parquet
    before = _identity(path)
    end = run_to_end(lambda: write(export, path, counts))
    return end, counts, _state_of_replaced(path, before, end)


def _run_lines(export: Export, counts: ExportCounts) -> tuple[End, ExportCounts, OutputState]:
    file = LineFile(export.output, _OPTION)
    export.database.refuse_output(file.path)
    path = Path(export.output)
    before = _identity(path)
    file.open()
    header, lines = b"", exported_lines
    if export.written_as == "csv":
        bom = file.path.is_empty_file if export.bom is None else export.bom
        header, lines = csv_header(bom=bom), _csv_lines

    async def work() -> None:
        async with (
            export.database.opened() as store,
            aclosing(_loaded(store, export.w_ids, counts)) as loaded,
        ):
            await file.write([header])
            async for contacts in loaded:
                await file.write(lines(contacts))
            file.keep()

    end = run_to_end(work, files=[file])
    if file.path.is_replaced:
        return end, counts, _state_of_replaced(path, before, end)
    return end, counts, OutputState.NOT_COMPLETE if end.exit_code else OutputState.COMPLETE


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _state_of_replaced(path: Path, before: tuple[int, int] | None, end: End) -> OutputState:
    """Tell whether another file has taken the name, as it may have just before a signal came."""
    if not end.exit_code or _identity(path) != before:
        return OutputState.COMPLETE
    return OutputState.NOT_WRITTEN if before is None else OutputState.AS_IT_WAS


def _csv_lines(contacts: ContactSet) -> Iterator[bytes]:
    yield csv_lines(contacts)  # in the thread, as it takes its time


def _check_xlsx() -> None:
    if find_spec("xlsxwriter") is None:
        what = "needs xlsxwriter, which is not installed: "
        raise wrong("--format xlsx", what + "pip install 'wxcontacts_async[cli,store,xlsx]'")


def _replaced_path(export: Export) -> Path:
    if export.output == STANDARD:
        what = f"must be a file, as {export.written_as} cannot be written to standard output"
        raise wrong(_OPTION, what)
    path = OutputPath(export.output, _OPTION)
    export.database.refuse_output(path)
    path.must_not_be_a_database()
    if not path.is_replaced:
        raise wrong(_OPTION, f"{path.name} cannot be written: it is no regular file")
    return Path(export.output)


async def _write_parquet(export: Export, path: Path, counts: ExportCounts) -> None:
    async with (
        export.database.opened() as store,
        aclosing(_loaded(store, export.w_ids, counts)) as loaded,
    ):
        with _told(path):
            await write_parquet(loaded, path)


async def _write_xlsx(export: Export, path: Path, counts: ExportCounts) -> None:
    from wxcontacts_async.store._tabular.xlsx import XlsxFile  # noqa: PLC0415  # it is of another extra

    async with (
        export.database.opened() as store,
        aclosing(_loaded(store, export.w_ids, counts)) as loaded,
    ):
        with _told(path):
            file = XlsxFile(path)
            try:
                # Cancelled, it goes no further than the step in the thread, some milliseconds.
                async for contacts in loaded:
                    steps = file.add(contacts)
                    while await to_thread.run_sync(next, steps, _DONE) is not _DONE:
                        pass
                await to_thread.run_sync(file.finish)
                await to_thread.run_sync(file.take_name)  # not begun if it is cancelled by now
            finally:
                with CancelScope(shield=True):
                    await to_thread.run_sync(file.discard)


_DONE = object()


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what goes wrong with a file into what the command says."""
    try:
        yield
    except OSError as error:
        raise OutputError(repr(str(path)), error) from None
    except InvalidArgumentError as error:
        raise CommandError(str(error).rstrip(".")) from None


async def _loaded(
    store: ContactStore,
    w_ids: Sequence[str],
    counts: ExportCounts,
) -> AsyncGenerator[ContactSet]:
    """Give the contacts of these instances, or of all if there are none."""
    async with aclosing(_each(store, w_ids) if w_ids else _all(store)) as loaded:
        async for contacts in loaded:
            yield contacts
            counts.instances += 1
            counts.contacts += len(contacts)


async def _each(store: ContactStore, w_ids: Sequence[str]) -> AsyncGenerator[ContactSet]:
    for w_id in w_ids:
        yield await store.load(w_id)


async def _all(store: ContactStore) -> AsyncGenerator[ContactSet]:
    async for contacts in store.load_all():
        yield contacts
