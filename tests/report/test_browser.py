"""The page in a browser, as those see it who would rather look."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page

from tests.report.conftest import PageOf
from wxcontacts_async._report.words import Language

pytestmark = pytest.mark.slow

_CHARTS = (
    "contacts_over_time",
    "instances_over_time",
    "kinds",
    "by_gateway",
    "came_and_went_by_day",
    "busiest",
    "most_shared",
)
_AA = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}
_HOSTILE = ("<script>alert(1)</script>", "=cmd|' /C calc'!A0")

Opened = Callable[..., AbstractContextManager[Page]]


@pytest.fixture
def opened(chromium: Browser, tmp_path: Path) -> Opened:
    """Open a page as a file, and see that it asks for nothing and complains of nothing."""

    @contextmanager
    def open_page(html: str, **options: Any) -> Iterator[Page]:  # noqa: ANN401
        file = tmp_path / "report.html"
        file.write_text(html, encoding="utf-8")
        context = chromium.new_context(**options)
        page = context.new_page()
        requests: list[str] = []
        complaints: list[str] = []
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.goto(file.as_uri())
        yield page
        assert complaints == []
        assert [url for url in requests if not url.startswith("data:")] == [file.as_uri()]
        context.close()

    return open_page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", Language)
def test_all_of_it_is_drawn_and_readable(
    page_of: PageOf, opened: Opened, screenshots: Path, language: Language, scheme: str
) -> None:
    with opened(page_of(language=language), color_scheme=scheme) as page:
        for width in (360, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            name = f"report-{language}-{scheme}-{width}.png"
            page.screenshot(path=screenshots / name, full_page=True)
            _see_that_all_is_well(page, width)


def _see_that_all_is_well(page: Page, width: int) -> None:
    charts = page.locator("figure.chart").evaluate_all("all => all.map(one => one.id)")
    drawn = {key: _marks(page, key) for key in _CHARTS}
    across = page.evaluate("document.documentElement.scrollWidth")
    violations = Axe().run(page, options=_AA).response["violations"]

    assert across == width
    assert {*charts} == {f"chart-{key}" for key in _CHARTS}
    assert [key for key, marks in drawn.items() if not marks] == []
    assert [(one["id"], one["nodes"][0]["html"]) for one in violations] == []


def _marks(page: Page, key: str) -> int:
    """Count what is visibly drawn of a chart's values."""
    drawing = page.locator(f"#chart-{key} .drawing:visible")
    assert drawing.count() == 1
    marks = drawing.locator(".series rect, .series path").all()
    boxes = [box for mark in marks if (box := mark.bounding_box()) is not None]
    return sum(box["width"] > 1 or box["height"] > 1 for box in boxes)


def test_a_table_is_sorted_and_filtered_by_keyboard(page_of: PageOf, opened: Opened) -> None:
    with opened(page_of()) as page:
        table = page.locator("#table-instances")
        _tab_to(page, table.get_by_role("columnheader", name="Went"))
        page.keyboard.press("Enter")
        table.locator("th[aria-sort=ascending]").wait_for()
        ascending = _column(table, 9)
        page.keyboard.press("Enter")
        table.locator("th[aria-sort=descending]").wait_for()
        descending = _column(table, 9)
        _tab_to(page, table.get_by_role("searchbox"))
        page.keyboard.type("00017")
        table.get_by_text("(of 40)").wait_for()
        found = _column(table, 1)
        page.keyboard.press("Control+A")
        page.keyboard.type("nothing of that kind")
        table.get_by_text("No row matches").wait_for()

    assert ascending == sorted(ascending, key=int)
    assert descending == sorted(descending, key=int, reverse=True)
    assert int(ascending[0]) < int(descending[0])
    assert found == ["wx-00017"]


def _tab_to(page: Page, target: Locator) -> None:
    """Press Tab until it has the focus, as someone does who has no mouse."""
    for _ in range(400):
        if target.evaluate("(it) => it.contains(document.activeElement)"):
            return
        page.keyboard.press("Tab")
    pytest.fail("Tab does not lead there")


def _column(table: Locator, number: int) -> list[str]:
    return table.locator(f"tbody tr td:nth-child({number})").all_inner_texts()


@pytest.mark.parametrize("hostile", _HOSTILE)
def test_a_hostile_name_is_text_wherever_it_stands(
    page_of: PageOf, opened: Opened, hostile: str
) -> None:
    with opened(page_of(name=hostile, text=hostile, instances=60)) as page:
        shown = page.locator("body").inner_text()
        names = page.locator("#table-recent tbody td:nth-child(3)").all_inner_texts()
        scripts = page.locator("script").count()
        attention = page.locator("#table-attention").inner_text()
        labels = page.locator("#chart-most_shared .drawing:visible svg text").all_text_contents()

    assert scripts == 1
    assert set(names) == {hostile}
    assert hostile in attention
    assert shown.count(hostile) > 50
    assert any(label.startswith(hostile[:7]) for label in labels)


@pytest.mark.timeout(600)
def test_2_000_instances_and_a_million_contacts_are_a_small_page_that_works(
    page_of: PageOf, opened: Opened
) -> None:
    html = page_of(instances=2_000, contacts=500)
    with opened(html) as page:
        rows = page.locator("#table-instances tbody tr").count()
        shown = page.locator("#table-instances .dt-info").inner_text()

    assert len(html.encode()) < 3_000_000
    assert rows == 15
    assert "2,000" in shown
