"""Describes suspicious instances, whose missing contacts were kept, and what to do."""

from shlex import quote
from typing import Any

from wxcontacts_async.cli.options.database import DatabaseOption
from wxcontacts_async.cli.options.store_options import STORE
from wxcontacts_async.cli.options.values import shown_duration
from wxcontacts_async.errors import shown_id
from wxcontacts_async.store import StoredInstance, Suspicion, Synced

_LONGEST_TYPED = 100  # characters of a wId


def describe_suspicion(w_id: str, suspicion: Suspicion, database: DatabaseOption) -> str:
    """Describe what an answer lacks, and what to do."""
    missing = f"wId {shown_id(w_id)}: {_counted(suspicion)} are missing from the answer"
    hint = f"{_hint(w_id, database)} lets the next sync remove them."
    if suspicion.since is None and suspicion.kinds:
        return (
            f"{missing}, which has no contact at all, so none of them was removed. No sync "
            f"believes that by itself; {hint}"
        )
    time = shown_duration(database.confirm_after)
    return (
        f"{missing}, so none of them was removed. They are removed once they have been missing for "
        f"{time}; {hint}"
    )


def describe_held_back(synced: Synced[Any]) -> str:
    """Describe what was not removed, as it may be among the contacts that were unreadable."""
    return f"wId {shown_id(synced.w_id)}: {held_back(synced.held_back)}"


def held_back(number: int) -> str:
    """Describe so many contacts that were not removed."""
    are = "1 contact is" if number == 1 else f"{number:,} contacts are"
    return (
        f"{are} missing and kept, as there was one of their kind that could not be read, nor its "
        "name, and it may be any of them."
    )


def describe_stored(
    instance: StoredInstance, suspicion: Suspicion, database: DatabaseOption
) -> str:
    """Describe what was missing from the last answer, and what to do."""
    where = f"wId {shown_id(instance.w_id)}: {_counted(suspicion)} are missing"
    if suspicion.is_accepted:
        return f"{where}, which is accepted; the next sync removes those that it still lacks."
    hint = f"{_hint(instance.w_id, database)} lets the next sync remove them."
    if suspicion.since is None:
        return f"{where}, and are kept; {hint}"
    since = f"{suspicion.since.astimezone():%Y-%m-%d %H:%M}"
    return f"{where} since {since}, and are kept until the --confirm-after of a sync; {hint}"


def _counted(suspicion: Suspicion) -> str:
    return f"{suspicion.missing:,} of {suspicion.stored:,} contacts"


def _hint(w_id: str, database: DatabaseOption) -> str:
    """Return the command that accepts it, without any password."""
    typed = _typed(w_id) if len(w_id) <= _LONGEST_TYPED else "W_ID"
    store = f"{STORE} {database.typed}"
    if w_id.startswith("-"):
        return f"`wxcontacts accept {store} -- {typed}`"
    return f"`wxcontacts accept {typed} {store}`"


def _typed(w_id: str) -> str:
    """Quote a wId for a shell, on one line."""
    if w_id.isprintable():
        return quote(w_id)
    escaped = "".join(
        character
        if character.isprintable() and character not in "\\'"
        else "".join(f"\\x{byte:02x}" for byte in character.encode())
        for character in w_id
    )
    return f"$'{escaped}'"
