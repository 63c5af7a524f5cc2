"""How instances end: fetched or failed, one by one or as a report."""

from functools import cached_property
from typing import Generic, TypeAlias

import msgspec

from wxcontacts_async.contacts import ContactSet, ContactT
from wxcontacts_async.errors import WxContactsError


class Fetched(msgspec.Struct, Generic[ContactT], frozen=True):
    """An instance whose contacts arrived.

    Attributes:
        w_id: The instance.
        gateway: The name of its gateway.
        contacts: Its contacts.
        calls: How many calls it took.
        waited: Seconds in which it was not to be called: while it was initializing, before another
            attempt, and while its gateway was away or asked for a pause. Time in line for a slot
            is not counted, nor is that of the calls.
        elapsed: Seconds from when it was asked for to the end of its last call.
        reply_bytes: Size of the last reply's body, after decompression.

    """

    w_id: str
    gateway: str
    contacts: ContactSet[ContactT]
    calls: int
    waited: float
    elapsed: float
    reply_bytes: int


class Failed(msgspec.Struct, frozen=True):
    """An instance that was given up.

    Attributes:
        w_id: The instance.
        gateway: The name of its gateway; "" where the instance names none that is known.
        error: Why.
        calls: How many calls were sent for it.
        waited: Seconds in which it was not to be called: while it was initializing, before another
            attempt, and while its gateway was away or asked for a pause. Time in line for a slot
            is not counted, nor is that of the calls.
        elapsed: Seconds from when it was asked for to the end of its last call.

    """

    w_id: str
    gateway: str
    error: WxContactsError
    calls: int = 0
    waited: float = 0.0
    elapsed: float = 0.0


Outcome: TypeAlias = Fetched[ContactT] | Failed  # `type` needs Python 3.12


class FetchReport(msgspec.Struct, Generic[ContactT], frozen=True, dict=True):
    """What `SessionPool.fetch_all` came back with.

    Attributes:
        outcomes: The outcome of every instance that was given, in the order they ended.

    """

    outcomes: tuple[Fetched[ContactT] | Failed, ...]

    @cached_property
    def contacts(self) -> dict[str, ContactSet[ContactT]]:
        """The contact sets that arrived, by wId; of one wId on two gateways, the later one."""
        return {
            outcome.w_id: outcome.contacts
            for outcome in self.outcomes
            if isinstance(outcome, Fetched)
        }

    @cached_property
    def errors(self) -> dict[str, WxContactsError]:
        """What went wrong, by wId."""
        return {
            outcome.w_id: outcome.error for outcome in self.outcomes if isinstance(outcome, Failed)
        }

    def raise_for_errors(self) -> None:
        """Raise an ExceptionGroup of every instance's error; do nothing if there is none."""
        errors = [outcome.error for outcome in self.outcomes if isinstance(outcome, Failed)]
        if errors:
            msg = f"{len(errors)} of {len(self.outcomes)} instances failed"
            raise ExceptionGroup(msg, errors)

    def __repr__(self) -> str:
        failed = sum(isinstance(outcome, Failed) for outcome in self.outcomes)
        return f"FetchReport({len(self.outcomes) - failed} fetched, {failed} failed)"
