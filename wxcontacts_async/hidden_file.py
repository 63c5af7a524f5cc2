"""A file under a hidden name until it is complete, so that under its name it always is."""

import os
import stat
from contextlib import suppress
from io import FileIO
from pathlib import Path
from tempfile import mkstemp


class HiddenFile:
    """A new file in a folder, for its owner alone (0600), that is to replace another or be one.

    A process that is killed leaves it there, as `.wxcontacts-*.tmp`.

    Arguments:
        folder: Where it is to take its name.

    Attributes:
        file: What is written to.
        path: Where that is.

    Raises:
        OSError: There can be no new file in that folder.

    """

    def __init__(self, folder: Path) -> None:
        descriptor, name = mkstemp(prefix=".wxcontacts-", suffix=".tmp", dir=folder)
        self.file = FileIO(descriptor, "wb")
        self.path = Path(name)

    def take_over_rights(self, path: Path) -> None:
        """Take over the permissions of a file and, where that may be, its owner, if it is there."""
        if os.name == "nt":
            return
        try:
            before = path.stat()
        except FileNotFoundError:
            return
        with suppress(OSError):  # only root gives files away
            os.fchown(self.file.fileno(), before.st_uid, before.st_gid)
        os.fchmod(self.file.fileno(), stat.S_IMODE(before.st_mode))

    def complete(self) -> None:
        """Have all of it on the disk, and close it."""
        os.fsync(self.file.fileno())
        self.file.close()

    def discard(self) -> None:
        """Remove it, unless it has taken its name."""
        with suppress(OSError):
            self.file.close()
        with suppress(OSError):
            self.path.unlink()


def sync_folder(folder: Path) -> None:
    """Have the names in it on the disk."""
    if os.name != "nt":  # which cannot, nor needs to
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
