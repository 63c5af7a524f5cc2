"""The terminal, or what stands for it: where people read, as data go elsewhere."""

import os
import sys

from rich.console import Console


class HumanConsole(Console):
    """A console that shows text as it is, and falls silent when nobody reads it any more.

    Arguments:
        stderr: Whether it writes to standard error, as nearly everything for people does.

    """

    def __init__(self, *, stderr: bool = True) -> None:
        # No markup: a gateway's message may well hold [brackets] and :colons:.
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)

    @property
    def can_redraw(self) -> bool:
        """Whether it is a terminal on which lines can be drawn again and again."""
        # rich also believes the environment (FORCE_COLOR), with which a file may be meant.
        return self.file.isatty() and self.is_interactive

    def say(self, line: str) -> None:
        """Show one line, which the terminal may wrap but no one else."""
        self.print(line, soft_wrap=True)

    def on_broken_pipe(self) -> None:
        """Show nothing any more. rich would end the process here, in the midst of whatever."""
        self.quiet = True
        # What is still buffered must go somewhere when the interpreter ends.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, (sys.stderr if self.stderr else sys.stdout).fileno())
        os.close(nowhere)
