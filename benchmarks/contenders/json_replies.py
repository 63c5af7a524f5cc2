"""Replies as `response.json()` gives them: dicts and lists."""

from collections.abc import Iterable
from typing import Any


def user_names(reply: Any) -> Iterable[str]:  # noqa: ANN401  # it is what the JSON was
    """List the user names of one reply."""
    return [contact["userName"] for contacts in reply["data"].values() for contact in contacts]
