"""What one contender's process is told to do with a database, and what it measured."""

import msgspec

from benchmarks.measured import Lag

PHASES = ("first", "unchanged", "changed")


class StoreTask(msgspec.Struct, frozen=True, kw_only=True):
    """What a contender's process is told on its command line, as JSON.

    Attributes:
        contender: Its name.
        database: The database's URL; "" is none.
        gateway: Where the contacts are.
        changed_gateway: Where they are when some have changed.
        instances: How many instances there are.
        contacts: How many contacts each has.
        postmaster: The process of the database's server, if there is one.

    """

    contender: str
    database: str
    gateway: str
    changed_gateway: str
    instances: int
    contacts: int
    postmaster: int | None = None


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """One sync of all instances.

    Attributes:
        name: One of PHASES.
        seconds: How long it took.
        cpu_seconds: The CPU time of all threads of the process meanwhile.
        server_cpu_seconds: That of the database's server.
        lag: The event loop's lag.
        early_bytes: The most memory that was resident in its first half, as sampled.
        late_bytes: The same of its second half.

    """

    name: str
    seconds: float
    cpu_seconds: float
    server_cpu_seconds: float
    lag: Lag
    early_bytes: int
    late_bytes: int


class StoreMeasured(msgspec.Struct, frozen=True):
    """What a contender's process answers."""

    phases: list[Phase]
    peak_bytes: int


class StoreRun(msgspec.Struct, frozen=True, kw_only=True):
    """One process: what it measured, or how it failed."""

    contender: str
    round: int
    measured: StoreMeasured | None = None
    failure: str | None = None
