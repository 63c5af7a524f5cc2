"""Contact sets as Arrow tables, and back."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from itertools import chain, groupby, islice, repeat
from operator import attrgetter, itemgetter
from typing import Any, overload

import msgspec
import pyarrow as pa

from wxcontacts_async.contacts import (
    Contact,
    ContactKind,
    ContactSet,
    ContactT,
    Sex,
    merged_lists,
)
from wxcontacts_async.errors import InvalidArgumentError
from wxcontacts_async.store._tabular.columns import COLUMNS, FIELDS, fetched_in_utc, unfit_value
from wxcontacts_async.store._tabular.own_fields import OwnFields, own_fields

_HINTS: dict[str, Any] = {
    "w_id": str,
    "kind": str,
    "fetched_at": datetime,
    **{field.name: field.type for field in msgspec.structs.fields(Contact)},
}
_TYPES = {Sex: pa.int64(), datetime: pa.timestamp("us", tz="UTC")}

CONTACT_SCHEMA = pa.schema(
    [
        pa.field(
            name,
            _TYPES.get(_HINTS[name], pa.string()),
            nullable=isinstance(None, _HINTS[name]),
        )
        for name in COLUMNS
    ],
)

# A column of that many rows is made in less than a millisecond, for which the GIL is held.
_BATCH_ROWS = 10_000
_EXPECTED = {pa.string(): "valid Unicode text", pa.int64(): "a whole number of 64 bits"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_GETTERS = {name: attrgetter(name) for name in FIELDS}

_sex = lru_cache(Sex)  # an unlisted one is made each time it is called


def contact_schema(contact_type: type[Contact] = Contact) -> pa.Schema:
    """Return the columns of contacts of a type: `CONTACT_SCHEMA`, and one for each field added.

    Text, numbers, truth values, aware times and lists of these have columns of their type. All
    else, such as what may be any JSON, has a column of text, which is JSON unless the value is
    text.

    Raises:
        InvalidArgumentError: It is no subclass of Contact, or has a field that can be no column.

    """
    own = own_fields(contact_type)
    added = [pa.field(it.name, it.column) for it in own.fields]
    *others, fetched_at = CONTACT_SCHEMA
    return pa.schema([*others, *added, fetched_at])


def to_arrow(
    contact_sets: Iterable[ContactSet[Any]] | ContactSet[Any],
    *,
    contact_type: type[Contact] | None = None,
) -> pa.Table:
    """Return the contacts of one or many sets as a table, for pandas, Polars or DuckDB.

    It has one row for each contact of each merged set, in the order of the sets, and the columns
    of `contact_schema`. A set with no contacts has no row; what was rejected is not in the table.
    It is in chunks of some thousand rows, and the GIL is never held for more than one column of
    one.

    Arguments:
        contact_sets: One set, or an iterable of sets, which is read once.
        contact_type: `Contact`, or a subclass whose fields have columns as well; None is the type
            of the first contact.

    Raises:
        InvalidArgumentError: It is neither, or a hand-made set holds what a column cannot: text
            that is no valid Unicode, a `sex` beyond 64 bits, null for what is required, or a
            `fetched_at` without a time zone. Names the wId and the field, never the value.

    """
    sets = each_set(contact_sets)
    if contact_type is None:
        contact_type, sets = typed(sets)
    return pa.Table.from_batches(
        _batches(sets, own_fields(contact_type)), contact_schema(contact_type)
    )


def typed(
    contact_sets: Iterable[ContactSet[Any]],
) -> tuple[type[Contact], Iterable[ContactSet[Any]]]:
    """Return the type of the first contact of some sets, and all of these sets."""
    begin: list[ContactSet[Any]] = []
    others = iter(contact_sets)
    for contact_set in others:
        check_contact_set(contact_set)
        begin.append(contact_set)
        if found := contact_type_of(contact_set):
            return found, chain(begin, others)
    return Contact, begin


def contact_type_of(contact_set: ContactSet[Any]) -> type[Contact] | None:
    """Return the type of the first contact; None if there is none."""
    for _, contacts in contact_set.lists():
        if contacts:
            return type(contacts[0])
    return None


@overload
def contact_sets(table: pa.Table | pa.RecordBatchReader) -> Iterator[ContactSet[Contact]]: ...
@overload
def contact_sets(
    table: pa.Table | pa.RecordBatchReader, *, contact_type: type[ContactT]
) -> Iterator[ContactSet[ContactT]]: ...
def contact_sets(
    table: pa.Table | pa.RecordBatchReader, *, contact_type: type[Any] = Contact
) -> Iterator[ContactSet[Any]]:
    """Return the sets of which a table has the rows; the way back from `to_arrow`.

    Adjacent rows of the same w_id and fetched_at are one set. They are in the list that their
    kind names, in the order of the rows. Rows are read as the sets are asked for.

    Arguments:
        table: The rows, sorted or at least grouped by w_id: a table, or a reader of batches
            where they do not fit into memory. Columns beyond those of `contact_schema` are not
            looked at, and types that can be cast to its types will do.
        contact_type: `Contact`, or a subclass whose fields are read as well; one that has no
            column, or null in a row, has its default there.

    Raises:
        InvalidArgumentError: It is neither, or lacks a column; as the sets are read, a column
            cannot be cast, or has null or an unknown kind where that cannot be.

    """
    if not isinstance(table, (pa.Table, pa.RecordBatchReader)):
        msg = f"table must be a pyarrow Table or RecordBatchReader, not {type(table).__name__}"
        raise InvalidArgumentError(msg, argument="table")
    odd = [name for name in COLUMNS if table.schema.names.count(name) != 1]
    if odd:
        msg = f"table must have each column of CONTACT_SCHEMA once, unlike {', '.join(odd)}"
        raise InvalidArgumentError(msg, argument="table")
    own = own_fields(contact_type)
    reader = table.to_reader() if isinstance(table, pa.Table) else table
    return _sets(reader, own, partial(_own_values, own=own))


def each_set(
    contact_sets: Iterable[ContactSet[Contact]] | ContactSet[Contact],
) -> Iterable[ContactSet[Contact]]:
    """Return an iterable of one or many sets; InvalidArgumentError if it is neither."""
    if isinstance(contact_sets, ContactSet):
        return (contact_sets,)
    if not isinstance(contact_sets, Iterable):
        what = type(contact_sets).__name__
        msg = f"contact_sets must be a ContactSet or an iterable of them, not {what}"
        raise InvalidArgumentError(msg, argument="contact_sets")
    return contact_sets


def check_contact_set(contact_set: object) -> None:
    """Raise InvalidArgumentError unless it is a ContactSet."""
    if not isinstance(contact_set, ContactSet):
        msg = f"contact_sets must hold ContactSets, not {type(contact_set).__name__}"
        raise InvalidArgumentError(msg, argument="contact_sets")


def _batches(contact_sets: Iterable[ContactSet[Any]], own: OwnFields) -> Iterator[pa.RecordBatch]:
    contacts: list[Contact] = []
    kinds: list[ContactKind] = []
    w_ids: list[str] = []
    times: list[int] = []
    for contact_set in contact_sets:
        check_contact_set(contact_set)
        time = (fetched_in_utc(contact_set) - _EPOCH) // _MICROSECOND
        for kind, of_kind in merged_lists(contact_set):
            left = iter(of_kind)
            while some := list(islice(left, _BATCH_ROWS - len(contacts))):
                contacts += some
                kinds += [kind] * len(some)
                w_ids += [contact_set.w_id] * len(some)
                times += [time] * len(some)
                if len(contacts) == _BATCH_ROWS:
                    yield _batch(contacts, kinds, w_ids, times, own)
                    contacts, kinds, w_ids, times = [], [], [], []
    if contacts:
        yield _batch(contacts, kinds, w_ids, times, own)


def _batch(
    contacts: list[Contact],
    kinds: list[ContactKind],
    w_ids: list[str],
    times: list[int],
    own: OwnFields,
) -> pa.RecordBatch:
    columns: dict[str, list[Any]] = {"w_id": w_ids, "kind": kinds, "fetched_at": times}
    for each in own.fields:
        values = [getattr(contact, each.name, None) for contact in contacts]
        columns[each.name] = list(map(each.in_column, values))
    schema = contact_schema(own.contact_type)
    arrays = [
        _array(field, columns.get(field.name) or list(map(_GETTERS[field.name], contacts)), w_ids)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(field: pa.Field, values: list[Any], w_ids: list[str]) -> pa.Array:
    array = _converted(field, values)
    if array is None:
        w_id = next(w_ids[row] for row in range(len(values)) if _unfit(field, values[row]))
        raise unfit_value(w_id, field.name, _EXPECTED.get(field.type, f"of type {field.type}"))
    return array


def _unfit(field: pa.Field, value: object) -> bool:
    return _converted(field, [value]) is None


def _converted(field: pa.Field, values: list[Any]) -> pa.Array | None:
    try:
        array = pa.array(values, field.type)
    except (ValueError, TypeError, OverflowError, pa.ArrowException):
        return None
    return None if array.null_count and not field.nullable else array


def sets_of_rows(table: pa.Table, own: OwnFields) -> Iterator[ContactSet[Any]]:
    """Return the sets of rows with a column `more`, which has the values of own fields as JSON."""
    return _sets(table.to_reader(), own, partial(_values_in_more, own=own))


def _values_in_more(rows: pa.RecordBatch, own: OwnFields) -> Iterable[dict[str, Any]]:
    return map(own.read, rows.column("more").to_pylist())


def _own_values(rows: pa.RecordBatch, own: OwnFields) -> Iterable[dict[str, Any]]:
    columns = {
        each: rows.column(each.name).to_pylist()
        for each in own.fields
        if each.name in rows.schema.names
    }
    for values in zip(*columns.values(), strict=True) if columns else repeat(()):
        try:
            yield {
                each.name: each.from_column(value)
                for each, value in zip(columns, values, strict=True)
                if value is not None
            }
        except (msgspec.ValidationError, msgspec.DecodeError):
            msg = "the columns of a contact's own fields must have what their types say"
            raise InvalidArgumentError(msg, argument="table") from None


def _sets(
    batches: pa.RecordBatchReader,
    own: OwnFields,
    values_of: Callable[[pa.RecordBatch], Iterable[dict[str, Any]]],
) -> Iterator[ContactSet[Any]]:
    for (w_id, time), runs in groupby(_runs(batches, own, values_of), key=itemgetter(0, 1)):
        lists: dict[str, list[Contact]] = {kind: [] for kind in ContactKind}
        for _, _, kind, contacts in runs:
            if kind not in lists:
                raise unfit_value(w_id, "kind", "public, friend or group")
            lists[kind] += contacts
        try:
            fetched_at = _EPOCH + time * _MICROSECOND
        except OverflowError:
            raise unfit_value(w_id, "fetched_at", "a time from year 1 to 9999") from None
        official_accounts, friends, groups = map(tuple, lists.values())
        yield ContactSet(w_id, official_accounts, friends, groups, fetched_at=fetched_at)


def _runs(
    batches: pa.RecordBatchReader,
    own: OwnFields,
    values_of: Callable[[pa.RecordBatch], Iterable[dict[str, Any]]],
) -> Iterator[tuple[str, int, str, list[Contact]]]:
    """Yield adjacent contacts of the same w_id, fetched_at (in us since 1970) and kind."""
    for batch in batches:
        for begin in range(0, batch.num_rows, _BATCH_ROWS):
            part = batch.slice(begin, _BATCH_ROWS)
            columns = {field.name: _values(field, part) for field in CONTACT_SCHEMA}
            columns["sex"] = list(map(_sex, columns["sex"]))
            each_value = (columns[name] for name in FIELDS)
            if own:
                rows = zip(zip(*each_value, strict=True), values_of(part), strict=False)
                contacts = [own.contact_type(*base, **more) for base, more in rows]
            else:
                contacts = list(map(own.contact_type, *each_value))
            keys = zip(columns["w_id"], columns["fetched_at"], columns["kind"], strict=True)
            first = 0
            for (w_id, time, kind), run in groupby(keys):
                last = first + sum(1 for _ in run)
                yield w_id, time, kind, contacts[first:last]
                first = last


def _values(field: pa.Field, rows: pa.RecordBatch) -> list[Any]:
    column = rows.column(field.name)
    try:
        column = column.cast(field.type)
    except pa.ArrowException:  # its message may have a value
        msg = f"column {field.name} must be of type {field.type}, or of one that can be cast to it"
        raise InvalidArgumentError(msg, argument="table") from None
    if column.null_count and not field.nullable:
        msg = f"column {field.name} must have no null"
        raise InvalidArgumentError(msg, argument="table")
    values: list[Any] = (
        column.cast(pa.int64()) if field.name == "fetched_at" else column
    ).to_pylist()
    return values
