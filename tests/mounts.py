"""Small file systems of the tests' own, where they have the right to mount them."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(folder: Path, kib: int) -> Iterator[Path]:
    """Give a folder that is a file system of so many KiB; skip the test where that may not be."""
    folder.mkdir()
    options = ("-t", "tmpfs", "-o", f"size={kib}k,mode=755", "tmpfs", str(folder))
    if not _run("mount", *options):
        folder.rmdir()
        pytest.skip("needs the right to mount a file system")
    try:
        yield folder
    finally:
        _run("umount", "--lazy", str(folder))


def make_read_only(folder: Path) -> None:
    """Let nobody write to a file system that is mounted there."""
    assert _run("mount", "-o", "remount,ro", str(folder))


def resize(folder: Path, kib: int) -> None:
    """Make a file system that is mounted there larger."""
    assert _run("mount", "-o", f"remount,size={kib}k", str(folder))


def _run(*command: str) -> bool:
    try:
        ended = subprocess.run(command, capture_output=True, check=False)  # noqa: S603  # by us
    except OSError:
        return False
    return ended.returncode == 0
