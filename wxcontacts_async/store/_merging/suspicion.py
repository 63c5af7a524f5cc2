"""Reads a `Suspicion` from the row of an instance."""

from wxcontacts_async.contacts import ContactKind
from wxcontacts_async.store._database.values import read_time
from wxcontacts_async.store.records import Suspicion

SUSPICION_COLUMNS = (
    "suspected_stored, suspected_missing, CAST(suspected_since AS TEXT), "
    "suspected_kinds, suspected_digest, "
    "CASE WHEN suspected_at IS NULL THEN 0 ELSE (SELECT coalesce(min(abs(accepted)), 0) "
    "FROM missing_contacts WHERE missing_contacts.w_id = instances.w_id) END"
)
OF_ASKED = f"""
    SELECT w_id, {SUSPICION_COLUMNS} FROM instances WHERE w_id IN (SELECT w_id FROM {{asked}})"""


def read_suspicion(  # noqa: PLR0917  # a row's columns
    stored: int | None,
    missing: int | None,
    since: str | None,
    kinds: str | None,
    digest: str | None,
    accepted: int,
) -> Suspicion | None:
    """Return the suspicion; None if nothing is suspicious."""
    if stored is None or missing is None:
        return None
    if digest is not None:  # of an older version, without the other columns
        return Suspicion(stored, missing)
    of_kinds = tuple(map(ContactKind, kinds.split(","))) if kinds else ()
    time = None if since is None else read_time(since)
    return Suspicion(stored, missing, time, of_kinds, is_accepted=bool(accepted))
