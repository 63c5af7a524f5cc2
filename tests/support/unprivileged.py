"""Runs a program for which the modes of files hold, also where the tests are run as root."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import ENVIRONMENT, SECONDS, Ended


def run_unprivileged(*arguments: str, folder: Path | None = None) -> Ended:
    """Run Python with these arguments, in that folder."""
    ended = subprocess.run(  # noqa: S603  # this very program
        [*_dropping(), sys.executable, *arguments],
        capture_output=True,
        check=False,
        cwd=folder,
        env={**ENVIRONMENT, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        timeout=SECONDS,
    )
    return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())


def _dropping() -> list[str]:
    """Return what comes before a command so that it has not root's way with files."""
    if os.getuid() != 0:
        return []
    program = shutil.which("setpriv")
    if program is None:
        pytest.skip("needs setpriv, as root may write to every file")
    return [program, "--bounding-set=-dac_override,-dac_read_search,-fowner"]
