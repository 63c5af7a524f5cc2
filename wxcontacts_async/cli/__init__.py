"""The `wxcontacts` command; this file is its entry point and imports none of the others at once.

Imports point down: app, commands (options and messages), jobs (the work), terminal (progress and
summaries), options (as typed, with the files and databases they name), runtime (the process).
"""

import os
import signal
import sys
from types import FrameType


def main() -> None:
    """Run the command; it ends with SystemExit."""
    # A shell ignores SIGINT for background jobs, which is left so.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave_at_once)
    try:
        # Imported late: it is slow, and fails where the extra is not installed.
        from wxcontacts_async.cli.app import run  # noqa: PLC0415
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in {"rich", "typer"}:
            raise
        sys.exit(_missing_extra(module))
    run()


def _leave_at_once(_number: int, _frame: FrameType | None) -> None:
    """End at Ctrl-C without cleanup: an exception in the middle of an import shows a traceback."""
    os._exit(128 + signal.SIGINT)


def _missing_extra(module: str) -> int:
    sys.stderr.write(
        f"wxcontacts needs {module}, which is not installed: pip install 'wxcontacts_async[cli]'\n",
    )
    return 2
