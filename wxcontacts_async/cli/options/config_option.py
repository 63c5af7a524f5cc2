"""The option `--config`, whose values are defaults of the other options."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from wxcontacts_async.cli.options.config import CONFIG, CONFIG_VARIABLE, Config


class ConfigOption:
    """The file that a command was given, whose content can be read again.

    Attributes:
        config: What it said when it was last read.

    """

    def __init__(self, path: str | None) -> None:
        self._path = None if path is None else Path(path)
        self.config = Config(self._path)

    def read_again(self) -> None:
        """Read it again; if it cannot be used, keep what it said and raise typer.BadParameter."""
        config = Config(self._path)
        config.gateways()
        config.initialization()
        config.retry()
        self.config = config


def open_config(context: typer.Context, path: str | None) -> str | None:
    """Read the file of `--config`, whose values are defaults of the command's other options."""
    if not context.resilient_parsing:
        option = context.obj = ConfigOption(path or None)
        settings = option.config.settings
        defaults: Mapping[str, object] = {
            "to": option.config.store,
            "store": option.config.store,
            "every": option.config.every,
            # An export writes all that the database has.
            "field": None if context.info_name == "export" else settings.fields,
        }
        context.default_map = {name: it for name, it in defaults.items() if it is not None}
    return path


@dataclass(kw_only=True)
class ConfigGroup:
    """The option of each command that uses a gateway or a database."""

    config: Annotated[
        str | None,
        typer.Option(
            CONFIG,
            metavar="FILE",
            envvar=CONFIG_VARIABLE,
            is_eager=True,
            callback=open_config,
            help="Take gateways, database, files of wIds, fields and --every from this TOML file, "
            "unless options say otherwise. `wxcontacts config check` shows what it comes to.",
            show_default="none",
        ),
    ] = None


def nothing(_: ConfigGroup) -> None:
    """Do nothing more: what was read is in the context."""
