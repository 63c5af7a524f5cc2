"""The errors that end a command."""

import errno


class CommandError(Exception):
    """An error that ends a command; its text is the message.

    Attributes:
        output_closed: Whether the reader of the output has closed it.

    """

    output_closed = False


class OutputError(CommandError):
    """A file that can no longer be written."""

    def __init__(self, name: str, error: OSError) -> None:
        super().__init__(f"{name} cannot be written: {reason_of(error)}")
        self.output_closed = error.errno == errno.EPIPE


def reason_of(error: OSError) -> str:
    """Return why a file cannot be written."""
    return _REASONS.get(error.errno or 0) or error.strerror or str(error)


_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "no file may be so large here",
}
