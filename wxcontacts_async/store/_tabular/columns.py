"""The columns of contacts as a table, derived from `Contact`, and what has no room in them."""

from datetime import UTC, datetime

from wxcontacts_async.contacts import Contact, ContactSet
from wxcontacts_async.errors import InvalidArgumentError

FIELDS = Contact.__struct_fields__
_USER_NAME, *_OTHERS = FIELDS
VERSION_FIELDS = ("kind", *_OTHERS)  # in which two versions of a contact can differ
COLUMNS = ("w_id", _USER_NAME, *VERSION_FIELDS, "fetched_at")


def fetched_in_utc(contacts: ContactSet[Contact]) -> datetime:
    """Return when it was fetched, in UTC; InvalidArgumentError if that is no time in UTC."""
    fetched_at = contacts.fetched_at
    if isinstance(fetched_at, datetime) and fetched_at.utcoffset() is not None:
        try:
            return fetched_at.astimezone(UTC)
        except OverflowError:
            pass
    raise unfit_value(contacts.w_id, "fetched_at", "an aware datetime from year 1 to 9999 in UTC")


def unfit_value(w_id: object, field: str, expected: str) -> InvalidArgumentError:
    """Return the error for a value that a column has no room for, less the value."""
    msg = f"{field} must be {expected}, and there is something else"
    error = InvalidArgumentError(msg, argument=field)
    error.w_id = str(w_id)
    return error


def without_nul(text: str) -> str:
    """Leave out U+0000, at which what reads a table may end, or refuse it."""
    return text.replace("\0", "")
