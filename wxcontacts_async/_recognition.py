"""Replies that are recognised by a digest of their bytes, and so need not be decoded."""

from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from typing import Generic, Protocol

from wxcontacts_async.contacts import ContactSet, ContactT
from wxcontacts_async.outcomes import Failed, Fetched


class Hasher(Protocol):
    """Makes the digest of a reply, piece by piece."""

    def update(self, piece: bytes | memoryview, /) -> None:
        """Take the next bytes."""

    def digest(self) -> str:
        """Return the digest of what was taken; never empty."""


class Recognition(Protocol):
    """Knows the last reply of each instance by its digest.

    It is asked in the event loop, and never waits: what it has not found out by then, it does not
    know.
    """

    def expect(self, w_id: str) -> None:
        """Find out what the last reply of an instance was, as it is about to be called."""

    def hasher(self, w_id: str, content_type: str) -> Hasher:
        """Return what makes the digest of a reply with that Content-Type."""

    def knows(self, w_id: str, digest: str) -> bool:
        """Tell whether the last reply of the instance had that digest."""


class Digested(Fetched[ContactT], Generic[ContactT], frozen=True, kw_only=True):
    """An instance whose contacts arrived, and the digest of the reply that they are all of.

    Attributes:
        digest: The digest.

    """

    digest: str


class Undecoded(Fetched[ContactT], Generic[ContactT], frozen=True, kw_only=True, dict=True):
    """An instance whose reply was recognised; its contacts are decoded when first asked for.

    Attributes:
        digest: The digest of the reply.
        fetched_at: When it was recognised, aware, in UTC.
        decode: Decodes it.

    """

    digest: str
    fetched_at: datetime
    decode: Callable[[], ContactSet[ContactT]]

    @cached_property  # type: ignore[misc]  # it hides the field
    def contacts(self) -> ContactSet[ContactT]:
        """Its contacts."""
        return self.decode()

    def __repr__(self) -> str:
        return f"Undecoded(w_id={self.w_id!r}, reply_bytes={self.reply_bytes})"


def decoded(outcome: Undecoded[ContactT]) -> Digested[ContactT]:
    """Return the same outcome with its contacts."""
    return Digested(
        outcome.w_id,
        outcome.gateway,
        outcome.contacts,
        outcome.calls,
        outcome.waited,
        outcome.elapsed,
        outcome.reply_bytes,
        digest=outcome.digest,
    )


def digest_of(outcome: Fetched[ContactT] | Failed) -> str:
    """Return the digest of an outcome's reply; "" if it has none."""
    return outcome.digest if isinstance(outcome, Digested | Undecoded) else ""


def fetched_at(outcome: Fetched[ContactT]) -> datetime:
    """Return when an outcome's contacts were fetched, without decoding them."""
    return outcome.fetched_at if isinstance(outcome, Undecoded) else outcome.contacts.fetched_at
