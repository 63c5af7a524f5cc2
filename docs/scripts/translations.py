"""Which English text each Chinese page translates: `python -m docs.scripts.translations`.

A Chinese page has the hash of the English page that it is a translation of in its last line:

    <!-- translates waiting.md 0123456789ab -->

Once the English changes, the hash is another, and a test fails until the Chinese was looked
through and marked again. Figures that `python -m benchmarks --write` writes do not count.
"""

import argparse
import hashlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
_DOCS = ROOT / "docs"
_MARK = re.compile(r"<!-- translates (\S+) ([0-9a-f]{12}) -->\n\Z")
_FIGURES = re.compile(r"(?<=<!-- figures of ).*?(?=<!-- end of figures -->)", re.DOTALL)


def english_pages() -> list[Path]:
    """Return the pages that are translated, the README first."""
    pages = sorted(page for page in _DOCS.rglob("*.md") if not page.stem.endswith(".zh"))
    return [ROOT / "README.md", *pages]


def translation_of(page: Path) -> Path:
    """Return where the Chinese page of an English one is, beside it."""
    language = ".zh-CN" if page.name == "README.md" else ".zh"
    return page.with_name(f"{page.stem}{language}.md")


def current_mark(page: Path) -> str:
    """Return the last line that the translation of a page has when it is up to date."""
    text = _FIGURES.sub("", page.read_text(encoding="utf-8"))
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return f"<!-- translates {page.name} {digest} -->\n"


def outdated() -> Iterator[tuple[Path, str]]:
    """Give each Chinese page that is not up to date, and why."""
    for page in english_pages():
        translation = translation_of(page)
        if not translation.exists():
            yield translation, f"is missing, the translation of {page.name}"
        elif not translation.read_text(encoding="utf-8").endswith(current_mark(page)):
            yield translation, f"is older than {page.name}"


def mark(translation: Path) -> None:
    """Mark a Chinese page as the translation of the English page as it is now."""
    (page,) = (page for page in english_pages() if translation_of(page) == translation.resolve())
    text = _MARK.sub("", translation.read_text(encoding="utf-8")).rstrip("\n")
    translation.write_text(f"{text}\n\n{current_mark(page)}", encoding="utf-8")


def main() -> None:
    """Mark the pages that are named, or tell which are out of date; exit code 1 if any is."""
    parser = argparse.ArgumentParser(prog="python -m docs.scripts.translations")
    parser.add_argument(
        "--mark",
        nargs="+",
        type=Path,
        default=[],
        metavar="PAGE",
        help="Chinese pages that now say what their English pages say",
    )
    for page in parser.parse_args().mark:
        mark(page)
    found = list(outdated())
    for page, why in found:
        sys.stderr.write(f"{page.relative_to(ROOT)} {why}\n")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
