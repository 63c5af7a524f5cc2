"""The `wxcontacts` command; here is only the check that what it needs is installed."""

import sys


def main() -> None:
    """Run the command; it ends with SystemExit."""
    try:
        # Not at the top, since it fails where the extra is not installed.
        from wxcontacts_async.cli.app import run  # noqa: PLC0415
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in {"rich", "typer"}:
            raise
        sys.exit(_missing_extra(module))
    except KeyboardInterrupt:
        sys.exit(130)
    run()


def _missing_extra(module: str) -> int:
    sys.stderr.write(
        f"wxcontacts needs {module}, which is not installed: pip install 'wxcontacts_async[cli]'\n",
    )
    return 2
