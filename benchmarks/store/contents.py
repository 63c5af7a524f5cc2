"""What is in a database after the syncs, to see that all contenders did the same."""

import json
from hashlib import sha256

import msgspec

from wxcontacts_async.store._database.connection import Connection
from wxcontacts_async.store._database.schema import prepare
from wxcontacts_async.store._database.url import read_address
from wxcontacts_async.store._tabular.columns import VERSION_FIELDS

_BUSY_TIMEOUT = 10.0


class Contents(msgspec.Struct, frozen=True):
    """What must be the same for all.

    Attributes:
        contacts: How many contacts there are.
        logged: How many lines the log has of each kind of change.
        instances: How many instances there are, and the sum of their counts of contacts.
        digest: Of some instances' contacts and lines in the log, less the times.

    """

    contacts: int
    logged: dict[str, int]
    instances: tuple[int, int]
    digest: str


def make_tables(url: str) -> None:
    """Make the tables and indexes of ContactStore in an empty database."""
    connection = Connection(read_address(url), _BUSY_TIMEOUT)
    try:
        prepare(connection)
    finally:
        connection.close()


def contents_of(url: str, some: list[str]) -> Contents:
    """Read the contents of a database.

    Arguments:
        url: Where it is.
        some: The wIds of the instances that are looked at closely.

    """
    connection = Connection(read_address(url), _BUSY_TIMEOUT)
    digest = sha256()
    try:
        ((contacts,),) = connection.rows("SELECT count(*) FROM contacts")
        logged = connection.rows("SELECT change, count(*) FROM contact_changes GROUP BY change")
        (instances,) = connection.rows(
            "SELECT count(*), CAST(sum(contacts) AS BIGINT) FROM instances "
            "WHERE outcome = 'synced' AND synced_at IS NOT NULL",
        )
        for w_id in some:
            stored = connection.rows(
                f"SELECT user_name, {', '.join(VERSION_FIELDS)} FROM contacts WHERE w_id = $1",
                w_id,
            )
            digest.update(repr(sorted(stored, key=lambda row: row[0])).encode())
            log = connection.rows(
                "SELECT user_name, change, fields, CAST(before AS TEXT), CAST(after AS TEXT) "
                "FROM contact_changes WHERE w_id = $1",
                w_id,
            )
            lines = [
                (*line, before and json.loads(before), after and json.loads(after))
                for *line, before, after in log
            ]
            digest.update(repr(sorted(lines, key=lambda line: line[:3])).encode())
    finally:
        connection.close()
    return Contents(contacts, dict(logged), (instances[0], instances[1]), digest.hexdigest())
