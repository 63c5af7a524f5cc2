"""The options --quiet and --verbose."""

import logging
import sys
from dataclasses import dataclass
from typing import Annotated

import typer

from wxcontacts_async.cli.terminal.console import HumanConsole

_LOG_FORMAT = "%(asctime)s %(levelname)s %(message)s"


@dataclass(kw_only=True)
class Verbosity:
    """The options, which may stand before or after a subcommand."""

    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet",
            "-q",
            help="Show no progress and no summary; what went wrong is still said.",
        ),
    ] = False
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose",
            "-v",
            count=True,
            show_default=False,
            help="Log retries, pauses and failures on standard error, with times and levels; "
            "given twice, each call and reply as well.",
        ),
    ] = 0


def apply_verbosity(verbosity: Verbosity) -> None:
    """Apply these options on top of those of an earlier call."""
    if verbosity.quiet:
        HumanConsole.is_quiet = True
    if verbosity.verbose:
        logger = logging.getLogger("wxcontacts_async")
        if not HumanConsole.shares_with_log:
            HumanConsole.shares_with_log = True
            handler = logging.StreamHandler(sys.stderr)
            handler.setFormatter(logging.Formatter(_LOG_FORMAT))
            logger.addHandler(handler)
            logger.setLevel(logging.INFO)
            verbosity.verbose -= 1
        if verbosity.verbose:
            logger.setLevel(logging.DEBUG)
