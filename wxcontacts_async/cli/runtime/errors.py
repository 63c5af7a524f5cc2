"""What keeps a command from going on, in its words."""

import errno


class CommandError(Exception):
    """What keeps a command from going on, in its words.

    Attributes:
        output_closed: Whether it is that whoever read the output has enough.

    """

    output_closed = False


class OutputError(CommandError):
    """A file that cannot be written any more."""

    def __init__(self, name: str, error: OSError) -> None:
        super().__init__(f"{name} cannot be written: {reason_of(error)}")
        self.output_closed = error.errno == errno.EPIPE


def reason_of(error: OSError) -> str:
    """Say why something cannot be written."""
    return _REASONS.get(error.errno or 0) or error.strerror or str(error)


_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "no file may be so large here",
}
