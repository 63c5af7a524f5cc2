"""Exports the contacts of a database to a file, in one of several formats."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from anyio import CancelScope, to_thread

from wxcontacts_async import ContactSet, InvalidArgumentError
from wxcontacts_async.cli.jobs.contact_lines import exported_lines
from wxcontacts_async.cli.options.database import DatabaseOption
from wxcontacts_async.cli.options.line_file import LineFile
from wxcontacts_async.cli.options.output_path import STANDARD, OutputPath
from wxcontacts_async.cli.options.usage import wrong
from wxcontacts_async.cli.runtime.errors import CommandError, OutputError
from wxcontacts_async.cli.runtime.running import RunResult, run_to_end
from wxcontacts_async.store import ContactStore, write_parquet
from wxcontacts_async.store._tabular.csv import csv_header, csv_lines
from wxcontacts_async.store._tabular.own_fields import OwnFields

_OPTION = "--output"


@dataclass
class ExportStatistics:
    """How many instances and contacts are written."""

    instances: int = 0
    contacts: int = 0


class OutputState(StrEnum):
    """The state of the output file once an export has ended."""

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
        bom: Whether CSV begins with a byte order mark; None: if it is written to a file.
        fields: Which of the database's own fields, by their keys; none means all.

    """

    database: DatabaseOption
    output: str
    written_as: str
    w_ids: Sequence[str] = ()
    bom: bool | None = None
    fields: Sequence[str] = ()


def run_export(export: Export) -> tuple[RunResult, ExportStatistics, OutputState]:
    """Export until all is written, a signal arrives or writing fails.

    Raise typer.BadParameter if the file cannot be written, or not in that format.
    """
    stats = ExportStatistics()
    if export.bom is not None and export.written_as != "csv":
        raise wrong("--bom", "is for --format csv alone")
    match export.written_as:
        case "jsonl" | "csv":
            return _run_lines(export, stats)
        case "xlsx":
            _check_xlsx()
            path, write = _replaced_path(export), _write_xlsx
        case _:
            path, write = _replaced_path(export), _write_parquet
    before = _identity(path)
    result = run_to_end(lambda: write(export, path, stats))
    return result, stats, _state_of_replaced(path, before, result)


def _run_lines(
    export: Export, stats: ExportStatistics
) -> tuple[RunResult, ExportStatistics, OutputState]:
    file = LineFile(export.output, _OPTION)
    export.database.refuse_output(file.path)
    path = Path(export.output)
    before = _identity(path)
    file.open()
    bom = file.path.is_empty_file if export.bom is None else export.bom

    async def work() -> None:
        async with _opened(export, stats) as (loaded, own):
            header, lines = b"", exported_lines
            if export.written_as == "csv":
                header, lines = csv_header(own, bom=bom), partial(csv_lines, own=own)
            await file.write([header])
            async for contacts in loaded:
                await file.write(lines(contacts))
            file.keep()

    result = run_to_end(work, files=[file])
    if file.path.is_replaced:
        return result, stats, _state_of_replaced(path, before, result)
    state = OutputState.NOT_COMPLETE if result.exit_code else OutputState.COMPLETE
    return result, stats, state


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _state_of_replaced(
    path: Path, before: tuple[int, int] | None, result: RunResult
) -> OutputState:
    """Return whether the file was replaced, as it may be just before a signal arrives."""
    if not result.exit_code or _identity(path) != before:
        return OutputState.COMPLETE
    return OutputState.NOT_WRITTEN if before is None else OutputState.AS_IT_WAS


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


async def _write_parquet(export: Export, path: Path, stats: ExportStatistics) -> None:
    async with _opened(export, stats) as (loaded, own):
        with _translating_errors(path):
            await write_parquet(loaded, path, contact_type=own.contact_type)


async def _write_xlsx(export: Export, path: Path, stats: ExportStatistics) -> None:
    from wxcontacts_async.store._tabular.xlsx import XlsxFile  # noqa: PLC0415  # another extra's

    async with _opened(export, stats) as (loaded, own):
        with _translating_errors(path):
            file = XlsxFile(path, own)
            try:
                # Cancelled, it ends after the current step, which takes some milliseconds.
                async for contacts in loaded:
                    steps = file.add(contacts)
                    while await to_thread.run_sync(next, steps, _DONE) is not _DONE:
                        pass
                await to_thread.run_sync(file.finish)
                await to_thread.run_sync(file.take_name)  # not begun once cancelled
            finally:
                with CancelScope(shield=True):
                    await to_thread.run_sync(file.discard)


_DONE = object()


@contextmanager
def _translating_errors(path: Path) -> Iterator[None]:
    """Turn the errors of a file into those of the command."""
    try:
        yield
    except OSError as error:
        raise OutputError(repr(str(path)), error) from None
    except InvalidArgumentError as error:
        raise CommandError(str(error).rstrip(".")) from None


@asynccontextmanager
async def _opened(
    export: Export,
    stats: ExportStatistics,
) -> AsyncIterator[tuple[AsyncGenerator[ContactSet], OwnFields]]:
    """Open the database for the block, and count each contact set that the block has written."""
    async with export.database.opened() as store:
        store.choose_fields(export.fields)
        async with (
            aclosing(_loaded(store, export.w_ids)) as loaded,
            aclosing(_counted(loaded, stats)) as counted,
        ):
            yield counted, store.own


async def _loaded(store: ContactStore, w_ids: Sequence[str]) -> AsyncGenerator[ContactSet]:
    """Give the contacts of these instances, or of all if there are none."""
    for w_id in w_ids:
        yield await store.load(w_id)
    if not w_ids:
        async for contacts in store.load_all():
            yield contacts


async def _counted(
    loaded: AsyncIterable[ContactSet],
    stats: ExportStatistics,
) -> AsyncGenerator[ContactSet]:
    async for contacts in loaded:
        yield contacts
        stats.instances += 1
        stats.contacts += len(contacts)
