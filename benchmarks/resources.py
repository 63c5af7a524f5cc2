"""What this process has used: time, pages of memory, and memory now and at most."""

import resource
import sys
from pathlib import Path
from time import perf_counter, process_time
from typing import Self

import msgspec

_STATUS = Path("/proc/self/status")


class Used(msgspec.Struct, frozen=True):
    """What a process used of each; times are in seconds."""

    seconds: float
    cpu_seconds: float
    page_faults: int

    @classmethod
    def so_far(cls) -> Self:
        """Return what this process has used, all of its threads together."""
        page_faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        return cls(perf_counter(), process_time(), page_faults)

    def since(self, earlier: Self) -> Self:
        """Return what came to it."""
        return type(self)(
            self.seconds - earlier.seconds,
            self.cpu_seconds - earlier.cpu_seconds,
            self.page_faults - earlier.page_faults,
        )


def peak_bytes() -> int:
    """Return the most memory that was ever resident.

    From /proc where there is one, since `ru_maxrss` begins there with that of the parent process.
    """
    if _STATUS.exists():
        return _from_status("VmHWM")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def resident_bytes() -> int:
    """Return the memory that is resident now; the peak where there is no /proc."""
    return _from_status("VmRSS") if _STATUS.exists() else peak_bytes()


def _from_status(field: str) -> int:
    for line in _STATUS.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.removesuffix("kB")) * 1024
    msg = f"{_STATUS} has no {field}"
    raise ValueError(msg)
