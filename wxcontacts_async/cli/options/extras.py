"""Which extras are installed, without importing what they bring."""

from importlib.util import find_spec


def has_report_extra() -> bool:
    """Tell whether what a report is made with is there."""
    return all(find_spec(module) for module in ("jinja2", "pygal"))
