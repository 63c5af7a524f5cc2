"""What a report shows of a database, counted by local days or hours."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import accumulate

import msgspec

from wxcontacts_async.contacts import ContactKind
from wxcontacts_async.store.records import ChangeKind
from wxcontacts_async.store.summary import InstanceSummary, StoreSummary

_BY_HOUR = timedelta(days=2)  # up to that long, hours are shown
_FEWEST = 6  # periods, even if there was nothing yet
MOST_ROWS = 5_000


class Period(msgspec.Struct, frozen=True):
    """A local day or hour.

    Attributes:
        begin: When it began, in local time.
        changes: How many contacts came, went and changed; not with a first sync.
        contacts: How many there were at its end.
        instances: How many had been synced by its end.

    """

    begin: datetime
    changes: dict[ChangeKind, int]
    contacts: int
    instances: int


class Figures(msgspec.Struct, frozen=True):
    """What a report shows.

    Attributes:
        summary: What the database says.
        until: When it was made, in local time.
        periods: Days or hours, one after the other.
        by_hour: Whether they are hours.
        kinds: How many contacts there are of each kind.
        imported: How many came with the first sync of an instance.

    """

    summary: StoreSummary
    until: datetime
    periods: tuple[Period, ...]
    by_hour: bool
    kinds: dict[ContactKind, int]
    imported: int

    @property
    def contacts(self) -> int:
        """How many contacts there are, each as often as instances have it."""
        return sum(self.kinds.values())

    @property
    def distinct(self) -> int:
        """How many there are, each once."""
        return sum(self.summary.spread.values())

    @property
    def on_several(self) -> int:
        """How many are on several instances."""
        return self.distinct - self.summary.spread.get(1, 0)

    @property
    def came(self) -> int:
        """How many contacts came, not with a first sync."""
        return sum(period.changes[ChangeKind.ADDED] for period in self.periods)

    @property
    def went(self) -> int:
        """How many went."""
        return sum(period.changes[ChangeKind.REMOVED] for period in self.periods)

    @property
    def states(self) -> Counter[str]:
        """How many instances ended in which state."""
        return Counter(map(state_of, self.summary.instances))


class GatewayFigures(msgspec.Struct, frozen=True):
    """The instances of one gateway."""

    name: str
    instances: int
    states: Counter[str]
    contacts: int
    calls: float


def begin_of(since: datetime) -> datetime:
    """Return when the local day, or for a short time the local hour, began that a time is in."""
    since = since.astimezone()
    begin = since.replace(minute=0, second=0, microsecond=0)
    if datetime.now().astimezone() - since > _BY_HOUR:
        begin = begin.replace(hour=0)
    return begin.replace(tzinfo=None).astimezone()  # the clocks may have been changed since


def count(summary: StoreSummary, until: datetime) -> Figures:
    """Count what a report shows."""
    since, until = summary.since.astimezone(), until.astimezone()
    by_hour = until - since <= _BY_HOUR
    kinds: Counter[ContactKind] = Counter()
    for instance in summary.instances:
        kinds.update(instance.kinds)
    a_few_ago = until - _FEWEST * timedelta(hours=1 if by_hour else 24)
    known_since = min(_known(summary), default=since)
    since = max(since, begin_of(min(known_since, a_few_ago)))
    begins = list(_begins(since, until, by_hour=by_hour))
    return Figures(
        summary,
        until,
        tuple(_periods(summary, begins, kinds.total())),
        by_hour,
        dict(kinds),
        sum(hour.imported for hour in summary.hours),
    )


def state_of(instance: InstanceSummary) -> str:
    """Return in short how an instance ended: "synced", "suspicious" or "failing"."""
    outcome = instance.stored.outcome
    return outcome if outcome in {"synced", "suspicious"} else "failing"


def gateways(instances: Iterable[InstanceSummary]) -> list[GatewayFigures]:
    """Count the instances of each gateway."""
    of_gateway: dict[str, list[InstanceSummary]] = {}
    for instance in instances:
        of_gateway.setdefault(instance.stored.gateway, []).append(instance)
    return [_gateway(name, of_gateway[name]) for name in sorted(of_gateway)]


def busiest(instances: Iterable[InstanceSummary], number: int) -> list[InstanceSummary]:
    """Return the instances in which the most contacts came and went, these first."""
    moving = [one for one in instances if one.delta_counts.added or one.delta_counts.removed]
    moving.sort(key=lambda one: one.delta_counts.added + one.delta_counts.removed, reverse=True)
    return moving[:number]


def by_attention(instances: Iterable[InstanceSummary]) -> list[InstanceSummary]:
    """Return the failing and the suspicious ones first; no more than a page can show."""
    order = ("failing", "suspicious", "synced")
    return sorted(instances, key=lambda one: order.index(state_of(one)))[:MOST_ROWS]


def _gateway(name: str, instances: Sequence[InstanceSummary]) -> GatewayFigures:
    return GatewayFigures(
        name,
        len(instances),
        Counter(map(state_of, instances)),
        sum(sum(one.kinds.values()) for one in instances),
        sum(one.stored.calls for one in instances) / len(instances),
    )


def _begins(since: datetime, until: datetime, *, by_hour: bool) -> Iterable[datetime]:
    begin = since
    while begin <= until:
        yield begin
        if by_hour:
            begin = (begin + timedelta(hours=1)).astimezone()
        else:  # which need not have 24 hours
            day = (begin.replace(tzinfo=None) + timedelta(days=1)).replace(hour=0)
            begin = day.astimezone()


def _periods(summary: StoreSummary, begins: Sequence[datetime], contacts: int) -> Iterable[Period]:
    """Count back from how many contacts there are now, as the log may not begin with the first."""
    changes = [dict.fromkeys(ChangeKind, 0) for _ in begins]
    growth = [0] * len(begins)
    place = 0
    for hour in summary.hours:
        while place + 1 < len(begins) and begins[place + 1] <= hour.begin:
            place += 1
        changes[place][hour.change] += hour.count - hour.imported
        growth[place] += _GROWTH[hour.change] * hour.count
    firsts = sorted(at for one in summary.instances if (at := _first(one)) is not None)
    until = list(accumulate(growth, initial=contacts - sum(growth)))[1:]
    known = [bisect_left(firsts, end) for end in begins[1:]] + [len(firsts)]
    return map(Period, begins, changes, until, known)


def _known(summary: StoreSummary) -> Iterable[datetime]:
    """Give the times of which something is known."""
    yield from (hour.begin for hour in summary.hours[:1])
    yield from (at for one in summary.instances if (at := _first(one)) is not None)


def _first(instance: InstanceSummary) -> datetime | None:
    return instance.first_seen or instance.stored.synced_at


_GROWTH = {ChangeKind.ADDED: 1, ChangeKind.REMOVED: -1, ChangeKind.CHANGED: 0}
