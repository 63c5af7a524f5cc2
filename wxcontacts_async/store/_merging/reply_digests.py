"""Digests of the replies that the contacts in the database are of.

They are of the bytes, so contacts in another order, or another avatar, make another digest.
"""

from functools import partial
from hashlib import sha256

import msgspec
from xxhash import xxh3_128

from wxcontacts_async._concurrency import Signal
from wxcontacts_async.store._database.connection import Connection
from wxcontacts_async.store._database.database import Database
from wxcontacts_async.store._database.dialect import Dialect
from wxcontacts_async.store._database.values import is_key, storable
from wxcontacts_async.store._merging import statements as sql
from wxcontacts_async.store._merging.known import read_reply

_LOOKED_UP_AT_ONCE = 1_000


class ReplyDigest:
    """Makes the digest of one reply.

    XXH3 is no cryptographic hash. Its seed is made of the wId, which contacts do not know, so
    that none of them can choose a name for which it stays the same.

    Arguments:
        made_of: What else makes contacts of the same bytes differ.

    """

    def __init__(self, w_id: str, made_of: str) -> None:
        key = sha256(f"{w_id}\0{made_of}".encode(errors="backslashreplace")).digest()
        self._key = key[8:16]
        self._hash = xxh3_128(seed=int.from_bytes(key[:8]))
        self._size = 0

    def update(self, piece: bytes | memoryview, /) -> None:
        """Take the next bytes."""
        self._hash.update(piece)
        self._size += len(piece)

    def digest(self) -> str:
        """Return the digest of what was taken, in some 60 characters."""
        return f"{self._key.hex()}{self._hash.hexdigest()}{self._size:x}"


class ReplyDigests:
    """The stored digests of the instances that are being fetched; see `Recognition`.

    What was not looked up yet is not known. Its reply is decoded, and the merge finds out that it
    was the stored one.

    Arguments:
        signature: Equal for pools that make the same contacts of the same bytes.
        dialect: The database's.

    Attributes:
        news: Given when there is something to look up.

    """

    def __init__(self, signature: str, dialect: Dialect) -> None:
        self._signature = signature
        self._dialect = dialect
        # Of each instance that is being fetched; "" if there is none, or it is not known yet.
        self._digests: dict[str, str] = {}
        self._to_look_up: list[str] = []
        self.news = Signal()

    def expect(self, w_id: str) -> None:
        """Have the digest of an instance looked up, as it is about to be called."""
        self._digests[w_id] = ""
        self._to_look_up.append(w_id)
        self.news.notify()

    def hasher(self, w_id: str, content_type: str) -> ReplyDigest:
        """Return what makes the digest of a reply with that Content-Type."""
        return ReplyDigest(w_id, f"{content_type}\0{self._signature}")

    def knows(self, w_id: str, digest: str) -> bool:
        """Tell whether the stored contacts of an instance are of a reply with that digest."""
        return self._digests.get(w_id) == digest

    def forget(self, w_id: str) -> None:
        """Forget an instance, as it has its outcome."""
        self._digests.pop(w_id, None)

    async def look_up(self, database: Database) -> None:
        """Look up what is expected, until it is cancelled.

        Raises:
            StoreError: The database cannot be read.

        """
        while True:
            while not self._to_look_up:
                await self.news.wait()
            w_ids = self._to_look_up[:_LOOKED_UP_AT_ONCE]
            del self._to_look_up[:_LOOKED_UP_AT_ONCE]
            found = await database.run(partial(_stored, w_ids))
            for w_id in w_ids:
                if w_id in self._digests:
                    self._digests[w_id] = found.get(storable(w_id, self._dialect), "")


def _stored(w_ids: list[str], connection: Connection) -> dict[str, str]:
    names = [storable(w_id, connection.dialect) for w_id in w_ids if is_key(w_id)]
    query = sql.REPLY_DIGESTS.format(connection.dialect.texts_in)
    rows = connection.rows(query, msgspec.json.encode(names).decode())
    return {w_id: read_reply(written, revision) for w_id, written, revision in rows}
