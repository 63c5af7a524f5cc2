"""The page: one HTML file with all that it needs, which asks no network for anything."""

import base64
import hashlib
import json
from datetime import datetime
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from wxcontacts_async._report import figures as counted
from wxcontacts_async._report.charts import Chart, charts
from wxcontacts_async._report.figures import Figures
from wxcontacts_async._report.text import shown
from wxcontacts_async._report.words import Words

_OVERVIEW = ("contacts_over_time", "instances_over_time", "kinds", "by_gateway")


def render(figures: Figures, words: Words, database: str | None) -> str:
    """Return the page of what was counted; without a database's name, the names are left out."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters |= {"number": "{:,}".format, "shown": shown, "moment": _moment}
    drawn = list(charts(figures, words))
    script = f"{_resource('vendor/dataTables.min.js')}\n{_resource('page.js')}"
    return environment.from_string(_resource("page.html")).render(
        figures=figures,
        summary=figures.summary,
        words=words,
        state_of=counted.state_of,
        instances=counted.by_attention(figures.summary.instances),
        gateways=counted.gateways(figures.summary.instances),
        overview=[chart for chart in drawn if chart.key in _OVERVIEW],
        movement=[chart for chart in drawn if chart.key not in {*_OVERVIEW, "most_shared"}],
        sharing=[chart for chart in drawn if chart.key == "most_shared"],
        svg=_svg,
        database=database,
        zone=_zone(figures.until),
        table_words=json.dumps(words.of_tables(), ensure_ascii=False),
        style=Markup(_resource("page.css")),  # noqa: S704  # our own file
        script=Markup(script),  # noqa: S704  # our own file, and DataTables
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _resource(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _svg(chart: Chart, size: str) -> Markup:
    return Markup(chart.svg[size])  # noqa: S704  # pygal escapes what it is given


def _moment(time: datetime) -> str:
    return f"{time.astimezone():%Y-%m-%d %H:%M}"


def _zone(time: datetime) -> str:
    offset = f"{time:%z}"
    return f"UTC{offset[:3]}:{offset[3:5]}"
