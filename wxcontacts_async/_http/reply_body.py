"""What a call brought back: the body of a reply, before anything of it is understood."""

import msgspec

_SUCCESS = range(200, 300)


class ReplyBody(msgspec.Struct, gc=False):
    """The body of a reply as it came.

    Attributes:
        pieces: Its bytes. The decode queue joins them, as that takes a while for large ones.
        content_type: The Content-Type header. Its charset is looked at only where the body cannot
            be decoded without it.
        status: The HTTP status. Where it is no success the body is cut after 64 KiB.
        retry_after: Seconds that the Retry-After header asks to wait, or None.

    """

    pieces: list[bytes]
    content_type: str
    status: int = 200
    retry_after: float | None = None

    @property
    def is_success(self) -> bool:
        """Whether the HTTP status is 2xx."""
        return self.status in _SUCCESS
