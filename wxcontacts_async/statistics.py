"""How far the instances of one gateway are, counted at one moment."""

import msgspec


class GatewayStatistics(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What `SessionPool.statistics` returns of each gateway.

    Attributes:
        ready: Instances that wait for a slot, or for the gateway to come back.
        calling: Calls under way.
        waiting: Instances that wait, as they are initializing or to be tried again.
        undecoded: Replies that wait to be decoded.
        down_for: Seconds since the gateway ceased to answer; None if it answers.
        paused_for: Seconds for which it still asks not to be called; 0 if it does not.

    """

    ready: int
    calling: int
    waiting: int
    undecoded: int
    down_for: float | None = None
    paused_for: float = 0.0

    def __str__(self) -> str:
        counts = (
            f"ready {self.ready}, calling {self.calling}, waiting {self.waiting}, "
            f"undecoded {self.undecoded}"
        )
        down = "" if self.down_for is None else f", down for {self.down_for:.1f} s"
        paused = f", paused for {self.paused_for:.1f} s" if self.paused_for else ""
        return counts + down + paused
