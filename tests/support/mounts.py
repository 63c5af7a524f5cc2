"""Small file systems of the tests' own, where they have the right to mount them."""

import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(folder: Path, kib: int) -> Iterator[Path]:
    """Give a folder that is a file system of so many KiB; skip the test where that may not be."""
    folder.mkdir()
    with _mounted(folder, "-t", "tmpfs", "-o", f"size={kib}k,mode=755", "tmpfs"):
        yield folder


def mounted_at(source: Path, file: Path) -> AbstractContextManager[None]:
    """Mount one file at another; skip the test where that may not be."""
    return _mounted(file, "--bind", str(source))


def make_read_only(folder: Path) -> None:
    """Let no process write to a file system that is mounted there."""
    assert _fault("mount", "-o", "remount,ro", str(folder)) is None


def resize(folder: Path, kib: int) -> None:
    """Make a file system that is mounted there larger."""
    assert _fault("mount", "-o", f"remount,size={kib}k", str(folder)) is None


@contextmanager
def _mounted(at: Path, *what: str) -> Iterator[None]:
    if (fault := _fault("mount", *what, str(at))) is not None:
        pytest.skip(f"nothing can be mounted: {fault}")
    try:
        yield
    finally:
        _fault("umount", "--lazy", str(at))


def _fault(*command: str) -> str | None:
    try:
        ended = subprocess.run(command, capture_output=True, check=False)  # noqa: S603  # by us
    except OSError as error:
        return str(error)
    return ended.stderr.decode().strip() if ended.returncode else None
