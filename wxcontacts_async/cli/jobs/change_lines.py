"""Encodes changes as lines of JSON."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from wxcontacts_async import Contact
from wxcontacts_async.store import ContactChange, ContactVersion

_encode = msgspec.json.Encoder().encode


@cache
def _keys_of(contact_type: type[Contact]) -> dict[str, str]:
    """Return the gateway's keys by field, of the API document or added."""
    fields, keys = contact_type.__struct_fields__, contact_type.__struct_encode_fields__
    return dict(zip(fields, keys, strict=True))


def change_line(change: ContactChange) -> bytes:
    """Encode a change as a line, the same one each time."""
    version = change.after or change.before
    keys = _keys_of(Contact if version is None else type(version.contact))
    line = _encode(
        {
            "id": change.id,
            "at": change.at,
            "wId": change.w_id,
            "userName": change.user_name,
            "change": change.change,
            "fields": [keys.get(field, field) for field in change.fields],
            "before": _shown(change.before, change.fields, keys),
            "after": _shown(change.after, change.fields, keys),
        },
    )
    return line + b"\n"


def _shown(
    version: ContactVersion | None,
    fields: tuple[str, ...],
    keys: Mapping[str, str],
) -> dict[str, Any] | None:
    """Return these fields by the gateway's keys, or all if there are none."""
    if version is None:
        return None
    known = {"kind": version.kind} | {
        key: getattr(version.contact, field) for field, key in keys.items()
    }
    chosen = (keys.get(field, field) for field in fields)
    return {key: known[key] for key in chosen if key in known} or known
