"""Makes Arrow tables of contact sets, to be loaded in bulk."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from wxcontacts_async.contacts import Contact, ContactSet, merged_lists
from wxcontacts_async.store._database.dialect import Dialect
from wxcontacts_async.store._database.temporary_tables import MORE
from wxcontacts_async.store._database.values import LONGEST_KEY, NUL, REPLACEMENT, written_time
from wxcontacts_async.store._tabular.arrow import to_arrow
from wxcontacts_async.store._tabular.own_fields import NO_FIELDS, OwnFields, without_nul_in
from wxcontacts_async.store.errors import StoreError


def stageable(
    contact_sets: Sequence[ContactSet[Contact]],
    dialect: Dialect,
    own: OwnFields = NO_FIELDS,
) -> pa.Table:
    """Make a table of the sets, with a column `at`, and `more` if there are own fields.

    StoreError if a key is too long.
    """
    table = to_arrow(contact_sets, contact_type=Contact).drop_columns("fetched_at")
    if own:
        table = table.append_column(MORE, pa.array(_more(contact_sets, dialect, own), pa.string()))
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


def _more(
    contact_sets: Sequence[ContactSet[Contact]], dialect: Dialect, own: OwnFields
) -> list[str]:
    written = [
        own.written(contact)
        for contacts in contact_sets
        for _, of_kind in merged_lists(contacts)
        for contact in of_kind
    ]
    if dialect.keeps_nul:
        return written
    return [without_nul_in(each, REPLACEMENT) for each in written]


def as_contacts(contacts: pa.Table, dialect: Dialect) -> pa.Table:
    """Make rows of the table `contacts` of new contacts, from their column `at`."""
    at = contacts["at"]
    if dialect.has_timestamps:
        # From text in UTC without a zone, by way of the number of microseconds.
        at = at.cast(pa.timestamp("us")).cast(pa.int64()).cast(pa.timestamp("us", tz="UTC"))
    contacts = contacts.drop_columns("at")
    return contacts.append_column("first_seen", at).append_column("last_changed", at)


def in_key_order(contacts: pa.Table) -> pa.Table:
    """Sort contacts, so that they go into the tree of the primary key from left to right."""
    return contacts.sort_by([("w_id", "ascending"), ("user_name", "ascending")])


def _without_nul(table: pa.Table) -> pa.Table:
    for index, column in enumerate(table.columns):
        if pa.types.is_string(column.type) and pc.any(pc.match_substring(column, NUL)).as_py():
            name = table.column_names[index]
            replaced = pc.replace_substring(column, NUL, REPLACEMENT)
            table = table.set_column(index, name, replaced)
    return table
