"""The output that an option names, inspected before anything is written."""

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from wxcontacts_async.cli.options.usage import wrong

STANDARD = "-"  # standard input or output, where a file is meant

# The suffixes of SQLite's files, by https://www.sqlite.org/tempfiles.html, and their magic bytes.
_BESIDE_A_DATABASE = ("-wal", "-shm", "-journal")
_DATABASE = b"SQLite format 3\0"
_WALS = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
_JOURNAL = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"


class OutputPath:
    """A file, or `-` for standard output, that is to be written, and can be.

    Arguments:
        path: The value of the option.
        option: Its name.
        in_place: Whether it is overwritten in place, rather than replaced by another file.

    Attributes:
        name: The path as messages show it.
        real: The path with links resolved; None for standard output.
        status: Of the file that exists; None if none does.

    """

    def __init__(self, path: str, option: str, *, in_place: bool = False) -> None:
        self.path = path
        self._in_place = in_place
        self.option = option
        self.is_standard = path == STANDARD
        self.name = "standard output" if self.is_standard else repr(path)
        self.real: Path | None = None
        try:
            self.status = self._look()
            self._check()
        except OSError as error:
            raise self._wrong(error.strerror or str(error)) from None
        except ValueError:  # it has a null character
            raise self._wrong("there can be no such file") from None

    def _look(self) -> os.stat_result | None:
        if self.is_standard:
            if sys.stdout is None:
                raise wrong(self.option, "is standard output, which is closed")
            return os.fstat(sys.stdout.fileno())
        self.real = Path(self.path).resolve()
        try:
            return Path(self.path).stat()
        except FileNotFoundError:
            return None

    @property
    def is_regular(self) -> bool:
        """Whether it is, or will be, a regular file."""
        return self.status is None or stat.S_ISREG(self.status.st_mode)

    @property
    def is_empty_file(self) -> bool:
        """Whether writing begins at the start of a regular file."""
        return self.is_regular and (
            self.is_replaced or self.status is None or not self.status.st_size
        )

    @property
    def is_replaced(self) -> bool:
        """Whether a complete file is to replace it.

        Pipes and the like, and descriptors such as /dev/stdout, are written directly.
        """
        if self.real is None or self._in_place or not self.is_regular:
            return False
        return _descriptor_link(self.path) is None

    @property
    def descriptor(self) -> int | None:
        """The open descriptor of this process that it names, if any.

        Opened again by that name, a file would be written from its start, though the shell may
        have opened it to append.
        """
        link = None if self.is_standard else _descriptor_link(self.path)
        if link is None or not link.name.isdecimal():
            return None
        own = {os.path.realpath(folder) for folder in ("/dev/fd", "/proc/self/fd")}
        return int(link.name) if os.path.realpath(link.parent) in own else None

    def must_not_be(self, others: Iterable[Path], option: str) -> None:
        """Raise typer.BadParameter if it is one of these files, which another option names."""
        if any(self._is(other) for other in others):
            raise wrong(self.option, f"must be another file than that of {option}")

    def must_not_be_output(self, other: "OutputPath") -> None:
        """Raise typer.BadParameter if it is the file of another output."""
        both = self.is_standard and other.is_standard
        if both or (other.real is not None and self._is(other.real)) or self._has(other.status):
            raise wrong(self.option, f"must be another file than that of {other.option}")

    def must_not_be_a_database(self) -> None:
        """Raise typer.BadParameter if it is a file of an existing SQLite database."""
        if self.real is not None and self.is_regular and _is_of_a_database(self.real):
            raise self._wrong("it belongs to an SQLite database")

    def _is(self, other: Path) -> bool:
        if self.real is not None and self.real == other.resolve():
            return self.is_regular
        try:
            return self._has(other.stat())
        except OSError:
            return False

    def _has(self, status: os.stat_result | None) -> bool:
        if status is None or self.status is None or not self.is_regular:
            return False
        return os.path.samestat(self.status, status)

    def _check(self) -> None:
        if self.status is not None and stat.S_ISDIR(self.status.st_mode):
            raise self._wrong("Is a directory")
        if self.real is None or not self.is_regular:
            return
        if self.status is not None and not os.access(self.path, os.W_OK):
            raise self._wrong("Permission denied")
        if not self.is_replaced:
            return
        folder = self.real.parent
        if not folder.is_dir():
            raise self._wrong("No such file or directory")
        if not os.access(folder, os.W_OK | os.X_OK):
            what = f"no file can be made beside it, in {str(folder)!r}, to replace it when complete"
            raise self._wrong(what)

    def _wrong(self, reason: str) -> Exception:
        return wrong(self.option, f"{self.name} cannot be written: {reason}")


def database_files(path: Path) -> Iterator[Path]:
    """Give the paths of an SQLite database's files, existing or not."""
    for base in {path.absolute(), path.resolve()}:
        yield base
        for suffix in _BESIDE_A_DATABASE:
            yield base.with_name(base.name + suffix)


def _is_of_a_database(path: Path) -> bool:
    """Return whether it is an SQLite database, or a file that one beside it uses."""
    if _begins_with(path, (_DATABASE, *_WALS, _JOURNAL)):
        return True
    for suffix in _BESIDE_A_DATABASE:
        if path.name.endswith(suffix) and path.name != suffix:
            return _begins_with(path.with_name(path.name.removesuffix(suffix)), (_DATABASE,))
    return False


def _begins_with(path: Path, beginnings: tuple[bytes, ...]) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_DATABASE)).startswith(beginnings)
    except OSError:
        return False


def _descriptor_link(path: str) -> Path | None:
    """Return the descriptor's link that it leads to, if any, as /dev/stdout does."""
    link = Path(path)
    while not os.path.realpath(link.parent).startswith(("/proc/", "/dev/fd")):
        if not link.is_symlink():  # no loop is possible, as it was resolved
            return None
        link = link.parent / link.readlink()
    return link
