"""Whether a database can be reached; each change is logged and announced once."""

import logging
from collections.abc import Callable
from time import monotonic

from wxcontacts_async.store.errors import StoreConnectionError

_logger = logging.getLogger("wxcontacts_async.store")


class Reachability:
    """What is known of the way to a database. What lasts a second is a warning of WaitMonitor's.

    Arguments:
        name: The database's.
        on_down: Called with the reason when it is lost.
        on_up: Called when it is reached, with the seconds since it was lost, 0 the first time.

    """

    def __init__(
        self,
        name: str,
        on_down: Callable[[str], object],
        on_up: Callable[[float], object],
    ) -> None:
        self._name = name
        self._on_down = on_down
        self._on_up = on_up
        self._lost_at: float | None = None
        self._is_known = False

    @property
    def is_reached(self) -> bool:
        """Whether it answered the last time; False before the first."""
        return self._is_known and self._lost_at is None

    def reached(self) -> None:
        """Take note that it has answered."""
        if self._lost_at is not None:
            seconds = monotonic() - self._lost_at
            self._lost_at = None
            _logger.info("%s is reached again after %.1f s", self._name, seconds)
            self._on_up(seconds)
        elif not self._is_known:
            self._on_up(0.0)
        self._is_known = True

    def lost(self, error: StoreConnectionError) -> None:
        """Take note that there is no connection."""
        self._is_known = True
        if self._lost_at is None:
            self._lost_at = monotonic()
            _logger.info("%s is lost: %s", self._name, error.what.partition("\n")[0])
            self._on_down(error.what)
