"""Pages of invented databases, and a browser to open them in."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.real.processes import find_program
from tests.support.large_database import LargeDatabase
from wxcontacts_async._report.figures import begin_of, count
from wxcontacts_async._report.page import render
from wxcontacts_async._report.words import Language, Words
from wxcontacts_async.store._database.connection import Connection
from wxcontacts_async.store._database.url import read_address
from wxcontacts_async.store.summary import summarize

PageOf = Callable[..., str]

_FLAGS = (
    "--no-sandbox",  # which root must do without
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture
def no_blocking_calls() -> None:
    """Let calls block, as a browser's driver has an event loop in this thread."""


@pytest.fixture(scope="session")
def page_of(tmp_path_factory: pytest.TempPathFactory) -> PageOf:
    """Return the page of a database with such instances and contacts."""

    def page(
        *,
        instances: int = 40,
        contacts: int = 50,
        name: str | None = None,
        text: str | None = None,
        language: Language = Language.ENGLISH,
        days: float = 7,
        anonymous: bool = False,
    ) -> str:
        url = f"sqlite:///{tmp_path_factory.mktemp('page')}/contacts.db"
        LargeDatabase(url, instances=instances, contacts=contacts, name=name, text=text).fill()
        now = datetime.now(UTC)
        connection = Connection(read_address(url), 10)
        since = begin_of(now - timedelta(days=days))
        summary = summarize(connection, since, names=not anonymous)
        connection.close()
        return render(count(summary, now), Words(language), None if anonymous else url)

    return page


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Give Debian's Chromium, without a screen."""
    path = find_program("chromium", "chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*_FLAGS])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """Give the folder of what a browser showed, which is kept and which git ignores."""
    folder = Path(__file__).parents[2] / "screenshots"
    folder.mkdir(exist_ok=True)
    return folder
