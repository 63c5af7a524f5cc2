"""Which cores there are, and how a process stays on one."""

import os
import sys


def cores() -> tuple[int | None, int | None]:
    """Return the core of the server and that of the contender; None where there are not two."""
    if sys.platform != "linux":
        return (None, None)
    usable = sorted(os.sched_getaffinity(0))
    return (usable[0], usable[1]) if len(usable) > 1 else (None, None)


def pin_to(core: int | None) -> None:
    """Keep this process, with the threads that it will start, on one core; None is any."""
    if core is not None and sys.platform == "linux":
        os.sched_setaffinity(0, {core})
