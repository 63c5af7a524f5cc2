"""The terminal, or what stands for it: where people read, as data go elsewhere."""

from typing import ClassVar

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

_ANY_WIDTH = 10_000
_USUAL_WIDTH = 80


class HumanConsole(Console):
    """A console that shows text as it is.

    Arguments:
        stderr: Whether it writes to standard error, as nearly everything for people does.

    Attributes:
        is_quiet: Whether only what went wrong is said on standard error.
        shares_with_log: Whether a log is written there, too.

    """

    is_quiet: ClassVar[bool] = False
    shares_with_log: ClassVar[bool] = False

    def __init__(self, *, stderr: bool = True) -> None:
        # No markup: a gateway's message may well hold [brackets] and :colons:.
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)
        if not self.width:  # as COLUMNS=0 says, where nothing at all would be shown
            self.width = _USUAL_WIDTH

    @property
    def can_redraw(self) -> bool:
        """Whether it is a terminal on which lines can be drawn again and again."""
        # rich also believes the environment (FORCE_COLOR), with which a file may be meant.
        return self.file.isatty() and self.is_interactive and not self.shares_with_log

    def say(self, line: str) -> None:
        """Show one line, which the terminal may wrap but no one else."""
        self.print(line, soft_wrap=True)

    def info(self, line: str) -> None:
        """Show one line that nobody has to know, unless that is not wanted."""
        if not (self.stderr and self.is_quiet):
            self.say(line)

    def show(self, table: Table) -> None:
        """Show a table, as `info` does; where it does not fit, a line for each of its rows."""
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
