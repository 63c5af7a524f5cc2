"""What can go wrong with a database of contacts; none of it carries a contact or a password."""

from typing import Self

from wxcontacts_async.errors import WxContactsError


class StoreError(WxContactsError):
    """The database cannot do what was asked of it, and is unchanged."""


class StoreConnectionError(StoreError):
    """There is no connection to the database, or it was lost and did not come back in time."""

    advice = "Check that the database server runs, and the user, password and host in the URL."


class StoreBusyError(StoreError):
    """Another writer has used the database for longer than `busy_timeout`."""

    advice = "Let the other sync end first, or give the ContactStore a longer busy_timeout."


class StoreFullError(StoreError):
    """There is no room for the database: its disk is full, or a limit on a file is reached."""

    advice = "Make room there; what was written by then is kept."


class StoreAccessError(StoreError):
    """The database cannot be used so: it can only be read, a right is missing, a disk fails."""


class StoreVersionError(StoreError):
    """The database was made by another version of this library, and cannot be used as it is."""

    advice = "Upgrade wxcontacts_async, or use another database."


class ChangesPrunedError(StoreError, LookupError):
    """The log of changes has been pruned, and with it changes that its reader has not read.

    Attributes:
        first_id: The id of the first change that is there.

    """

    advice = "Load the contacts anew, and go on from there."
    first_id: int = 0

    @classmethod
    def of(cls, after: int, first_id: int) -> Self:
        """Make the error of a reader that goes on after an id."""
        what = f"the log of changes begins at id {first_id}, and was to be read after {after}"
        error = cls(what)
        error.first_id = first_id
        return error


class NotSyncedError(StoreError, LookupError):
    """The contacts of an instance that the database has never been brought in step with."""

    advice = "Sync it first."

    @classmethod
    def of(cls, w_id: str) -> Self:
        """Make the error of an instance."""
        error = cls("no contacts are stored")
        error.w_id = w_id
        return error


# What concerns the database rather than what is written to it: the next batch would meet it, too.
OF_THE_DATABASE = (StoreConnectionError, StoreBusyError, StoreFullError, StoreAccessError)
