"""What became of all instances within one interval, in one line."""

from collections import Counter
from typing import Any

from wxcontacts_async import Failed
from wxcontacts_async.errors import shown_id
from wxcontacts_async.store import Synced

_EXAMPLES = 3


class IntervalSummary:
    """Adds up the results of an interval, and says so in a line."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._synced = self._changes = self._odd = self._suspicious = 0
        self._failures: Counter[str] = Counter()
        self._examples: list[str] = []

    def add(self, result: Synced[Any] | Failed) -> None:
        """Take one result."""
        if isinstance(result, Failed):
            self._failures[type(result.error).__name__] += 1
            if len(self._examples) < _EXAMPLES:
                self._examples.append(shown_id(result.w_id))
            return
        self._synced += 1
        delta = result.delta_counts
        self._changes += delta.added + delta.removed + delta.changed
        self._suspicious += result.suspicion is not None
        if result.contacts is not None and not result.unchanged:
            self._odd += len(result.contacts.rejected) + len(result.contacts.flawed)

    @property
    def has_failures(self) -> bool:
        """Whether an instance failed."""
        return bool(self._failures)

    def take(self, seconds: float) -> str:
        """Return the line, and begin anew."""
        parts = [
            f"In the last {seconds:.0f} s: {self._synced:,} syncs",
            f"{self._changes:,} changes",
            f"{self._failures.total():,} failures{self._described()}",
        ]
        if self._suspicious:
            parts.append(f"{self._suspicious:,} suspicious answers")
        if self._odd:
            parts.append(f"{self._odd:,} contacts that could not be decoded, or not all of them")
        self._begin()
        return f"{', '.join(parts)}."

    def _described(self) -> str:
        if not self._failures:
            return ""
        kinds = ", ".join(f"{name} {count:,}" for name, count in self._failures.most_common())
        more = ", ..." if self._failures.total() > len(self._examples) else ""
        return f" ({kinds}: wId {', '.join(self._examples)}{more})"
