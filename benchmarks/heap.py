"""The heap of a process that has been up for a while.

In a fresh process CPython gives its arenas back to the system each time that a reply is dropped,
and takes them again, page fault by page fault, for the next: that can halve the throughput. Whom
it hits is luck, since one small object that happens to lie in an arena keeps it. A service that
has run for an hour has such objects in all its arenas; so has, in the workloads that ask for it,
a contender's process before it begins, whoever it is.
"""

_SPREAD_BYTES = 32 * 1024 * 1024
_OBJECT_BYTES = 400
_KEPT_OF = 1_000


def settled_heap() -> list[bytes]:
    """Take `_SPREAD_BYTES` in small objects and return one in a thousand of them, to be kept."""
    taken = [bytes(_OBJECT_BYTES) for _ in range(_SPREAD_BYTES // _OBJECT_BYTES)]
    return taken[::_KEPT_OF]
