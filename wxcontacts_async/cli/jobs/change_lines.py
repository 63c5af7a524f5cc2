"""Encodes changes as lines of JSON."""

from typing import Any

import msgspec

from wxcontacts_async import Contact
from wxcontacts_async.store import ContactChange, ContactVersion

_encode = msgspec.json.Encoder().encode
# The API document's keys, by field.
_KEYS = dict(zip(Contact.__struct_fields__, Contact.__struct_encode_fields__, strict=True))


def change_line(change: ContactChange) -> bytes:
    """Encode a change as a line, the same one each time."""
    line = _encode(
        {
            "id": change.id,
            "at": change.at,
            "wId": change.w_id,
            "userName": change.user_name,
            "change": change.change,
            "fields": [_KEYS.get(field, field) for field in change.fields],
            "before": _shown(change.before, change.fields),
            "after": _shown(change.after, change.fields),
        },
    )
    return line + b"\n"


def _shown(version: ContactVersion | None, fields: tuple[str, ...]) -> dict[str, Any] | None:
    """Return these fields by the document's keys, or all if there are none."""
    if version is None:
        return None
    known = {"kind": version.kind} | {
        key: getattr(version.contact, field) for field, key in _KEYS.items()
    }
    return {_KEYS.get(field, field): known[_KEYS.get(field, field)] for field in fields} or known
