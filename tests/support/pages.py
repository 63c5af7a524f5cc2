"""The pages of the documentation, and the blocks of code that they show."""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from wxcontacts_async.emulator import GatewayEmulator

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "README.zh-CN.md",
    *sorted(DOCS.rglob("*.md"), key=lambda page: (page.stem.endswith(".zh"), page)),
]
DEFAULT_URL = "http://localhost:18081"
W_IDS = GatewayEmulator(3).w_ids  # so that pages work beside `wxcontacts emulator`
_FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(msgspec.Struct, frozen=True):
    """A block of code of a page.

    Arguments:
        page: Its page, from the root of the checkout.
        number: Which block of that page it is, from 1.
        language: What stands behind its fence.
        code: The code.

    """

    page: str
    number: int
    language: str
    code: str

    def __str__(self) -> str:
        return f"{self.page}:{self.number}"

    @property
    def topic(self) -> str:
        """The page without its language: blocks of one topic find each other's files."""
        return self.page.split(".")[0]


def blocks_of(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for number, (language, code) in enumerate(_FENCED.findall(text), 1):
        yield Block(str(page.relative_to(ROOT)), number, language, code)


def distinct_blocks(*languages: str) -> list[Block]:
    """Return the blocks in these languages; what both languages of a page have is there once."""
    found: dict[tuple[str, str], Block] = {}
    for page in PAGES:
        for block in blocks_of(page):
            if block.language in languages:
                found.setdefault((block.topic, block.code), block)
    return list(found.values())
