"""Texts and times as the database has them."""

from datetime import UTC, datetime

from wxcontacts_async.store._database.dialect import Dialect

LONGEST_KEY = 1_000  # bytes; a B-tree of PostgreSQL takes 2,704 for both parts of a key
NUL, REPLACEMENT = "\0", "\N{REPLACEMENT CHARACTER}"


def is_key(w_id: str) -> bool:
    """Tell whether a wId is valid, and short enough, to be a key of the database."""
    try:
        return bool(w_id.strip()) and len(w_id.encode()) <= LONGEST_KEY
    except UnicodeEncodeError:
        return False


def storable(text: str, dialect: Dialect) -> str:
    """Return a wId or `userName` as the database has it."""
    return text if dialect.keeps_nul else text.replace(NUL, REPLACEMENT)


def written_time(time: datetime) -> str:
    """Write a time as SQLite's own functions do, in UTC; PostgreSQL reads that, too."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def read_time(written: str) -> datetime:
    """Read a time as either database writes it; aware, in UTC."""
    time = datetime.fromisoformat(written)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
