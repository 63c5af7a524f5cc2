"""Reads the body of a reply that aiohttp takes off the connection, within bounds."""

from datetime import UTC, datetime

import aiohttp

from wxcontacts_async._http.link import Answer
from wxcontacts_async._http.reply_body import ReplyBody
from wxcontacts_async._http.retry_after import parse_retry_after
from wxcontacts_async.errors import reply_too_large

_OK, _REDIRECTION = 200, 300
_LONGEST_PROBLEM = 64 * 1024  # bytes, of the body of an answer that is no success


async def read_body(answer: Answer, limit: int) -> ReplyBody:
    """Read the body of a reply; of an answer that is no success, its beginning as far as it comes.

    Where it does not read to the end, the connection cannot be kept.

    Raises:
        ReplyTooLargeError: It has more than `limit` bytes.
        aiohttp.ClientError, OSError: The connection broke, or the encoding is damaged.

    """
    content_type = answer.headers.get("Content-Type", "")
    if not _OK <= answer.status < _REDIRECTION:
        return ReplyBody(
            await _beginning(answer.content),
            content_type,
            status=answer.status,
            retry_after=parse_retry_after(answer.headers.get("Retry-After"), now=datetime.now(UTC)),
        )
    pieces: list[bytes | memoryview] = []
    received = 0
    if _length_of(answer) > limit:
        raise reply_too_large(limit)
    while not answer.content.at_eof():
        pieces.append(await answer.content.readany())
        received += len(pieces[-1])
        if received > limit:
            raise reply_too_large(limit)
    return ReplyBody(pieces, content_type)


async def _beginning(content: aiohttp.StreamReader) -> list[bytes | memoryview]:
    pieces: list[bytes | memoryview] = []
    received = 0
    try:
        while received < _LONGEST_PROBLEM and not content.at_eof():
            pieces.append(await content.readany())
            received += len(pieces[-1])
    except (aiohttp.ClientError, TimeoutError, OSError):
        pass  # what has come may say enough
    return pieces


def _length_of(answer: Answer) -> int:
    written = answer.headers.get("Content-Length", "")
    return int(written) if written.isascii() and written.isdigit() else 0
