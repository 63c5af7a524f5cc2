"""Makes of contact sets what can be loaded in bulk."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from wxcontacts_async.contacts import Contact, ContactSet
from wxcontacts_async.store._database.dialects import Dialect
from wxcontacts_async.store._tabular.arrow import to_arrow
from wxcontacts_async.store.errors import StoreError

LONGEST_KEY = 1_000  # bytes; a B-tree of PostgreSQL takes 2,704 for both parts of a key
_NUL, _REPLACEMENT = "\0", "\N{REPLACEMENT CHARACTER}"


def stageable(contact_sets: Sequence[ContactSet[Contact]], dialect: Dialect) -> pa.Table:
    """Make one table of the sets, with a column `at`.

    Raises:
        StoreError: A wId or `userName` is too long for a key.
        InvalidArgumentError: A value is beyond what a column can hold.

    """
    table = to_arrow(contact_sets).drop_columns("fetched_at")
    if not dialect.keeps_nul:
        table = _without_nul(table)
    if len(table):
        for name in ("w_id", "user_name"):
            longest = pc.max(pc.binary_length(table.column(name))).as_py()
            if longest > LONGEST_KEY:
                what = f"a {name} of {longest:,} bytes; a key has at most {LONGEST_KEY:,}"
                raise StoreError(what)
    times: list[str] = []
    for contacts in contact_sets:
        times += [written_time(contacts.fetched_at)] * len(contacts)
    return table.append_column("at", pa.array(times, pa.string()))


def as_contacts(contacts: pa.Table, dialect: Dialect) -> pa.Table:
    """Make rows of the table `contacts` of contacts that are new, with their column `at`."""
    at = contacts["at"]
    if dialect.has_timestamps:
        # From text without a zone, which is in UTC, by way of the number of microseconds.
        at = at.cast(pa.timestamp("us")).cast(pa.int64()).cast(pa.timestamp("us", tz="UTC"))
    contacts = contacts.drop_columns("at")
    return contacts.append_column("first_seen", at).append_column("last_changed", at)


def in_key_order(contacts: pa.Table) -> pa.Table:
    """Sort contacts, so that they go into the tree of the primary key from left to right."""
    return contacts.sort_by([("w_id", "ascending"), ("user_name", "ascending")])


def _without_nul(table: pa.Table) -> pa.Table:
    for index, column in enumerate(table.columns):
        if pa.types.is_string(column.type) and pc.any(pc.match_substring(column, _NUL)).as_py():
            name = table.column_names[index]
            replaced = pc.replace_substring(column, _NUL, _REPLACEMENT)
            table = table.set_column(index, name, replaced)
    return table


def is_key(w_id: str) -> bool:
    """Tell whether a wId is valid, and short enough, to be a key of the database."""
    try:
        return bool(w_id.strip()) and len(w_id.encode()) <= LONGEST_KEY
    except UnicodeEncodeError:
        return False


def storable(text: str, dialect: Dialect) -> str:
    """Return a wId or `userName` as the database has it."""
    return text if dialect.keeps_nul else text.replace(_NUL, _REPLACEMENT)


def written_time(time: datetime) -> str:
    """Write a time as SQLite's own functions do, in UTC; PostgreSQL reads that, too."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def read_time(written: str) -> datetime:
    """Read a time as either database writes it; aware, in UTC."""
    time = datetime.fromisoformat(written)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
