"""Inflates a long compressed body as it comes, for its size alone, so that a bomb is stopped."""

import asyncio
from collections.abc import Callable

from wxcontacts_async._inflate import InflationGuard
from wxcontacts_async.errors import ReplyTooLargeError

_SHORT_SHARE = 16  # of max_reply_bytes: a body of less is inflated in its turn alone


class InflationWatch:
    """Watches one body, which costs as much again as to inflate it in its turn.

    Arguments:
        encoding: "gzip" or "deflate".
        limit: The bytes that it may have, inflated.
        on_too_large: Called with the error once it has more.

    """

    __slots__ = ("_encoding", "_guard", "_is_due", "_limit", "_on_too_large", "_taken")

    def __init__(
        self,
        encoding: str,
        limit: int,
        *,
        on_too_large: Callable[[ReplyTooLargeError], None],
    ) -> None:
        self._encoding = encoding
        self._limit = limit
        self._on_too_large = on_too_large
        self._guard: InflationGuard | None = None
        self._taken = 0
        self._is_due = False

    def watch(self, received: memoryview) -> None:
        """Take what has come of the body so far."""
        if len(received) < self._limit // _SHORT_SHARE:
            return
        if self._guard is None:
            self._guard = InflationGuard(self._encoding, self._limit)
        self._guard.feed(received[self._taken :])
        self._taken = len(received)
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._inflate_some)

    def end(self) -> None:
        """Look no further."""
        self._guard = None

    def _inflate_some(self) -> None:
        """Inflate a piece a tick."""
        self._is_due = False
        if self._guard is None:
            return
        try:
            if self._guard.inflate_some():
                self._is_due = True
                asyncio.get_running_loop().call_soon(self._inflate_some)
        except ReplyTooLargeError as error:
            self._on_too_large(error)
