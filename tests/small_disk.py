"""A folder on a disk with hardly any room, and a file that is mounted."""

import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest


def small_file_system(folder: Path, size: int) -> AbstractContextManager[None]:
    """Mount one at that folder on which so many bytes fit; skip the test where that is denied."""
    folder.mkdir()
    return _mounted(folder, "-t", "tmpfs", "-o", f"size={size}", "tmpfs")


def mounted_at(source: Path, file: Path) -> AbstractContextManager[None]:
    """Mount one file at another; skip the test where that is denied."""
    return _mounted(file, "--bind", str(source))


@contextmanager
def _mounted(at: Path, *what: str) -> Iterator[None]:
    mounted = subprocess.run(  # noqa: S603  # the paths are a test's own
        ["mount", *what, str(at)],  # noqa: S607
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"nothing can be mounted: {mounted.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(at)], check=True)  # noqa: S603, S607
