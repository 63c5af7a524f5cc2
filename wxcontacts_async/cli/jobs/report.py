"""Writes a page of what is in a database, to look at."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from anyio import to_thread

from wxcontacts_async._hidden_file import HiddenFile, sync_folder
from wxcontacts_async._report.figures import begin_of, count
from wxcontacts_async._report.page import render
from wxcontacts_async._report.words import Language, Words
from wxcontacts_async.cli.options.database import DatabaseOption
from wxcontacts_async.cli.options.output_path import STANDARD, OutputPath
from wxcontacts_async.cli.options.usage import wrong
from wxcontacts_async.cli.runtime.errors import OutputError
from wxcontacts_async.cli.runtime.running import RunResult, run_to_end
from wxcontacts_async.store import StoreSummary

_OPTION = "--output"


@dataclass(frozen=True)
class Report:
    """What to write where.

    Attributes:
        database: What to show.
        output: The file.
        since: From when on changes are shown, aware.
        language: Of the page.
        anonymous: Whether names are left out.

    """

    database: DatabaseOption
    output: str
    since: datetime
    language: Language
    anonymous: bool


def run_report(report: Report) -> RunResult:
    """Write the page, until it is there, a signal arrives or writing fails.

    Raise typer.BadParameter if the file cannot be written.
    """
    path = _replaced_path(report)

    async def work() -> None:
        async with report.database.opened() as store:
            since = begin_of(report.since)
            summary = await store.summary(since=since, names=not report.anonymous)
        page = await to_thread.run_sync(_page, report, summary)
        await to_thread.run_sync(_write, page, path)

    return run_to_end(work)


def _replaced_path(report: Report) -> Path:
    if report.output == STANDARD:
        raise wrong(_OPTION, "must be a file, as a report has names in it")
    path = OutputPath(report.output, _OPTION)
    report.database.refuse_output(path)
    path.must_not_be_a_database()
    if not path.is_replaced:
        raise wrong(_OPTION, f"{path.name} cannot be written: it is no regular file")
    return Path(report.output)


def _page(report: Report, summary: StoreSummary) -> bytes:
    words = Words(report.language)
    database = None if report.anonymous else report.database.name
    return render(count(summary, datetime.now(UTC)), words, database).encode()


def _write(page: bytes, path: Path) -> None:
    """Replace the file by a new one, for its owner alone whatever the old one was."""
    try:
        hidden = HiddenFile(path.resolve().parent)
        try:
            hidden.file.write(page)
            hidden.complete()
            hidden.path.replace(path.resolve())
        finally:
            hidden.discard()
        sync_folder(path.resolve().parent)
    except OSError as error:
        raise OutputError(repr(str(path)), error) from None
