"""The Retry-After header."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def parse_retry_after(value: str | None, *, now: datetime) -> float | None:
    """Read a Retry-After header (RFC 9110, 10.2.3): whole seconds, or an HTTP date.

    Arguments:
        value: The header's value, or None.
        now: The present time, aware.

    Returns:
        Seconds from `now`, at least 0; None if there is no header or it cannot be read.

    """
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:12])
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
