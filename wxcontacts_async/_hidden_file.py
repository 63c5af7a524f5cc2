"""A file under a hidden name until it is complete, so that under its name it always is."""

import os
import stat
from contextlib import suppress
from io import FileIO
from pathlib import Path
from tempfile import mkstemp

_ACCESS_LIST = "system.posix_acl_access"


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
        """Take over the permissions of a file, and its owner and group where that may be.

        Where the group or the access list cannot be had, its rights are not given to another.
        """
        if os.name == "nt":  # where a folder gives them
            return
        try:
            before = path.stat()
        except FileNotFoundError:
            return
        descriptor = self.file.fileno()
        mode = stat.S_IMODE(before.st_mode) & 0o777  # to run as its owner is nothing for a list
        if not _owned_by(descriptor, before.st_uid, before.st_gid):
            mode &= ~stat.S_IRWXG
        if not _listed_as(descriptor, path):
            mode &= stat.S_IRWXU
        os.fchmod(descriptor, mode)

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


def _owned_by(descriptor: int, owner: int, group: int) -> bool:
    """Give an open file away as far as that may be, and return whether its group could be had."""
    for user in (owner, -1):  # only root changes owners
        with suppress(OSError):
            os.fchown(descriptor, user, group)
            return True
    return False


def _listed_as(descriptor: int, path: Path) -> bool:
    """Let an open file have the access list of a file, and return whether it could be had."""
    if not hasattr(os, "getxattr"):
        return True
    try:
        access = os.getxattr(path, _ACCESS_LIST)
    except OSError:  # it has none, or there are none here
        with suppress(OSError):  # what the folder gives to each new file
            os.removexattr(descriptor, _ACCESS_LIST)
        return True
    try:
        os.setxattr(descriptor, _ACCESS_LIST, access)
    except OSError:
        return False
    return True


def sync_folder(folder: Path) -> None:
    """Have the names in it on the disk."""
    if os.name != "nt":  # which cannot, nor needs to
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
