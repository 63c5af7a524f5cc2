"""Remembers which own fields the contacts of a database have. It blocks."""

from datetime import UTC, datetime

import msgspec

from wxcontacts_async.store._database.connection import Connection
from wxcontacts_async.store._merging.statements import Fields
from wxcontacts_async.store._tabular.own_fields import OwnFields

_KNOWN = "SELECT fields FROM wxcontacts_schema"
_REMEMBER = "UPDATE wxcontacts_schema SET fields = $1"


class KnownField(msgspec.Struct, frozen=True):
    """An own field that is remembered.

    Attributes:
        name: Its name.
        key: By which gateways send it.
        column: The type of its column; "json" if it may be any JSON.
        added_at: When it was kept first.
        after: The id of the last change before that; those after it have the field.

    """

    name: str
    key: str
    column: str
    added_at: datetime
    after: int


_decode = msgspec.json.Decoder(list[KnownField]).decode


def known_fields(connection: Connection) -> list[KnownField]:
    """Return the own fields that are remembered."""
    ((written,),) = connection.rows(_KNOWN)
    return _decode(written) if written else []


def remember(connection: Connection, own: OwnFields) -> Fields:
    """Remember the fields that arriving contacts have; return which fields there are."""
    known = known_fields(connection)
    names = {each.name for each in known}
    new = [each for each in own.fields if each.name not in names]
    if new:
        ((after,),) = connection.rows("SELECT coalesce(max(id), 0) FROM contact_changes")
        now = datetime.now(UTC)
        known += [
            KnownField(each.name, each.key, each.column_name, now, int(after)) for each in new
        ]
        connection.execute(_REMEMBER, msgspec.json.encode(known).decode())
        connection.notes.append(
            f"keeps the field {', '.join(each.name for each in new)} of contacts from now on; the "
            "next sync of each instance fills it in, which is no change"
        )
    return Fields(own.names, are_kept=bool(known))
