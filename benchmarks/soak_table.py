"""What a soak has counted, as a table in Markdown."""

from collections import Counter
from collections.abc import Iterator

import msgspec

from benchmarks.soak_truth import Comparison


class SoakFigures(msgspec.Struct):
    """What happened in a soak.

    Attributes:
        instances: How many instances there were.
        contacts: How many contacts each had.
        minutes: How long it went on.
        restarts: How often the gateway was killed and started anew.
        calls: How many calls were sent.
        faults: How often the gateway met which fault.
        fetched: How many outcomes of streams, and returns of `fetch`, had contacts.
        failed: How many had which error.
        streams: How many streams ran to their end.
        streams_cancelled: How many were left before.
        fetches_cancelled: How many calls of `fetch` were cancelled.
        not_once: How many instances had no outcome, or two, in streams that ran to their end.
        expected: Contacts of the instances that were fetched.
        rejected: Those of them that could not be read.
        repaired: Those of them whose text was made readable.
        flawed: Those of them that lack a value that could not be read.
        lost: Those of them that are missing or otherwise than sent.
        foreign: Contacts that the instances do not have.
        thinned: Contacts that answers of the gateway left out.
        synced: How many outcomes went into the database.
        suspicious: How many of these it did not believe to be all.
        deleted: Contacts that were removed from the database, and are still there.
        memory_at_start: Bytes resident after the first pass over all instances, and the first
            one through the database.
        memory_at_end: Bytes resident at the end.
        tasks_left: Tasks that the pool left behind.
        sockets_left: Sockets to the gateway that the pool left behind.
        buffers_left: Bytes of buffers that replies were received in and that nobody gave back.
        is_by_tls: Whether the gateway spoke TLS.

    """

    instances: int
    contacts: int
    minutes: float = 0.0
    restarts: int = 0
    calls: int = 0
    faults: Counter[str] = msgspec.field(default_factory=Counter)
    fetched: int = 0
    failed: Counter[str] = msgspec.field(default_factory=Counter)
    streams: int = 0
    streams_cancelled: int = 0
    fetches_cancelled: int = 0
    not_once: int = 0
    expected: int = 0
    rejected: int = 0
    repaired: int = 0
    flawed: int = 0
    lost: int = 0
    foreign: int = 0
    thinned: int = 0
    synced: int = 0
    suspicious: int = 0
    deleted: int = 0
    memory_at_start: int = 0
    memory_at_end: int = 0
    tasks_left: int = 0
    sockets_left: int = 0
    buffers_left: int = 0
    is_by_tls: bool = False

    def add(self, comparison: Comparison) -> None:
        """Take note of one contact set."""
        self.fetched += 1
        self.expected += comparison.expected
        self.rejected += comparison.rejected
        self.repaired += comparison.repaired
        self.flawed += comparison.flawed
        self.lost += comparison.lost
        self.foreign += comparison.foreign
        self.thinned += comparison.thinned

    @property
    def unexpected(self) -> int:
        """How many failures were not an error made for what happened."""
        return self.failed["WxContactsError"]

    @property
    def received(self) -> int:
        """How many contacts were received, those with repaired text included."""
        return self.expected - self.rejected - self.lost - self.thinned

    @property
    def passed(self) -> bool:
        """Whether nothing was lost, deleted, doubled, mixed up or left behind."""
        return not (
            self.lost
            or self.deleted
            or self.foreign
            or self.not_once
            or self.unexpected
            or self.tasks_left
            or self.sockets_left
            or self.buffers_left
        )


def render(figures: SoakFigures) -> str:
    """Return the table, under a heading."""
    lines = [
        "# Soak",
        "",
        (
            f"{figures.instances:,} instances of {figures.contacts} contacts, over and over; "
            f"`python -m benchmarks.soak{' --tls' if figures.is_by_tls else ''}`."
        ),
        "",
        "| | |",
        "| --- | --- |",
        *(f"| {name} | {value} |" for name, value in _rows(figures)),
    ]
    return "\n".join(lines) + "\n"


def _rows(figures: SoakFigures) -> Iterator[tuple[str, str]]:
    yield "minutes", f"{figures.minutes:.1f}"
    yield "gateway killed and started anew", f"{figures.restarts:,}"
    yield "calls", f"{figures.calls:,}"
    yield "faults met", f"{figures.faults.total():,} of {len(figures.faults)} kinds"
    for kind, times in sorted(figures.faults.items()):
        yield f"- {kind}", f"{times:,}"
    yield "outcomes: fetched", f"{figures.fetched:,}"
    yield "outcomes: failed", f"{figures.failed.total():,}"
    for error, times in sorted(figures.failed.items()):
        yield f"- {error}", f"{times:,}"
    yield "outcomes: calls of `fetch` cancelled", f"{figures.fetches_cancelled:,}"
    yield "streams cancelled", f"{figures.streams_cancelled:,}"
    yield "streams that ran to their end", f"{figures.streams:,}"
    yield "instances in these with no outcome, or two", f"{figures.not_once:,}"
    yield "contacts expected", f"{figures.expected:,}"
    yield "contacts received", f"{figures.received:,}"
    yield "of these, with damaged text made readable", f"{figures.repaired:,}"
    yield "of these, with a value lost, in `flawed`", f"{figures.flawed:,}"
    yield "contacts of a wrong shape, in `rejected`", f"{figures.rejected:,}"
    yield "contacts that the gateway left out", f"{figures.thinned:,}"
    yield "**contacts lost**", f"**{figures.lost:,}**"
    yield "contacts of others", f"{figures.foreign:,}"
    yield "outcomes that went into the database", f"{figures.synced:,}"
    yield "of these, with fewer contacts than were believed", f"{figures.suspicious:,}"
    yield "**contacts deleted that are still there**", f"**{figures.deleted:,}**"
    yield "memory after the first passes", f"{figures.memory_at_start / 1e6:,.0f} MB"
    yield "memory at the end", f"{figures.memory_at_end / 1e6:,.0f} MB"
    yield "tasks left", f"{figures.tasks_left:,}"
    yield "sockets left", f"{figures.sockets_left:,}"
    yield "bytes of buffers not given back", f"{figures.buffers_left:,}"
