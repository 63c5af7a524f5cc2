"""Waits until a database may have new changes, whichever process wrote them."""

from wxcontacts_async.store._database.connection import Connection
from wxcontacts_async.store._database.database import Database


class News:
    """What one reader of the log of changes waits for.

    Its own process announces changes when it has committed them. Of others, a PostgreSQL server
    tells, and SQLite has a number that changes with the file; that is looked at now and then.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seen: object = None

    async def wait(self) -> None:
        """Return once there may be changes since the last call; the first one returns at once.

        Raises:
            StoreError: The database cannot be read.

        """
        while True:
            await self._database.listen()  # first, or what comes just before would not be heard
            announced = self._database.announced
            seen = (announced, *await self._database.run(_version))
            if seen != self._seen:
                self._seen = seen
                return
            await self._database.wait_for_news(announced)


def _version(connection: Connection) -> tuple[int, object]:
    """Return what changes when another connection has written; that of SQLite is each one's own."""
    ((version,),) = connection.rows(connection.dialect.data_version)
    return connection.number, version
