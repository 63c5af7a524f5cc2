"""A call that the emulator got, as it records it."""

from typing import Literal

import msgspec

from wxcontacts_async.emulator.faults import FaultKind


class RecordedCall(msgspec.Struct):
    """One call that the emulator got.

    Attributes:
        w_id: The instance that was asked for.
        began: When it came in, in seconds of `time.monotonic`.
        ended: When it was answered or its connection went; None while it is under way.
        reply: What it was answered; "gone" if its connection went first, "fault" if it was
            answered with a fault and has no reply in the end.
        fault: The fault that it met.
        damaged: The user_names of the contacts that a fault damaged in the reply or left out of
            it; all others are as `contact_set` had them when it was answered.

    """

    w_id: str
    began: float
    ended: float | None = None
    reply: Literal["ready", "initializing", "refused", "gone", "fault"] | None = None
    fault: FaultKind | None = None
    damaged: tuple[str, ...] = ()
