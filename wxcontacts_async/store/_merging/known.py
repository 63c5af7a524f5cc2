"""What the database knows of an instance before a merge."""

from dataclasses import dataclass
from datetime import datetime

from wxcontacts_async.store._database.connection import Connection
from wxcontacts_async.store._database.values import read_time
from wxcontacts_async.store._merging import statements as sql
from wxcontacts_async.store.records import KindCounts

# What an instance lacked the last time, in the words of `statements.KNOWN`.
NONE, ALL, SOME, UNKNOWN = "none", "all", "some", "unknown"


@dataclass(frozen=True)
class Known:
    """What the database knows of an instance."""

    merged_at: datetime | None = None  # when the set merged last was fetched
    synced_at: datetime | None = None  # when the last one was fetched that was not suspicious
    lacked: str = NONE
    contacts: int | None = None
    revision: str | None = None  # of these
    reply: str | None = None  # that they are all of, in the words of `written_reply`
    official_accounts: int | None = None
    friends: int | None = None
    groups: int | None = None

    @property
    def holds(self) -> bool:
        """Whether what is stored as held is of the last set."""
        return self.lacked in {ALL, SOME}

    @property
    def reply_digest(self) -> str:
        """The digest of the reply that the contacts are all of; "" if there is none."""
        return read_reply(self.reply, self.revision)

    @property
    def kind_counts(self) -> KindCounts:
        """How many contacts there are of each kind, as far as that is known."""
        return KindCounts(self.official_accounts or 0, self.friends or 0, self.groups or 0)


def read_known(connection: Connection) -> dict[str, Known]:
    """Read what is known of the instances that are asked for, by wId."""
    return {
        w_id: Known(merged_at and read_time(merged_at), synced_at and read_time(synced_at), *others)
        for w_id, merged_at, synced_at, *others in connection.rows(sql.known(connection.dialect))
    }


def written_reply(digest: str, revision: str) -> str | None:
    """Return what is stored of a reply: its digest and the revision of the contacts it made."""
    return f"{digest} {revision}" if digest else None


def read_reply(written: str | None, revision: str | None) -> str:
    """Return the digest of a reply, unless the contacts have another revision by now."""
    digest, _, of = (written or "").partition(" ")
    return digest if of == revision else ""
