"""The body of a reply that says no, in the shape of the document's sample."""

import msgspec


def failure(code: str, message: str) -> bytes:
    """Render a reply with no contacts."""
    return msgspec.json.encode({"message": message, "code": code, "data": None})
