"""Every page is there in both languages, and the Chinese one is not older than the English one."""

import re
from collections import Counter
from pathlib import Path

import pytest

from docs.scripts import translations
from docs.scripts.translations import current_mark, english_pages, mark, outdated, translation_of
from tests.support.pages import DOCS, PAGES, ROOT, blocks_of

MOST_LINES = 200


def test_no_chinese_page_is_missing_or_older_than_its_english_page() -> None:
    assert [f"{page.relative_to(ROOT)} {why}" for page, why in outdated()] == []


def test_every_page_has_one_of_the_other_language() -> None:
    pairs = {page: translation_of(page) for page in english_pages()}
    assert {*pairs, *pairs.values()} == set(PAGES)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder of pages with one page in it, in both languages."""
    docs = tmp_path / "docs"
    docs.mkdir()
    monkeypatch.setattr(translations, "_DOCS", docs)
    monkeypatch.setattr(translations, "ROOT", tmp_path)
    for name in ("README.md", "README.zh-CN.md", "docs/page.md", "docs/page.zh.md"):
        (tmp_path / name).write_text(f"# {Path(name).name}\n", encoding="utf-8")
    for page in english_pages():
        mark(translation_of(page))
    return docs


def test_a_change_of_the_english_page_makes_the_chinese_one_outdated(folder: Path) -> None:
    assert list(outdated()) == []
    page = folder / "page.md"
    page.write_text("# another\n", encoding="utf-8")
    assert list(outdated()) == [(folder / "page.zh.md", "is older than page.md")]
    mark(folder / "page.zh.md")
    assert list(outdated()) == []
    assert (folder / "page.zh.md").read_text() == f"# page.zh.md\n\n{current_mark(page)}"


def test_figures_that_are_written_make_no_page_outdated(folder: Path) -> None:
    page = folder / "page.md"
    figures = "<!-- figures of x -->\n{}\n<!-- end of figures -->\n"
    page.write_text(figures.format(1), encoding="utf-8")
    mark(folder / "page.zh.md")
    page.write_text(figures.format(2), encoding="utf-8")
    assert list(outdated()) == []


@pytest.mark.parametrize("page", english_pages(), ids=lambda page: page.name)
def test_both_languages_say_as_much(page: Path) -> None:
    """As many headings of each level, rows of tables, pictures and blocks of code."""
    assert shape(translation_of(page)) == shape(page)


def shape(page: Path) -> Counter[str]:
    text = page.read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    kinds = [block.language for block in blocks_of(page)]
    lines = re.findall(r"^(#+ |\||- |!\[|\d\. |::: \S+)", prose, re.MULTILINE)
    return Counter([*kinds, *lines])


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_a_readme_is_short_links_the_other_one_and_shows_the_demo(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    (other,) = {"README.md", "README.zh-CN.md"} - {name}
    assert f"]({other})" in text
    assert "](docs/images/demo.svg)" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_links_to_is_there(page: Path) -> None:
    """As the pages are read in the repository; the site's links are checked when it is built."""
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if not target.startswith("https://"):
            assert (page.parent / target).exists(), target


def test_the_chart_is_that_of_the_last_benchmarks() -> None:
    measured = ROOT / "benchmarks" / "results" / "throughput.svg"
    assert (DOCS / "images" / "throughput.svg").read_bytes() == measured.read_bytes()
