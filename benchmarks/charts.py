"""The charts, as SVG, readable on light pages and on dark ones."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import NullFormatter

from benchmarks.contenders import CONTENDERS, RETRY_LOOP
from benchmarks.figures import Figures
from benchmarks.measured import Measured
from benchmarks.workloads import SLOTS

# A card of its own colour, so that it does not matter what is behind it.
_CARD, _INK, _GRID = "#f6f8fa", "#1f2328", "#d0d7de"
COLOURS = {
    "floor": "#8c959f",
    "limit": "#afb8c1",
    "library": "#1a7f37",
    "usual": "#bf8700",
    "msgspec": "#0969da",
}
_MEANINGS = {
    "floor": "the floor",
    "limit": "aiohttp in a bare loop",
    "library": "wxcontacts_async",
    "usual": "a peer with its usual decode",
    "msgspec": "a peer with msgspec",
}
SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "wxcontacts_async",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _GRID,
    "axes.facecolor": _CARD,
    "figure.facecolor": _CARD,
    "savefig.facecolor": _CARD,
    "xtick.color": _INK,
    "ytick.color": _INK,
}
_SIZES = {"200": "200 contacts", "2000": "2,000 contacts", "10000": "10,000 contacts"}
_TOGETHER = {"lag-10000": f"{SLOTS} replies of 10,000 contacts together"}


def draw(figures: Figures, directory: Path) -> list[Path]:
    """Draw those for which there are figures; return their files."""
    drawn = []
    with mpl.rc_context(SETTINGS):
        for name, figure in (
            (
                "throughput",
                _bars(
                    figures,
                    _SIZES,
                    "contacts a second, in thousands",
                    lambda measured: measured.contacts_a_second / 1000,
                    "{:,.0f}",
                ),
            ),
            (
                "lag",
                _bars(
                    figures,
                    _TOGETHER,
                    "how long the event loop stood still at most, ms (logarithmic)",
                    lambda measured: measured.lag_max and measured.lag_max * 1000,
                    "{:,.1f}",
                    logarithmic=True,
                ),
            ),
            ("initialization", _initialization(figures)),
        ):
            if figure is not None:
                path = directory / f"{name}.svg"
                figure.savefig(path, format="svg", metadata={"Date": None}, bbox_inches="tight")
                drawn.append(path)
    return drawn


def _bars(
    figures: Figures,
    workloads: dict[str, str],
    label: str,
    value: Callable[[Measured], float | None],
    shown: str,
    *,
    logarithmic: bool = False,
) -> Figure | None:
    """Draw one panel a workload, one bar a contender on asyncio."""
    panels = [
        (title, bars)
        for workload, title in workloads.items()
        if (
            bars := [
                (contender, spread)
                for contender in CONTENDERS
                if contender.loop == "asyncio"
                and (spread := figures.spread(workload, contender.name, value))
            ]
        )
    ]
    if not panels:
        return None
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (title, bars) in zip(axes, panels, strict=True):
        names = [contender.name for contender, _ in bars]
        medians = [spread.median for _, spread in bars]
        drawn = axis.barh(
            names,
            medians,
            color=[COLOURS[contender.role] for contender, _ in bars],
        )
        axis.bar_label(drawn, [shown.format(median) for median in medians], padding=3, fontsize=8)
        axis.set_title(title, fontsize=10)
        axis.invert_yaxis()
        if logarithmic:
            axis.set_xscale("log")
            axis.xaxis.set_major_formatter("{x:,.0f}")
            axis.xaxis.set_minor_formatter(NullFormatter())
            axis.set_xlim(min(medians) / 2, max(medians) * 4)
        else:
            axis.set_xlim(0, max(medians) * 1.25)
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(length=0, labelsize=8)
        axis.xaxis.grid(visible=True, color=_GRID)
        axis.set_axisbelow(True)
        if axis is not axes[0]:
            axis.set_yticklabels([])
    figure.supxlabel(label, fontsize=10)
    figure.legend(
        [Patch(color=colour) for colour in COLOURS.values()],
        list(_MEANINGS.values()),
        loc="outside upper center",
        ncols=len(COLOURS),
        frameon=False,
    )
    return figure


def _initialization(figures: Figures) -> Figure | None:
    names = ["wxcontacts_async", RETRY_LOOP.name]
    taken = [figures.spread("initialization", name, lambda m: m.seconds) for name in names]
    ideals = [figures.spread("initialization", name, lambda m: m.ideal_seconds) for name in names]
    bars = [
        (label, spread.median, colour)
        for label, spread, colour in (
            ("the ideal", ideals[0], COLOURS["floor"]),
            ("wxcontacts_async", taken[0], COLOURS["library"]),
            ("a semaphore around a retry loop", taken[1], COLOURS["msgspec"]),
        )
        if spread is not None
    ]
    if not bars:
        return None
    figure = Figure(figsize=(8, 1.6), layout="constrained")
    axis = figure.subplots()
    drawn = axis.barh(
        [label for label, _, _ in bars],
        [seconds for _, seconds, _ in bars],
        color=[colour for _, _, colour in bars],
    )
    axis.bar_label(drawn, [f"{seconds:.1f} s" for _, seconds, _ in bars], padding=3, fontsize=8)
    axis.invert_yaxis()
    axis.set_xlim(0, max(seconds for _, seconds, _ in bars) * 1.1)
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(length=0)
    axis.set_xlabel("seconds until all instances are fetched, half of which must wait")
    return figure
