"""Remembers which own fields the contacts of a database have. It blocks."""

from datetime import UTC, datetime
from typing import NamedTuple

from wxcontacts_async.store._database.connection import Connection
from wxcontacts_async.store._database.values import written_time
from wxcontacts_async.store._merging.statements import Fields
from wxcontacts_async.store._tabular.own_fields import OwnFields

_KNOWN = "SELECT name, key, type FROM contact_fields ORDER BY after_change, name"


class KnownField(NamedTuple):
    """An own field that is remembered.

    Attributes:
        name: Its name.
        key: By which gateways send it.
        column: The type of its column; "json" if it may be any JSON.

    """

    name: str
    key: str
    column: str


def known_fields(connection: Connection) -> list[KnownField]:
    """Return the own fields that are remembered."""
    return [KnownField(*row) for row in connection.rows(_KNOWN)]


def remember(connection: Connection, own: OwnFields) -> Fields:
    """Remember the fields that arriving contacts have; return which fields there are."""
    known = {each.name for each in known_fields(connection)}
    new = [each for each in own.fields if each.name not in known]
    for each in new:
        connection.execute(
            f"""
            INSERT INTO contact_fields (name, key, type, added_at, after_change)
            VALUES ($1, $2, $3, CAST($4 AS {connection.dialect.timestamp}),
                (SELECT coalesce(max(id), 0) FROM contact_changes))""",
            each.name,
            each.key,
            "json" if each.is_text else str(each.column),
            written_time(datetime.now(UTC)),
        )
    if new:
        names = ", ".join(each.name for each in new)
        connection.notes.append(
            f"keeps the field {names} of contacts from now on; the next sync of each instance "
            "fills it in, which is no change"
        )
    return Fields(own.names, are_kept=bool(known or new))
