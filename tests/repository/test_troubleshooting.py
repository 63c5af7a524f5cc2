"""The page that goes by the text of an error has texts that the library really says."""

import re

import pytest

from tests.support.pages import DOCS, ROOT

SOURCES = "\n".join(
    path.read_text(encoding="utf-8") for path in sorted((ROOT / "wxcontacts_async").rglob("*.py"))
)


def texts(page: str) -> list[str]:
    headings = re.findall(r"^### (.*)$", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE)
    return [text for heading in headings for text in re.findall(r"`([^`]+)`", heading)]


@pytest.mark.parametrize("text", texts("troubleshooting.md"))
def test_the_library_says_that(text: str) -> None:
    assert text in SOURCES


def test_both_languages_have_the_same_texts() -> None:
    english = texts("troubleshooting.md")
    assert len(english) > 25
    assert texts("troubleshooting.zh.md") == english
