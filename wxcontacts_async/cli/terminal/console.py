"""The console for messages, tables and progress; data are written elsewhere."""

import logging
from typing import ClassVar

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

_ANY_WIDTH = 10_000
_USUAL_WIDTH = 80


class HumanConsole(Console):
    """A console that shows text verbatim.

    Arguments:
        stderr: Whether it writes to standard error, as nearly all messages do.

    Attributes:
        is_quiet: Whether standard error shows problems alone.
        shares_with_log: Whether the log is written there as well.
        logger: Where messages go in place of standard error, if anywhere.

    """

    is_quiet: ClassVar[bool] = False
    shares_with_log: ClassVar[bool] = False
    logger: ClassVar[logging.Logger | None] = None

    def __init__(self, *, stderr: bool = True) -> None:
        # A gateway's message may hold [brackets] and :colons:.
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)
        if not self.width:  # with COLUMNS=0, nothing at all would be shown
            self.width = _USUAL_WIDTH

    @property
    def can_redraw(self) -> bool:
        """Whether it is a terminal on which lines can be redrawn."""
        # rich also goes by FORCE_COLOR, with which it may be a file.
        return self.file.isatty() and self.is_interactive and not self.shares_with_log

    def say(self, line: str) -> None:
        """Show one line, which only the terminal may wrap."""
        self._write(line, logging.WARNING)

    def info(self, line: str) -> None:
        """Show one line, unless --quiet."""
        if not (self.stderr and self.is_quiet):
            self._write(line, logging.INFO)

    def _write(self, line: str, level: int) -> None:
        if self.stderr and self.logger is not None:
            self.logger.log(level, "%s", line)
        else:
            self.print(line, soft_wrap=True)

    def show(self, table: Table) -> None:
        """Show a table, unless --quiet; where it does not fit, a line for each row."""
        if self.stderr and self.is_quiet:
            return
        needed = Measurement.get(self, self.options.update(width=_ANY_WIDTH), table).minimum
        if needed <= self.width:
            self.print(table)
            return
        headers = [str(column.header) for column in table.columns]
        for row in zip(*(column.cells for column in table.columns), strict=True):
            cells = zip(headers, map(str, row), strict=True)
            self.say("  ".join(f"{name}: {cell}" if name else cell for name, cell in cells if cell))
