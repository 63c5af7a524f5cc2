"""Which extras are installed, without importing what they bring."""

from importlib.util import find_spec

import typer

_OF_REPORT = ("jinja2", "pygal")


def has_report_extra() -> bool:
    """Tell whether what a report is made with is there."""
    return all(find_spec(module) for module in _OF_REPORT)


def check_report_extra() -> None:
    """Show what to install if something of it is missing; exit code 2."""
    for module in _OF_REPORT:
        if find_spec(module) is None:
            typer.echo(
                f"A report needs {module}, which is not installed: "
                "pip install 'wxcontacts_async[cli,store,report]'",
                err=True,
            )
            raise typer.Exit(2)
