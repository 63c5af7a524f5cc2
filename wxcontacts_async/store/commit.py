"""Whether what one thread writes is in the database, as others may ask at any time."""

from threading import Lock

from wxcontacts_async.store.errors import StoreError


class Commit:
    """The commit of one transaction, which may be tried again when the connection is lost.

    Attributes:
        is_done: Whether the database has it.
        is_unclear: Whether the database may have it, though nobody can tell any more: the
            connection was lost after it was told to commit, and before it answered.

    """

    def __init__(self) -> None:
        self.is_done = False
        self.is_unclear = False
        self._lock = Lock()
        self._is_under_way = False
        self._is_given_up = False

    def begin(self) -> None:
        """Say that the database is about to be told.

        Raises:
            StoreError: It has been given up.

        """
        with self._lock:
            if self._is_given_up:
                raise StoreError("nobody waits for it any more")
            self._is_under_way = True

    def end(self) -> None:
        """Say that the database has it."""
        with self._lock:
            self.is_done, self.is_unclear = True, False

    def fail(self, *, is_lost: bool) -> None:
        """Say that the transaction failed, and whether the connection was lost with it."""
        with self._lock:
            self.is_unclear = self.is_unclear or (self._is_under_way and is_lost)
            self._is_under_way = False

    def give_up(self) -> None:
        """Keep it from being begun from now on; if it is under way, its end is unclear."""
        with self._lock:
            self._is_given_up = True
            self.is_unclear = not self.is_done and (self.is_unclear or self._is_under_way)
