"""The store page's chart, as SVG."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.charts import COLOURS, SETTINGS
from benchmarks.figures import Spread
from benchmarks.store.contenders import STORE_CONTENDERS
from benchmarks.store.measured import PHASES
from benchmarks.store.run import StoreFigures


def draw_store(figures: StoreFigures, directory: Path) -> Path:
    """Draw the contacts a second of each contender that writes, one panel a sync."""
    contacts = figures.size.instances * figures.size.contacts
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(11, 2.6), layout="constrained")
        axes = figure.subplots(1, len(PHASES), squeeze=False)[0]
        for axis, name in zip(axes, PHASES, strict=True):
            bars = [
                (contender, spread.median)
                for contender in STORE_CONTENDERS
                if contender.database
                and (
                    spread := Spread.of(
                        contacts / phase.seconds / 1000
                        for phase in figures.phases(contender.name, name).values()
                    )
                )
            ]
            drawn = axis.barh(
                [contender.name for contender, _ in bars],
                [rate for _, rate in bars],
                color=[
                    COLOURS["library" if contender.is_library else "msgspec"]
                    for contender, _ in bars
                ],
            )
            axis.bar_label(drawn, [f"{rate:,.0f}" for _, rate in bars], padding=3, fontsize=8)
            axis.set_title(f"{name} sync", fontsize=10)
            axis.invert_yaxis()
            axis.set_xlim(0, 1.25 * max((rate for _, rate in bars), default=1))
            axis.spines[["top", "right"]].set_visible(False)
            axis.tick_params(length=0, labelsize=8)
            if axis is not axes[0]:
                axis.set_yticklabels([])
        figure.supxlabel("contacts a second, in thousands", fontsize=10)
        path = directory / "store.svg"
        figure.savefig(path, format="svg", metadata={"Date": None}, bbox_inches="tight")
    return path
