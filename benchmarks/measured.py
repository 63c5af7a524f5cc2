"""What one process measured, and how it is told to."""

import msgspec


class Task(msgspec.Struct, frozen=True):
    """What a contender's process is told on its command line, as JSON.

    Attributes:
        contender: Its name.
        workload: The name of the workload.
        quick: Whether it is the quick one.
        url: Where the server is.
        fingerprints: What its replies must be.
        first: The number of the first instance; this process has them from there on for itself.
        core: The core to run on; None is any.

    """

    contender: str
    workload: str
    quick: bool
    url: str
    fingerprints: list[int]
    first: int
    core: int | None


class Lag(msgspec.Struct, frozen=True):
    """By how much a 1 ms ticker came late, in seconds."""

    p50: float
    p99: float
    max: float
    samples: int


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What a contender's process answers.

    Attributes:
        instances: How many instances the timed part fetched.
        contacts: How many contacts each has.
        seconds: How long that took.
        cpu_seconds: The CPU time of all threads of the process meanwhile.
        page_faults: How many pages of memory the process was given meanwhile.
        peak_bytes: The most memory that the process had resident, ever.
        lag: The event loop's lag.
        seconds_at_few: What an instance takes when only FEW are fetched.
        ideal_seconds: What initialization takes at best.

    """

    instances: int
    contacts: int
    seconds: float
    cpu_seconds: float
    page_faults: int
    peak_bytes: int
    lag: Lag | None = None
    seconds_at_few: float | None = None
    ideal_seconds: float | None = None

    @property
    def instances_a_second(self) -> float:
        """The rate by wall clock."""
        return self.instances / self.seconds

    @property
    def contacts_a_second(self) -> float:
        """The rate by wall clock."""
        return self.instances_a_second * self.contacts

    @property
    def contacts_a_cpu_second(self) -> float:
        """The rate by CPU time."""
        return self.instances * self.contacts / self.cpu_seconds

    @property
    def cpu_seconds_a_reply(self) -> float:
        """The CPU time that a reply takes."""
        return self.cpu_seconds / self.instances

    @property
    def page_faults_a_reply(self) -> float:
        """The pages of memory that a reply takes."""
        return self.page_faults / self.instances

    @property
    def lag_p50(self) -> float | None:
        """The median lag."""
        return self.lag.p50 if self.lag else None

    @property
    def lag_p99(self) -> float | None:
        """The lag that one tick in a hundred exceeds."""
        return self.lag.p99 if self.lag else None

    @property
    def lag_max(self) -> float | None:
        """The longest lag."""
        return self.lag.max if self.lag else None

    @property
    def to_ideal(self) -> float | None:
        """The time against the ideal."""
        return self.seconds / self.ideal_seconds if self.ideal_seconds else None

    @property
    def many_to_few(self) -> float | None:
        """The cost of an instance against that when only FEW are fetched."""
        if not self.seconds_at_few:
            return None
        return self.seconds / self.instances / self.seconds_at_few


class Waiting(msgspec.Struct, frozen=True):
    """What the process of the waiting instances answers."""

    instances: int
    bytes_each: float


class Import(msgspec.Struct, frozen=True):
    """What a process that only imports answers: how long it took, and which extras came along."""

    seconds: float
    extras: list[str] = []


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One process: what it measured, or how it failed."""

    workload: str
    contender: str
    round: int
    measured: Measured | None = None
    failure: str | None = None
