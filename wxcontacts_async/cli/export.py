"""Writes the contacts in a database to a file, in one of several formats."""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from wxcontacts_async import ContactSet, InvalidArgumentError
from wxcontacts_async.cli.database import GivenDatabase
from wxcontacts_async.cli.line_file import LineFile
from wxcontacts_async.cli.output import CommandError, OutputError, contact_lines
from wxcontacts_async.cli.output_path import STANDARD, OutputPath
from wxcontacts_async.cli.running import End, run_to_end
from wxcontacts_async.cli.usage import wrong
from wxcontacts_async.store import ContactStore, write_parquet
from wxcontacts_async.store.formats import csv_header, csv_lines

_OPTION = "--output"

# The formats made of lines: the first line, and those of a contact set.
_LINES: Mapping[str, tuple[bytes, Callable[[ContactSet], Iterable[bytes]]]] = {
    "jsonl": (b"", contact_lines),
    "csv": (csv_header(), lambda contacts: (csv_lines(some) for some in [contacts])),
}


@dataclass
class ExportCounts:
    """How many instances are written, and how many contacts they have together."""

    instances: int = 0
    contacts: int = 0


def run_export(
    database: GivenDatabase,
    output: str,
    written_as: str,
    w_ids: Sequence[str],
) -> tuple[End, ExportCounts, bool]:
    """Export until all is written, a signal comes or writing fails.

    Arguments:
        database: What to export.
        output: The file.
        written_as: "parquet", "jsonl" or "csv".
        w_ids: Which instances; none means all.

    Returns:
        How it ended, what is written, and whether the file is replaced as a whole or not at all.

    Raises:
        typer.BadParameter: The file cannot be written.

    """
    counts = ExportCounts()
    if written_as not in _LINES:
        path = _parquet_path(output, database)
        end = run_to_end(lambda: _write_parquet(database, path, w_ids, counts))
        return end, counts, True
    file = LineFile(output, _OPTION)
    database.refuse_output(file.path)
    file.open()
    header, lines = _LINES[written_as]

    async def work() -> None:
        async with database.opened() as store, aclosing(_loaded(store, w_ids, counts)) as loaded:
            await file.write([header])
            async for contacts in loaded:
                await file.write(lines(contacts))
            file.keep()

    end = run_to_end(work, files=[file])
    return end, counts, file.path.is_replaced


def _parquet_path(output: str, database: GivenDatabase) -> Path:
    if output == STANDARD:
        raise wrong(_OPTION, "must be a file, as Parquet cannot be written to standard output")
    path = OutputPath(output, _OPTION)
    database.refuse_output(path)
    path.must_not_be_a_database()
    if not path.is_replaced:
        raise wrong(_OPTION, f"{path.name} cannot be written: it is no regular file")
    return Path(output)


async def _write_parquet(
    database: GivenDatabase,
    path: Path,
    w_ids: Sequence[str],
    counts: ExportCounts,
) -> None:
    async with database.opened() as store, aclosing(_loaded(store, w_ids, counts)) as loaded:
        try:
            await write_parquet(loaded, path)
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
