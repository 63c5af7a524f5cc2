"""How long initialization takes at best: what the slots and the waits alone would take."""

import heapq


def ideal_seconds(
    instances: int,
    *,
    slots: int,
    call_seconds: float,
    initializing_calls: int,
    interval: float,
) -> float:
    """Return how long it would take if nothing but the slots and the waits took time.

    Every other instance is told to wait. A call holds one of the slots for `call_seconds`; then
    the slot goes, at once, to whoever has been ready longest; an instance that waits holds
    nothing. `call_seconds` is what a call of the same contender holds a slot where nobody waits,
    measured in the same process just before: slots / (instances/s). So whatever the contender's
    HTTP client and decoder cost is in the ideal too, and what is measured against it is the
    waiting alone.
    """
    # When each is ready, whose turn it is among those, and how often it is still told to wait.
    ready = [(0.0, turn, initializing_calls * (turn % 2)) for turn in range(instances)]
    free_at = [0.0] * slots
    turn = instances
    end = 0.0
    while ready:
        ready_at, _, waits = heapq.heappop(ready)
        end_of_call = max(ready_at, free_at[0]) + call_seconds
        heapq.heapreplace(free_at, end_of_call)
        if waits:
            heapq.heappush(ready, (end_of_call + interval, turn, waits - 1))
            turn += 1
        else:
            end = max(end, end_of_call)
    return end
