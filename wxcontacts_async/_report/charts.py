"""The charts of a report, as SVG that needs no script and takes its colours from the page."""

import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from unicodedata import east_asian_width
from xml.etree.ElementTree import Element, SubElement

import msgspec
import pygal
from pygal.style import Style

from wxcontacts_async._report.figures import Figures, Period, busiest, gateways
from wxcontacts_async._report.text import cut_in_the_middle, shown
from wxcontacts_async._report.words import Words
from wxcontacts_async.contacts import ContactKind
from wxcontacts_async.store.records import ChangeKind

# Its finder of plugins, of which there are none, is of a kind that Python warns of at each import.
sys.meta_path[:] = [it for it in sys.meta_path if not isinstance(it, pygal.PluginImportFixer)]

_BARS = 8  # of a chart that could have any number of them
_MOST_SHARED = 15
_LABEL = 18  # characters of a name in a chart
_LABEL_SIZE = 12  # pixels
_BAR_HEIGHT = 26
_LEAST_RANGE = 0.1  # of the value, lest a few contacts of a million look like a fall
_MOST_DOTS = 40
_OPTIONS = {
    "style": Style(label_font_size=_LABEL_SIZE, major_label_font_size=_LABEL_SIZE),
    "css": (),  # the page's is for all of them
    "js": (),
    "no_prefix": True,
    "disable_xml_declaration": True,
    "show_legend": False,
    "margin": 6,
    "margin_right": 16,  # for half of the last label
    "max_scale": 6,
    "truncate_label": -1,  # not at all
    "show_x_guides": False,
    "rounded_bars": 2,
}


class _Size(msgspec.Struct, frozen=True):
    """How large a chart is, in pixels, and how many labels there is room for beneath it."""

    name: str
    width: int
    height: int
    labels: int


# The page shows one of the two, as text must neither shrink on a phone nor grow on a screen.
_SIZES = (_Size("wide", 560, 260, 8), _Size("narrow", 300, 230, 4))


class Chart(msgspec.Struct, frozen=True):
    """A chart.

    Attributes:
        key: What it is called in the page.
        title: What it shows.
        svg: It in each size, by the size's name.
        series: What its series are called, with the colour of each.
        rows: What it shows, as a table: a label and the value of each series.

    """

    key: str
    title: str
    svg: dict[str, str]
    series: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, tuple[int, ...]], ...]


class _Series(msgspec.Struct, frozen=True):
    """Values with one colour, which is a class of the page."""

    name: str
    colour: str
    values: Sequence[int]


def charts(figures: Figures, words: Words) -> Iterator[Chart]:
    """Draw each chart for which there is something to show."""
    yield _line(figures, words, "contacts_over_time", "contacts", lambda one: one.contacts)
    yield _line(figures, words, "instances_over_time", "instances", lambda one: one.instances)
    yield _came_and_went(figures, words)
    yield from _busiest(figures, words)
    yield _kinds(figures, words)
    yield from _most_shared(figures, words)
    yield _by_gateway(figures, words)


def _line(
    figures: Figures, words: Words, key: str, colour: str, value: Callable[[Period], int]
) -> Chart:
    series = [_Series(words[colour], colour, [value(period) for period in figures.periods])]
    labels = [_moment(period.begin, figures) for period in figures.periods]
    low, high = min(series[0].values), max(series[0].values)
    room = max((_LEAST_RANGE * high - (high - low)) / 2, (high - low) / 10, 1)
    options = {"range": (max(low - room, 0), high + room), "show_dots": len(labels) < _MOST_DOTS}
    return _drawn(key, pygal.Line, labels, series, words, **options)


def _came_and_went(figures: Figures, words: Words) -> Chart:
    key = "came_and_went_by_hour" if figures.by_hour else "came_and_went_by_day"
    labels = [_moment(period.begin, figures) for period in figures.periods]
    series = [
        _Series(words[name], name, [period.changes[change] for period in figures.periods])
        for name, change in (("came", ChangeKind.ADDED), ("went", ChangeKind.REMOVED))
    ]
    return _drawn(key, pygal.Bar, labels, series, words)


def _busiest(figures: Figures, words: Words) -> Iterator[Chart]:
    instances = busiest(figures.summary.instances, _BARS)
    series = [
        _Series(words["came"], "came", [one.delta_counts.added for one in instances]),
        _Series(words["went"], "went", [one.delta_counts.removed for one in instances]),
    ]
    labels = [one.stored.w_id for one in instances]
    if instances:
        yield _bars("busiest", words, labels, series)


def _kinds(figures: Figures, words: Words) -> Chart:
    kinds = [ContactKind.FRIEND, ContactKind.GROUP, ContactKind.OFFICIAL_ACCOUNT]
    series = [
        _Series(words["contacts"], "contacts", [figures.kinds.get(kind, 0) for kind in kinds])
    ]
    return _bars("kinds", words, [words.of_kind(kind) for kind in kinds], series)


