"""How much memory this process has, and had at most."""

import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


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
