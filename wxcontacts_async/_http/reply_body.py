"""What a call brought back: the body of a reply, before anything of it is understood."""

import msgspec

from wxcontacts_async._http.buffers import Buffer, ReceiveBuffers

_SUCCESS = range(200, 300)


class ReplyBody(msgspec.Struct, gc=False):
    """The body of a reply as it came.

    Attributes:
        pieces: Its bytes. The decode queue joins them, as that takes a while for large ones.
        content_type: The Content-Type header. Its charset is looked at only where the body cannot
            be decoded without it.
        encoding: How the bytes are compressed: "gzip", "deflate", or "" for not at all.
        status: The HTTP status. Where it is no success the body is cut after 64 KiB.
        retry_after: Seconds that the Retry-After header asks to wait, or None.

    """

    pieces: list[bytes | memoryview]
    content_type: str
    encoding: str = ""
    status: int = 200
    retry_after: float | None = None
    _buffer: Buffer | None = None
    _buffers: ReceiveBuffers | None = None

    @property
    def is_success(self) -> bool:
        """Whether the HTTP status is 2xx."""
        return self.status in _SUCCESS

    def lend(self, buffer: Buffer, buffers: ReceiveBuffers) -> None:
        """Take note that the bytes are in a buffer that is to be given back."""
        self._buffer, self._buffers = buffer, buffers
        buffers.undecoded += len(buffer)

    def release(self) -> None:
        """Let go of the bytes, of which no view is left."""
        self.pieces.clear()
        buffer, self._buffer = self._buffer, None
        if buffer is not None and self._buffers is not None:
            self._buffers.undecoded -= len(buffer)
            self._buffers.give(buffer)
