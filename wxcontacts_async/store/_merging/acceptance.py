"""Accepts that contacts that answers lack are gone, as a person has decided. It blocks."""

from wxcontacts_async.store._database.connection import Connection
from wxcontacts_async.store._database.values import storable
from wxcontacts_async.store._merging.suspicion import SUSPICION_COLUMNS, read_suspicion
from wxcontacts_async.store.errors import NotSyncedError
from wxcontacts_async.store.records import Suspicion

_SUSPECTED = f"SELECT synced_at IS NULL, {SUSPICION_COLUMNS} FROM instances WHERE w_id = $1"
_FORGET = "DELETE FROM missing_contacts WHERE w_id = $1"
_ACCEPT_HELD = "UPDATE missing_contacts SET accepted = 1 WHERE w_id = $1"
_COUNT = "SELECT count(*) FROM contacts WHERE w_id = $1"
_ACCEPT_ANY = """
    INSERT INTO missing_contacts (w_id, user_name, since, accepted)
    SELECT contacts.w_id, user_name, suspected_at, {}
    FROM contacts JOIN instances ON instances.w_id = contacts.w_id WHERE contacts.w_id = $1"""
# So that what is stored as held counts, whichever version found it suspicious.
_ALL_ARE_KNOWN = """
    UPDATE instances SET suspected_digest = NULL, suspected_since = NULL WHERE w_id = $1"""


def accept(connection: Connection, w_id: str) -> Suspicion | None:
    """Accept that contacts missing from an instance's answers are gone; the next sync removes them.

    Return what was suspicious, or None; NotSyncedError if the instance has never been synced.
    """
    stored = storable(w_id, connection.dialect)
    with connection.transaction():
        rows = connection.rows(_SUSPECTED, stored)
        suspicion = read_suspicion(*rows[0][1:]) if rows else None
        if suspicion is None and (not rows or rows[0][0]):
            raise NotSyncedError.of(w_id)
        if suspicion is not None:
            _accept(connection, stored, suspicion)
        return suspicion


def _accept(connection: Connection, stored: str, suspicion: Suspicion) -> None:
    if suspicion.since is not None:
        connection.execute(_ACCEPT_HELD, stored)
        return
    # The answer had no contact at all, or an older version did not store which contacts it lacked:
    # the next answer shows which, and may lack no more than were accepted.
    ((contacts,),) = connection.rows(_COUNT, stored)
    accepted = 1 if contacts == suspicion.missing else -suspicion.missing
    for statement in (_FORGET, _ACCEPT_ANY.format(accepted), _ALL_ARE_KNOWN):
        connection.execute(statement, stored)
