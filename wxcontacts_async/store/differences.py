"""Tells which contacts of some instances have come, differ or gone, by comparing whole columns."""

import pyarrow as pa
import pyarrow.compute as pc

from wxcontacts_async.store.schema import VALUES

_KEY = ["w_id", "user_name"]


def differences(arrived: pa.Table, stored: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Compare the contacts that arrived with those that are there.

    Arguments:
        arrived: The contacts of some instances, with the columns of `contacts`.
        stored: All that are there of the same instances, with the same columns.

    Returns:
        The rows of `arrived` that are not there, or not like that; and the keys of the rows of
        `stored` that did not arrive.

    """
    w_ids = pc.unique(pa.chunked_array([*arrived["w_id"].chunks, *stored["w_id"].chunks]))
    arrived_keys, stored_keys = _keys(arrived, w_ids), _keys(stored, w_ids)
    # Where each contact that arrived is among those that are there; null if it is not.
    place = pc.index_in(arrived_keys, value_set=stored_keys)
    differs = pc.is_null(place)
    for name in VALUES:
        now, before = arrived[name], stored[name].cast(arrived[name].type).take(place)
        both_null = pc.and_(pc.is_null(now), pc.is_null(before))
        differs = pc.or_(differs, pc.invert(pc.coalesce(pc.equal(now, before), both_null)))
    gone = pc.is_null(pc.index_in(stored_keys, value_set=arrived_keys))
    return arrived.filter(differs), stored.select(_KEY).filter(gone)


def _keys(contacts: pa.Table, w_ids: pa.Array) -> pa.ChunkedArray:
    """Make one text of both parts of each key: the wId's number, a colon, the `userName`."""
    number = pc.index_in(contacts["w_id"], value_set=w_ids).cast(pa.string())
    return pc.binary_join_element_wise(number, contacts["user_name"].cast(pa.string()), ":")
