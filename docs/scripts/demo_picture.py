"""Draws the demo at work: `python -m docs.scripts.demo_picture` writes docs/images/demo.svg.

It runs `wxcontacts demo` in a terminal of its own and draws what that shows at its end, so the
picture shows nothing that the command does not.
"""

import os
import re
import subprocess
import sys
import tempfile
from html import unescape
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).parents[1] / "images" / "demo.svg"
_COLUMNS = 84
_COMMAND = ("wxcontacts", "demo")
# The fonts that rich's SVG asks for are fetched from elsewhere; those of the system do.
_FETCHED_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
# Characters that are two columns wide are drawn by themselves, or the rest of a line would shift.
_WIDE = r"[\u1100-\uffef\U0001f000-\U0001ffff]+"
_LENGTH = re.compile(r'textLength="([\d.]+)"([^>]*)>([^<]*)<')


def shown_by_the_demo() -> str:
    """Run the demo in an empty folder; return what it shows, with its colours."""
    environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(_COLUMNS)}
    with tempfile.TemporaryDirectory() as folder:
        ran = subprocess.run(  # noqa: S603  # our own command
            [sys.executable, "-m", "wxcontacts_async", *_COMMAND[1:]],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return ran.stdout


def drawn(shown: str) -> str:
    """Return the picture of a terminal that shows this."""
    console = Console(record=True, width=_COLUMNS, file=open(os.devnull, "w"))  # noqa: PTH123, SIM115
    console.print(Text(f"$ {' '.join(_COMMAND)}", style="bold"))
    text = Text.from_ansi(shown)
    text.highlight_regex(_WIDE, "default")  # which looks as it did, and is drawn apart
    console.print(text)
    svg = console.export_svg(title="wxcontacts demo", unique_id="demo")
    return _LENGTH.sub(_in_columns, _FETCHED_FONTS.sub("", svg))


def _in_columns(element: re.Match[str]) -> str:
    """Give a text the length of its columns; rich counts characters."""
    length, attributes, written = element.groups()
    text = unescape(written)
    columns = float(length) / len(text) * cell_len(text)
    return f'textLength="{columns:g}"{attributes}>{written}<'


def main() -> None:
    """Write the picture."""
    PICTURE.write_text(drawn(shown_by_the_demo()), encoding="utf-8")
    sys.stderr.write(f"{PICTURE}\n")


if __name__ == "__main__":
    main()
