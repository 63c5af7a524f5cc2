"""The site of the documentation: it builds, no link is dead, and it is searched in a browser."""

import contextlib
import functools
import http.server
import os
import re
import shutil
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

import wxcontacts_async
import wxcontacts_async.emulator
import wxcontacts_async.store
from tests.support.pages import ROOT

# The first test that asks for the site builds it, for all of them.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
IS_REQUIRED = os.environ.get("WXCONTACTS_TEST_SERVERS") == "required"
needs_browser = pytest.mark.skipif(
    not BROWSER and not IS_REQUIRED, reason="there is no Chromium on this machine"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = tmp_path_factory.mktemp("site")
    ran = subprocess.run(  # noqa: S603  # our own pages
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", built],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert ran.returncode == 0, ran.stderr
    return built


class _Links(HTMLParser):
    """Gathers what a page links to, and what in it can be linked to."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in {"href", "src"} and value and not (tag == "link" and "//" in value):
                self.targets.append(value)
            elif name in {"id", "name"} and value:
                self.anchors.add(value)


def read(page: Path) -> _Links:
    links = _Links()
    links.feed(page.read_text(encoding="utf-8"))
    return links


def test_no_link_of_the_site_is_dead(site: Path) -> None:
    pages = {page: read(page) for page in sorted(site.rglob("*.html"))}
    assert len(pages) > 40
    dead = []
    for page, links in pages.items():
        if page.name == "404.html":
            continue  # its links begin at the root of a server
        for target in links.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            linked = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            anchor = unquote(parts.fragment)
            found = linked.exists() and (
                not anchor or linked not in pages or anchor in pages[linked].anchors
            )
            if not found:
                dead.append(f"{page.relative_to(site)}: {target}")
    assert dead == []


@pytest.mark.parametrize("language", ["", "zh"])
def test_the_menu_names_each_page_as_its_heading_does(language: str, site: Path) -> None:
    menu = (site / language / "index.html").read_text(encoding="utf-8")
    for page in sorted((site / language).glob("*.html")):
        if page.name not in {"404.html", "index.html"}:
            heading = re.search(r"<h1[^>]*>(.*?)<a", page.read_text(encoding="utf-8"), re.DOTALL)
            assert heading
            assert re.search(rf'href="{page.name}".*?{re.escape(heading[1])}', menu, re.DOTALL)


def test_nothing_of_the_site_is_fetched_from_elsewhere(site: Path) -> None:
    for page in sorted(site.rglob("*.html")):
        links = _Links()
        text = page.read_text(encoding="utf-8")
        links.feed(text)
        assert 'src="http' not in text, page
        assert "unpkg.com" not in text, page


@pytest.mark.parametrize("folder", ["api", "zh/api"])
def test_every_public_name_is_in_the_api_reference(folder: str, site: Path) -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in (site / folder).glob("*.html"))
    for module in (wxcontacts_async, wxcontacts_async.store, wxcontacts_async.emulator):
        missing = [name for name in module.__all__ if not _is_headed(name, text)]
        assert missing == []


def _is_headed(name: str, text: str) -> bool:
    return f'.{name}"' in text or f">{name}" in text or f"、{name}" in text or f", {name}" in text


@contextlib.contextmanager
def _served(site: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            serving.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


def found_by(page: Page, words: str) -> list[str]:
    """Type words into the search of a page; return where the results lead."""
    field = page.locator("input.md-search__input")
    field.click()
    field.press_sequentially(words)
    page.keyboard.press("End")  # a key goes up at the end of a word from an input method, too
    results = page.locator(".md-search-result__item a")
    results.first.wait_for(timeout=60_000)
    return [unquote(link) for link in results.evaluate_all("all => all.map(one => one.href)")]


SEARCHES = [
    ("index.html", "initializing", "troubleshooting.html"),
    ("index.html", "garbled", "troubleshooting.html"),
    ("index.html", "乱码", "troubleshooting.html"),
    ("index.html", "频繁", "troubleshooting.html"),
    ("index.html", "max_reply_bytes", "gateways.html"),
    ("zh/index.html", "初始化", "zh/troubleshooting.html"),
    ("zh/index.html", "乱码", "zh/troubleshooting.html"),
    ("zh/index.html", "频繁", "zh/troubleshooting.html"),
    ("zh/index.html", "网关", "zh/gateways.html"),
    ("zh/index.html", "no complete reply within", "zh/troubleshooting.html"),
]


@needs_browser
@pytest.mark.parametrize(("start", "words", "leads_to"), SEARCHES)
@pytest.mark.parametrize("opened", ["from a server", "from the folder"])
def test_search_finds(  # noqa: PLR0917
    opened: str, start: str, words: str, leads_to: str, site: Path, browser: Browser
) -> None:
    said: list[str] = []
    asked: list[str] = []
    served = _served(site) if opened == "from a server" else contextlib.nullcontext(site.as_uri())
    with served as address, contextlib.closing(browser.new_page()) as page:
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}/{start}")
        links = found_by(page, words)
        expected = f"{address}/{leads_to}"
        assert any(link.startswith(expected) for link in links), links
        other = f"{address}/zh/"
        assert all(link.startswith(other) == start.startswith("zh/") for link in links)
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
    assert said == []


@needs_browser
def test_one_can_go_to_the_same_page_in_the_other_language(site: Path, browser: Browser) -> None:
    with _served(site) as address, contextlib.closing(browser.new_page()) as page:
        page.goto(f"{address}/waiting.html")
        page.locator(".md-select").last.hover()
        page.locator("a[hreflang=zh]").last.click()
        page.wait_for_url("**/zh/waiting.html")
        assert page.locator("h1").inner_text().startswith("等待与重试")
