"""The page of a database: what it is made of, whatever names there are."""

import hashlib
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.report.conftest import PageOf
from tests.support.properties import examples
from wxcontacts_async import ContactKind
from wxcontacts_async._report.figures import begin_of, count
from wxcontacts_async._report.page import render
from wxcontacts_async._report.words import ALL, Language, Words
from wxcontacts_async.store import (
    ChangeKind,
    DeltaCounts,
    HourSummary,
    InstanceSummary,
    RecentChange,
    SharedContact,
    StoredInstance,
    StoreSummary,
)

_DATATABLES = "38017a5586acd9c6eb6bbfe8b6938e1a25bdc717c5acfcb07e0c9d663282c59d"
_NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


class _Elements(HTMLParser):
    """Counts the elements of a page, with the names of their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: Counter[tuple[str, ...]] = Counter()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found[tag, *(name for name, _ in attrs)] += 1

    def handle_data(self, data: str) -> None:
        self.text += data


def _summary(text: str, *, since: datetime = _NOW - timedelta(days=7)) -> StoreSummary:
    """Sum up a database in which each text is the same."""
    stored = StoredInstance(text, text, text, _NOW, _NOW, 1, 1, None)
    friend = ContactKind.FRIEND
    return StoreSummary(
        since,
        (InstanceSummary(stored, {friend: 1}, since, DeltaCounts(1, 1)),),
        (HourSummary(since, ChangeKind.ADDED, 3, 2),),
        {2: 1},
        (SharedContact(text, text, friend, 2),),
        (RecentChange(_NOW, text, ChangeKind.ADDED, friend, text, text),),
    )


def _page(text: str, language: Language = Language.ENGLISH) -> str:
    return render(count(_summary(text), _NOW), Words(language), text)


@settings(max_examples=examples(20), deadline=None)
@given(text=st.text(min_size=1) | st.text("<>&\"'/!-=[]{}%# ab", min_size=1))
def test_no_name_can_be_more_than_text(text: str) -> None:
    assert _Elements(_page(text)).found == _PLAIN


_PLAIN = _Elements(_page("plain")).found


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "=cmd|' /C calc'!A0", "{{ 7 * 7 }}"])
@pytest.mark.parametrize("language", Language)
def test_a_hostile_name_is_there_to_read(text: str, language: Language) -> None:
    read = _Elements(_page(text, language))

    assert read.text.count(text) >= 8
    assert read.found["script",] == 1


def test_what_neither_html_nor_svg_can_hold_is_replaced() -> None:
    page = _page("a\0b\x1bc\ud800d\uffff")

    assert "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c" in page
    page.encode()  # as a half of a surrogate cannot be
    assert not re.search("[\0\x1b\uffff]", page)


def test_nothing_in_it_leads_out_of_it() -> None:
    page, _, _ = _page("plain").partition("<script")
    leads_to = re.findall(r'(?:src|href)="([^"]*)"', page)

    assert [it for it in leads_to if not it.startswith("#")] == ["data:,"]
    assert "default-src 'none'" in page
    assert "@import" not in page
    assert "url(" not in page


def test_an_anonymous_page_has_no_name_and_no_user_name(page_of: PageOf) -> None:
    named = page_of(name="秘密", anonymous=False)
    anonymous = page_of(name="秘密", anonymous=True)

    assert named.count("秘密") > 100
    assert "秘密" not in anonymous
    assert "sqlite:" not in anonymous
    assert "Contact 1" in anonymous
    assert "wx-00001" in anonymous


def test_all_that_it_says_is_there_in_both_languages() -> None:
    for words in ALL:
        for key, (chinese, english) in words.items():
            assert chinese.strip(), key
            assert english.isascii() or "–" in english, key
            assert re.findall(r"\{\w*\}", chinese) == re.findall(r"\{\w*\}", english), key
    page = _Elements(_page("w", Language.CHINESE)).text
    assert not re.search(r"\b(?:Instances|Contacts|Gateway)\b", page.partition('"use strict"')[0])


def test_contacts_are_counted_back_from_how_many_there_are() -> None:
    now = datetime.now().astimezone().replace(hour=12)
    hours = [
        HourSummary(now - timedelta(days=2), ChangeKind.ADDED, 5, 4),
        HourSummary(now - timedelta(days=1), ChangeKind.REMOVED, 2, 0),
        HourSummary(now, ChangeKind.CHANGED, 9, 0),
    ]
    first = now - timedelta(days=2)
    stored = StoredInstance("w", "", "synced", now, now, 10, 1, None)
    instance = InstanceSummary(stored, {ContactKind.FRIEND: 10}, first)
    since = begin_of(now - timedelta(days=7))
    figures = count(StoreSummary(since, (instance,), tuple(hours), {1: 10}, (), ()), now)

    assert not figures.by_hour
    counted = [(one.contacts, one.instances) for one in figures.periods]
    assert counted == [(7, 0)] * 4 + [(12, 1), (10, 1), (10, 1)]
    assert (figures.came, figures.went, figures.imported) == (1, 2, 4)


def test_a_short_time_is_shown_by_hour_and_a_long_one_from_when_something_is_known() -> None:
    now = datetime.now(UTC)
    by_hour = count(_summary("w", since=begin_of(now - timedelta(hours=5))), now)
    long_ago = begin_of(now - timedelta(days=30_000))
    nothing_before = replace(_summary("w", since=now - timedelta(days=20)), since=long_ago)
    by_day = count(nothing_before, now)

    assert by_hour.by_hour
    assert len(by_hour.periods) == 6
    assert not by_day.by_hour
    assert len(by_day.periods) == 21


def test_an_empty_database_has_a_page_that_says_so() -> None:
    empty = StoreSummary(_NOW - timedelta(days=7), (), (), {}, (), ())
    page = render(count(empty, _NOW), Words(Language.ENGLISH), "sqlite:///empty.db")

    assert "There are no instances in the database yet." in page


def test_datatables_is_as_it_was_published_with_its_licence_beside_it() -> None:
    vendor = files("wxcontacts_async._report") / "vendor"
    library = vendor.joinpath("dataTables.min.js").read_bytes()

    # Of datatables.net 3.1.5.
    assert hashlib.sha256(library).hexdigest() == _DATATABLES
    assert "MIT" in vendor.joinpath("dataTables.License.txt").read_text()
    assert b"</script" not in library