def _most_shared(figures: Figures, words: Words) -> Iterator[Chart]:
    shared = figures.summary.shared[:_MOST_SHARED]
    labels = [
        words["anonymous_contact"].format(number=number)
        if one.user_name is None
        else one.nick_name or one.user_name
        for number, one in enumerate(shared, 1)
    ]
    series = [_Series(words["instances"], "instances", [one.instances for one in shared])]
    if shared:
        yield _bars("most_shared", words, labels, series)


def _by_gateway(figures: Figures, words: Words) -> Chart:
    found = gateways(figures.summary.instances)[:_BARS]
    series = [
        _Series(words[state], state, [one.states[state] for one in found])
        for state in ("synced", "suspicious", "failing")
    ]
    return _bars("by_gateway", words, [one.name for one in found], series)


def _bars(key: str, words: Words, labels: Sequence[str], series: Sequence[_Series]) -> Chart:
    return _drawn(key, pygal.HorizontalStackedBar, labels, series, words)


def _drawn(
    key: str,
    kind: type[Any],
    labels: Sequence[str],
    series: Sequence[_Series],
    words: Words,
    **options: object,
) -> Chart:
    title = words[key]
    labels = [shown(label) for label in labels]
    svg = {}
    for size in _SIZES:
        if kind is pygal.HorizontalStackedBar:
            chart = _horizontal(labels, series, size)
        else:
            chart = _upright(kind, labels, series, size, **options)
        chart.value_formatter = words.compact
        chart.add_xml_filter(partial(_fitted, title=title, series=series))
        svg[size.name] = chart.render(is_unicode=True)
    rows = zip(labels, zip(*(one.values for one in series), strict=True), strict=True)
    return Chart(key, title, svg, tuple((one.name, one.colour) for one in series), tuple(rows))


def _upright(
    kind: type[Any],
    labels: Sequence[str],
    series: Sequence[_Series],
    size: _Size,
    **options: object,
) -> Any:  # noqa: ANN401  # pygal's, which has no types
    chart = kind(width=size.width, height=size.height, **_OPTIONS, **options)
    chart.x_labels = labels
    if len(labels) > size.labels:
        chart.x_labels_major = labels[:: -(-len(labels) // size.labels)]
        chart.show_minor_x_labels = False
    for one in series:
        chart.add(one.name, list(one.values), formatter=_exact)
    return chart


def _horizontal(labels: Sequence[str], series: Sequence[_Series], size: _Size) -> Any:  # noqa: ANN401  # pygal's, which has no types
    height = 48 + _BAR_HEIGHT * len(labels)
    chart = pygal.HorizontalStackedBar(width=size.width, height=height, **_OPTIONS)
    # pygal draws the first one at the bottom.
    chart.x_labels = [cut_in_the_middle(label, _LABEL) for label in reversed(labels)]
    # It takes each character to be as wide as a Latin one.
    chart.margin_left = 6 + max((_beyond(label) for label in chart.x_labels), default=0)
    for one in series:
        chart.add(one.name, list(reversed(one.values)), formatter=_exact)
    return chart


def _beyond(label: str) -> int:
    """Return how many pixels a label is wider than if all of it were Latin."""
    wide = sum(east_asian_width(character) in "WF" for character in label)
    return round(wide * _LABEL_SIZE * 0.45)


def _exact(number: int) -> str:
    return f"{number:,}"


def _fitted(root: Element, *, title: str, series: Sequence[_Series]) -> Element:
    """Leave what is drawn, without script, style and ids, which would be the page's.

    Each series has the class of its colour, and each value a text for a mouse that rests on it.
    """
    del root.attrib["id"]
    root.attrib |= {"role": "img", "aria-label": title}
    for parent in list(root.iter()):
        for child in list(parent):
            if _is_left_out(child):
                parent.remove(child)
    for number, one in enumerate(series):
        for group in root.iterfind(f".//g[@class='series serie-{number} color-{number}']"):
            group.set("class", f"series {one.colour}")
            for parent in list(group.iter()):
                _tell_value(parent, one.name)
    return root


def _is_left_out(element: Element) -> bool:
    if not isinstance(element.tag, str):  # a comment
        return True
    classes = element.get("class", "").split()
    is_overlay = not {"text-overlay", "tooltip-overlay"}.isdisjoint(classes)
    return is_overlay or element.tag in {"defs", "title"}


def _tell_value(parent: Element, name: str) -> None:
    """Turn what pygal leaves for its script into a title."""
    told = {one.get("class"): one.text for one in parent.findall("desc")}
    for one in parent.findall("desc"):
        parent.remove(one)
    if "value" in told:
        label = told.get("x_label")
        text = f"{name}: {told['value']}"
        SubElement(parent, "title").text = f"{label}, {text}" if label else text


def _moment(begin: datetime, figures: Figures) -> str:
    return f"{begin:%H:%M}" if figures.by_hour else f"{begin.month}/{begin.day}"
