"""Memory that is mapped: it costs nothing until it is written to, and can be given back in part."""

import mmap
import sys
from collections.abc import Iterator

# Bytes; to give back all of a large one at once would hold the event loop for some milliseconds.
_GIVEN_BACK_AT_ONCE = 4 * 1024 * 1024


def mapped(size: int) -> mmap.mmap:
    """Map so many bytes."""
    if sys.platform == "win32":
        return mmap.mmap(-1, size)
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANON)


def giving_back(memory: mmap.mmap, begin: int, end: int) -> Iterator[None]:
    """Give what was written between two places back to the system, with a `yield` behind each part.

    On Windows it goes back when the memory is dropped.
    """
    if sys.platform == "win32":
        return
    while begin < end:
        memory.madvise(mmap.MADV_DONTNEED, begin, min(end - begin, _GIVEN_BACK_AT_ONCE))
        begin += _GIVEN_BACK_AT_ONCE
        yield
