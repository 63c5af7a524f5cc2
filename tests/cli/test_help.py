"""The help of each command names every option's unit and default."""

from typing import Any

import pytest
import typer.main

from wxcontacts_async.cli.app import app

# What the help of an option with this metavar must have, one of these.
_UNITS = {
    "S": ("Seconds", "seconds"),
    "SECONDS": ("seconds",),
    "TIME": ("90s, 10m, 1h or",),
    "SHARE": ("Share",),
    "R": ("a second",),
    "N": ("Calls", "instances", "Contacts", "Whole number"),
    "PORT": ("Port",),
}
# Those that have none, as they are text.
_TEXTS = {
    "FILE",
    "[HOST:]PORT",
    "FILE[:KEY]",
    "FILE|-",
    "PATH",
    "URL",
    "URL|environment",
    "[NAME=]URL",
    "'NAME: VALUE'",
    "W_ID",
    "KEY",
    "ID",
    "FAULT,...",
}

# Typed as anything, since typer's copy of click is none of its public names.
_group: Any = typer.main.get_command(app)


_COMMANDS: dict[str, Any] = {
    name: command for name, command in _group.commands.items() if name != "config"
} | {f"config {name}": command for name, command in _group.commands["config"].commands.items()}


def _options() -> list[tuple[str, Any]]:
    return [
        (name, option)
        for name, command in _COMMANDS.items()
        for option in command.params
        if option.param_type_name == "option" and not option.hidden
    ]


@pytest.mark.parametrize(
    ("command", "option"),
    [pytest.param(*each, id=f"{each[0]} {each[1].opts[0]}") for each in _options()],
)
def test_an_options_help_has_its_unit_and_its_default(command: str, option: Any) -> None:  # noqa: ANN401
    context = _COMMANDS[command].make_context(command, [], resilient_parsing=True)
    _, said = option.get_help_record(context)

    assert said
    if option.is_flag or option.count:  # which are off
        return
    assert "default: " in said or "[required]" in said
    assert option.metavar is None or option.metavar in _UNITS.keys() | _TEXTS
    if units := _UNITS.get(option.metavar or ""):
        assert any(unit in said for unit in units)


def test_every_command_has_what_each_of_them_has() -> None:
    for command in _COMMANDS.values():
        names = {name for option in command.params for name in option.opts}
        assert {"--quiet", "-q", "--verbose", "-v"} <= names


@pytest.mark.parametrize("command", ["fetch", "sync", "watch", "config check"])
def test_each_command_that_calls_a_gateway_can_be_told_how(command: str) -> None:
    names = {name for option in _COMMANDS[command].params for name in option.opts}
    assert names >= {
        "--gateway",
        "--header",
        "--max-concurrency",
        "--max-rate",
        "--init-interval",
        "--init-timeout",
        "--connect-timeout",
        "--request-timeout",
        "--attempts",
        "--outage-timeout",
        "--ca",
        "--client-cert",
        "--insecure",
        "--proxy",
    }
