"""A hook of MkDocs that parts the languages.

Each has a search index of its own: else a search from an English page finds Chinese pages as well,
and the other way round. The links from a page to itself in the other language are plain links:
the theme's script would look for it in a site map, which is not to be had without a server.
"""

import json
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.pages import Page

_CHINESE = "zh/"
_LOOKED_UP = re.compile(r'<link rel="alternate"[^>]*hreflang=[^>]*>')
_BASE = re.compile(r'(?<="base": ")[^"]*(?=")')


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:  # noqa: ARG001  # by name
    """Let a page's search look among the pages of its language."""
    output = _LOOKED_UP.sub("", output)
    if not page.url.startswith(_CHINESE):
        return output
    upwards = page.url.count("/") - _CHINESE.count("/")
    return _BASE.sub("/".join([".."] * upwards) or ".", output, count=1)


@event_priority(-1000)  # when the index of all pages has been written
def on_post_build(config: MkDocsConfig) -> None:
    """Part the index."""
    site = Path(config.site_dir)
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    english, chinese = [], []
    for entry in index["docs"]:
        if entry["location"].startswith(_CHINESE):
            chinese.append({**entry, "location": entry["location"].removeprefix(_CHINESE)})
        else:
            english.append(entry)
    _write(site / "search", index, english)
    _write(site / _CHINESE / "search", index, chinese)


def _write(folder: Path, index: dict[str, object], entries: list[dict[str, object]]) -> None:
    folder.mkdir(exist_ok=True)
    written = json.dumps({**index, "docs": entries}, ensure_ascii=False, separators=(",", ":"))
    (folder / "search_index.json").write_text(written, encoding="utf-8")
    # What a page takes that is opened from the folder rather than from a server.
    (folder / "search_index.js").write_text(f"var __index = {written}", encoding="utf-8")
