"""A blocking call in a thread, and what becomes of it when whoever waits for it is cancelled."""

import threading
from time import monotonic

import anyio
import pytest
from anyio import CapacityLimiter, to_thread

from wxcontacts_async.store._database.blocking_call import BlockingCall

_LONG = 30.0  # never waited for
_CLOCK = 0.002  # how exactly a loop keeps time


class Call:
    """A blocking call that lasts until it is let go on."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.has_ended = False

    def __call__(self) -> str:
        self.begun.set()
        self.go_on.wait(_LONG)
        self.has_ended = True
        return "done"


async def begun(call: Call) -> None:
    await to_thread.run_sync(call.begun.wait, _LONG)


async def test_it_returns_what_the_call_returns_and_raises_what_it_raises() -> None:
    def fails() -> None:
        raise LookupError

    assert await BlockingCall(lambda: 7, patience=_LONG).run(CapacityLimiter(1)) == 7
    with pytest.raises(LookupError):
        await BlockingCall(fails, patience=_LONG).run(CapacityLimiter(1))


async def test_who_is_cancelled_waits_until_the_call_has_ended() -> None:
    call = Call()
    blocking = BlockingCall(call, patience=_LONG)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(blocking.run, CapacityLimiter(1))
        await begun(call)
        tasks.cancel_scope.cancel()
        threading.Timer(0.1, call.go_on.set).start()
    assert call.has_ended
    assert blocking.result == "done"


async def test_who_is_cancelled_does_not_wait_for_ever() -> None:
    call = Call()
    discarded: list[str] = []
    is_discarded = threading.Event()

    def discard(result: str) -> None:
        discarded.append(result)
        is_discarded.set()

    blocking = BlockingCall(call, patience=0.1, discard=discard)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(blocking.run, CapacityLimiter(1))
        await begun(call)
        cancelled_at = monotonic()
        tasks.cancel_scope.cancel()
    assert 0.1 - _CLOCK <= monotonic() - cancelled_at < _LONG
    assert not call.has_ended
    call.go_on.set()
    await to_thread.run_sync(is_discarded.wait, _LONG)
    assert discarded == ["done"]
    assert blocking.result is None


async def test_what_is_cancelled_before_it_begins_is_not_begun() -> None:
    call, other = Call(), Call()
    limiter = CapacityLimiter(1)
    blocking = BlockingCall(other, patience=_LONG)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(BlockingCall(call, patience=_LONG).run, limiter)
        await begun(call)
        cancelled_at = monotonic()
        with anyio.move_on_after(0.05):
            await blocking.run(limiter)
        assert monotonic() - cancelled_at < _LONG
        call.go_on.set()
    assert not blocking.is_begun
    assert not other.begun.is_set()
