"""Logs what a database is waited for, once that takes long.

The worker thread sets what it waits for; the event loop looks at that now and then.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

_LOOK_EVERY = 0.25  # seconds

_logger = logging.getLogger("wxcontacts_async.store")


@dataclass(frozen=True)
class Wait:
    """A reason to wait.

    Attributes:
        what: Completes a sentence that begins with the database's name.
        patience: Seconds until it is logged.

    """

    what: str
    patience: float


FOR_WRITER = Wait("another one writes to it", 1.0)
FOR_CONNECTION = Wait("it cannot be reached", 1.0)
FOR_ANSWER = Wait("it has not answered for 5 s", 5.0)


class Waiting:
    """What a worker thread waits for; set by the thread, read by the event loop.

    Attributes:
        current: The reason, and since when.
        is_connected: Whether there is a connection.

    """

    def __init__(self) -> None:
        self.current: tuple[Wait, float] | None = None
        self.is_connected = False

    @contextmanager
    def on(self, wait: Wait) -> Iterator[None]:
        """Note that the block may have to wait."""
        before, self.current = self.current, (wait, monotonic())
        try:
            yield
        finally:
            self.current = before


class WaitMonitor:
    """Logs what a database is waited for, and when that is over.

    `on_wait` is called with each sentence that is logged, and whether the wait begins.
    """

    def __init__(self, name: str, on_wait: Callable[[str, bool], None]) -> None:
        self._name = name
        self._on_wait = on_wait
        # Of the run under way: what its thread waits for, and since when there is no connection.
        self._thread = Waiting()
        self._lost_at: float | None = None
        self._logged: tuple[Wait, float] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Log what the block waits for."""
        self._lost_at, self._logged = None, None
        self._look_again()
        try:
            yield
            if self._logged is not None:
                self.log(f"goes on after {monotonic() - self._logged[1]:.1f} s")
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def thread(self) -> Waiting:
        """Return what the next thread sets, and watch that."""
        self._thread = Waiting()
        return self._thread

    def lost(self) -> None:
        """Note that there is no connection."""
        self._lost_at = self._lost_at or monotonic()
        self._thread = Waiting()

    def log(self, what: str, *, waits: bool = False) -> None:
        """Log something that the user of the database should know."""
        sentence = f"{self._name} {what}"
        _logger.warning("%s", sentence)
        self._on_wait(sentence, waits)

    def _look_again(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_LOOK_EVERY, self._look)

    def _look(self) -> None:
        waits = self._thread.current
        if self._lost_at is not None and not self._thread.is_connected:
            waits = FOR_CONNECTION, self._lost_at
        logged = None if self._logged is None else self._logged[0]
        if (
            waits is not None
            and waits[0] is not logged
            and monotonic() - waits[1] >= waits[0].patience
        ):
            self._logged = waits
            self.log(f"is waited for: {waits[0].what}", waits=True)
        self._look_again()
