"""On what the benchmarks ran: machine, versions, date."""

import os
import platform
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks.contenders import version_of
from benchmarks.pinning import cores

_CPU_INFO = Path("/proc/cpuinfo")


class Machine(msgspec.Struct, frozen=True):
    """What a reader must know to compare.

    Attributes:
        date: When the run began, UTC.
        processor: Its name.
        cores: How many there are.
        pinned: Whether server and contender each had a core of its own.
        load: The load average of the minute before; much of it spoils the figures.
        system: The operating system.
        versions: Python's, and those of the packages compared.

    """

    date: datetime
    processor: str
    cores: int
    pinned: bool
    load: float
    system: str
    versions: dict[str, str]


def this_machine(packages: Iterable[str]) -> Machine:
    """Look at this machine, and at the versions of these packages, now."""
    found = {package: version_of(package) for package in packages}
    return Machine(
        date=datetime.now(UTC).replace(microsecond=0),
        processor=_processor(),
        cores=os.cpu_count() or 1,
        pinned=cores()[0] is not None,
        load=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else 0.0,
        system=f"{platform.system()} {platform.release()}",
        versions={"Python": sys.version.split()[0]}
        | {package: version for package, version in found.items() if version},
    )


def _processor() -> str:
    if _CPU_INFO.exists():
        for line in _CPU_INFO.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
