"""The `wxcontacts` command: here is only its beginning, before anything is imported for it."""

import os
import signal
import sys
from types import FrameType


def main() -> None:
    """Run the command; it ends with SystemExit."""
    # Not where it is ignored, as for what a script runs in the background.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave_at_once)
    try:
        # Not at the top: it takes a while, and fails where the extra is not installed.
        from wxcontacts_async.cli.app import run  # noqa: PLC0415
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in {"rich", "typer"}:
            raise
        sys.exit(_missing_extra(module))
    run()


def _leave_at_once(_number: int, _frame: FrameType | None) -> None:
    """End at Ctrl-C, as long as there is nothing to leave in order.

    An exception would come out in the midst of whatever is imported, as a traceback.
    """
    os._exit(128 + signal.SIGINT)


def _missing_extra(module: str) -> int:
    sys.stderr.write(
        f"wxcontacts needs {module}, which is not installed: pip install 'wxcontacts_async[cli]'\n",
    )
    return 2
