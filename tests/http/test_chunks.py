"""Chunks are undone by what was received, and not by what a buffer has held before."""

from wxcontacts_async._http.chunks import ChunkedBody, Progress


def test_what_an_earlier_reply_left_in_the_buffer_is_no_size() -> None:
    received = b"5\r\nabcde\r\n"
    buffer = bytearray(received + b"5\r\n" * 4)
    body = ChunkedBody(0)
    progress, filled = body.undo(buffer, memoryview(buffer), len(received))
    assert (progress, filled, body.needed) == (Progress.MORE, 5, 0)
